"""What `python -X importtime` says. Pure."""

from __future__ import annotations

import re

LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|", re.MULTILINE)


def import_seconds(errors: str) -> float:
    """Return how long all imports of a process took together."""
    return sum(map(int, LINE.findall(errors))) / 1e6
