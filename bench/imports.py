"""The report of `python -X importtime`. Pure."""

from __future__ import annotations

import re

LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|", re.MULTILINE)


def import_seconds(errors: str) -> float:
    """Return the seconds of all imports of a process."""
    return sum(map(int, LINE.findall(errors))) / 1e6
