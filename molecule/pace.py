"""How much slower a machine is than the one on which the numbers in the tests were measured, at rest."""

from __future__ import annotations

import threading
import time

LOOPS = 400_000  # of one piece of work
AT_REST = 0.009  # seconds that they take on that machine
PAUSE = 0.09  # seconds between two pieces


class Pace:
    """Measured during the `with` block, by pieces of work. slowdown: how many times longer they took, at least 1."""

    def __enter__(self) -> Pace:
        self.slowdown = 1.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        took, pieces = 0.0, 0
        while True:
            begin = time.monotonic()
            for _ in range(LOOPS):
                pass
            took, pieces = took + time.monotonic() - begin, pieces + 1
            self.slowdown = max(1.0, took / pieces / AT_REST)
            if self._ended.wait(PAUSE):
                return
