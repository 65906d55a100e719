"""Requests at a steady rate, by fortio, Istio's own load tool."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

LONGEST = 1800  # seconds


class Load:
    """Running from the start until it is stopped."""

    def __init__(self, url: str, host: str, rate: int, result: Path, *headers: str) -> None:
        self._result = result
        options = ["-qps", str(rate), "-c", "8", "-t", f"{LONGEST}s", "-json", str(result)]
        for header in (f"Host: {host}", *headers):
            options += ["-H", header]
        # An answer that comes late, on a busy machine, is not a lost one.
        options += ["-timeout", "20s", "-nocatchup", "-allow-initial-errors"]
        command = ["fortio", "load", *options, url]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> dict[str, int]:
        """How many answers there were of each status; -1 stands for those that never came."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        return json.loads(self._result.read_text())["RetCodes"]
