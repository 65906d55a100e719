"""One measure a file; each has `measure(bench)` that returns what it found."""
