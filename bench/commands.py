"""Run a program and measure it: seconds, CPU time, memory, output."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.progress import LabError

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
LOG = BUILD / "bench.log"
TIMEOUT = 240.0  # seconds
TAIL_LINES = 8


@dataclass(frozen=True)
class Ended:
    """The end of a program. cpu_seconds: of it and its children. memory_mb: its peak."""

    command: str
    code: int
    output: str
    errors: str
    seconds: float
    cpu_seconds: float
    memory_mb: float

    def succeeded(self) -> Ended:
        """Return itself; raise LabError with the end of the output if it failed."""
        if self.code:
            tail = "\n".join((self.output + self.errors).strip().splitlines()[-TAIL_LINES:])
            raise LabError(f"'{self.command}' ended with {self.code}: {tail}")
        return self


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = TIMEOUT,
) -> Ended:
    """Run a program to its end; one that takes longer than the timeout is killed."""
    words = [str(word) for word in command]
    _log(f"$ {' '.join(words)}")
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        begin = time.monotonic()
        process = subprocess.Popen(words, env={**os.environ, **(env or {})}, stdin=given, stdout=out, stderr=err)
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            killer.cancel()
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output, errors = _text(out), _text(err)
    _log(output, errors)
    cpu_seconds, memory_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Ended(" ".join(words[:3]), process.returncode, output, errors, seconds, cpu_seconds, memory_mb)


def _log(*texts: str) -> None:
    """Append to the log, which is also the source of the progress line."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:
        log.write("\n".join(filter(None, texts)) + "\n")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def own_memory_mb() -> float:
    """Return the peak of this process, which Linux counts for a child too until the child exceeds it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
