"""One measure per file, with `measure(bench)`, which returns its findings."""
