"""How much slower a machine is than one that has nothing else to do."""

from __future__ import annotations

import threading
import time

WORK, PAUSE = 0.01, 0.09  # seconds


class Pace:
    """Measured during the `with` block, by pieces of work. slowdown: how long a second of CPU has taken, in seconds."""

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
        took = 0.0
        while True:
            begin, end = time.monotonic(), time.thread_time() + WORK
            while time.thread_time() < end:
                pass
            took += time.monotonic() - begin
            self.slowdown = took / time.thread_time()
            if self._ended.wait(PAUSE):
                return
