# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a user from time to time what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 15.0  # seconds between two lines


class Heartbeat:
    """The first line is due at once, or EVERY seconds after `begin`."""

    def __init__(self) -> None:
        self._last: float | None = None

    def begin(self) -> None:
        """Something was just shown."""
        self._last = time.monotonic()

    def beat(self, show: Callable[[], object]) -> None:
        """Show it if a line is due."""
        now = time.monotonic()
        if self._last is None or now - self._last >= EVERY:
            self._last = now
            show()
