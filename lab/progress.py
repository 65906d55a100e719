"""Steps that a person can follow: what, which of how many, how long so far."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 15.0
TAIL_LINES = 25


class LabError(Exception):
    """A failure whose text a person can act on."""


def duration(seconds: float) -> str:
    """Render seconds as `4.2 s` or `3 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def _last_line(*paths: Path) -> str:
    """Return what was written last to whichever of the files grew last."""
    newest = max((path for path in paths if path.exists()), key=lambda path: path.stat().st_mtime)
    with newest.open("rb") as log:
        log.seek(max(0, newest.stat().st_size - 2000))
        lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Progress:
    """Print numbered steps; while one runs, say every 15 seconds that it does and what it does."""

    def __init__(self, total: int, log: Path) -> None:
        self.total, self.log, self.output = total, log, Path(f"{log}.out")
        self.number = 0
        self.began = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")

    def say(self, text: str) -> None:
        print(text, flush=True)

    def done(self, what: str, why: str) -> None:
        """Count a step that has nothing to do."""
        self.number += 1
        self.say(f"[{self.number}/{self.total}] {what}: {why}")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        self.number += 1
        self.say(f"[{self.number}/{self.total}] {what} ...")
        began, finished = time.monotonic(), threading.Event()

        def beat() -> None:
            while not finished.wait(HEARTBEAT_SECONDS):
                self.say(f"      {duration(time.monotonic() - began)}: {_last_line(self.log, self.output)[:110]}")

        threading.Thread(target=beat, daemon=True).start()
        try:
            yield
        finally:
            finished.set()
        self.say(f"      done in {duration(time.monotonic() - began)}")

    def run(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> str:
        """Run a command, its output kept in the log, and return its standard output.

        Raises LabError with the end of the output when the command fails.
        """
        words = [str(word) for word in command]
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(words)}\n")
            log.flush()
            with self.output.open("w+", encoding="utf-8", errors="replace") as out:
                try:
                    process = subprocess.run(
                        words,
                        cwd=cwd,
                        env={**os.environ, **(env or {})},
                        input=stdin,
                        stdout=out,
                        stderr=log,
                        text=True,
                        check=False,
                    )
                except FileNotFoundError as error:
                    raise LabError(
                        f"the program '{words[0]}' is not installed: start the lab by 'make -C lab up'"
                    ) from error
                out.seek(0)
                text = out.read()
            self.output.unlink()
            log.write(text)
        if process.returncode:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
            raise LabError(
                f"'{' '.join(words[:4])} ...' ended with {process.returncode}; the end of {self.log}:\n{tail}"
            )
        return text


def ask(command: Sequence[str | Path], *, stdin: str | None = None) -> str | None:
    """Return what a short question to a program prints, or None when the program says no or is absent."""
    try:
        process = subprocess.run(
            [str(word) for word in command], input=stdin, capture_output=True, text=True, check=False, timeout=60
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return process.stdout if process.returncode == 0 else None


def fail(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr)
