# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream to each pod for many canaries at once: what they ask it at the same time is asked once for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from .._common.flights import Flights
from .._common.http_client import Answer
from .._k8s.client import Cluster
from .._k8s.portforward import TIMEOUT, Stream


class SharedStreams:
    """The streams, each of which stays open until all of them are closed."""

    def __init__(self, dial: Callable[[Cluster, str, str, int], Stream] = Stream) -> None:
        self._dial = dial
        self._lock = threading.Lock()
        self._streams: dict[Hashable, SharedStream] = {}

    def dial(self, cluster: Cluster, namespace: str, pod: str, port: int) -> Stream:
        """The one to this port of a pod."""
        with self._lock:
            place = (namespace, pod, port)
            if place not in self._streams:
                self._streams[place] = SharedStream(self._dial(cluster, namespace, pod, port))
            return self._streams[place]

    def close(self) -> None:
        """End all of them, also for those that wait for an answer."""
        for each in self._streams.values():
            each.end()


class SharedStream(Stream):
    """A stream that several canaries use; the end of one of them does not close it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._flights: Flights[Any] = Flights()

    def open(self, timeout: float = TIMEOUT) -> None:
        self._flights.share("open", lambda: self._stream.open(timeout))

    def get(self, path: str, timeout: float = TIMEOUT) -> bytes:
        found: bytes = self._flights.share(path, lambda: self._stream.get(path, timeout))
        return found

    def get_all(self, paths: Sequence[str], timeout: float = TIMEOUT) -> dict[str, bytes]:
        found: dict[str, bytes] = self._flights.share(tuple(paths), lambda: self._stream.get_all(paths, timeout))
        return found

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Answer:
        return self._stream.ask(method, path, headers, body, timeout)

    def close(self) -> None:
        """Nothing: others may use it."""

    def abort(self) -> None:
        """Nothing: others may wait for its answers."""

    def end(self) -> None:
        """Close it."""
        self._stream.abort()
        self._stream.close()
