# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream to each pod for many canaries at once: what they ask it at the same time is asked once for all."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from typing import Any

from .._common.flights import Flights
from .._k8s.client import Cluster
from .._k8s.portforward import TIMEOUT, Stream


class SharedStreams:
    """The streams, each of which stays open until all of them are closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: dict[Hashable, SharedStream] = {}

    def dial(self, cluster: Cluster, namespace: str, pod: str, port: int) -> Stream:
        """The one to this port of a pod."""
        with self._lock:
            place = (namespace, pod, port)
            if place not in self._streams:
                self._streams[place] = SharedStream(cluster, namespace, pod, port)
            return self._streams[place]

    def close(self) -> None:
        """End all of them, also for those that wait for an answer."""
        for each in self._streams.values():
            each.end()


class SharedStream(Stream):
    """A stream that several canaries use; the end of one of them does not close it."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        super().__init__(cluster, namespace, pod, port)
        self._flights: Flights[Any] = Flights()

    def open(self, timeout: float = TIMEOUT) -> None:
        self._flights.share("open", lambda: Stream.open(self, timeout))

    def get(self, path: str, timeout: float = TIMEOUT) -> bytes:
        found: bytes = self._flights.share(path, lambda: Stream.get(self, path, timeout))
        return found

    def get_all(self, paths: Sequence[str], timeout: float = TIMEOUT) -> dict[str, bytes]:
        found: dict[str, bytes] = self._flights.share(tuple(paths), lambda: Stream.get_all(self, paths, timeout))
        return found

    def close(self) -> None:
        """Nothing: others may use it."""

    def abort(self) -> None:
        """Nothing: others may wait for its answers."""

    def end(self) -> None:
        """Close it."""
        super().abort()
        super().close()
