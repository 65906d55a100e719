"""Requests at a steady rate, by fortio, Istio's own load tool."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

LONGEST = 1800  # seconds


class Load:
    """Running from the start, when its connections are warm, until it is stopped."""

    def __init__(self, url: str, host: str, rate: int, result: Path, *headers: str) -> None:
        self._result = result
        options = ["-qps", str(rate), "-c", "8", "-t", f"{LONGEST}s", "-json", str(result)]
        for header in (f"Host: {host}", *headers):
            options += ["-H", header]
        # An answer that comes late, on a busy machine, is not a lost one.
        options += ["-timeout", "20s", "-nocatchup", "-allow-initial-errors"]
        command = ["fortio", "load", *options, url]
        log = result.with_suffix(".log")
        with log.open("w") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        while "Starting at " not in log.read_text():
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.02)
        self._begin = time.monotonic()

    def stop(self) -> dict[str, int]:
        """How many answers there were of each status; -1 stands for those that never came."""
        if self._process.poll() is None:
            self.seconds = time.monotonic() - self._begin
            self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        return json.loads(self._result.read_text())["RetCodes"]
