# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of all proxies' admin interfaces, from the first read until it is closed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress

from .._k8s.auth import ClusterError
from .._proxy.attachment import Proxy
from .._proxy.fleet import Unproven
from .._proxy.reader import Interval, Reader, Readings
from .._rollout.prover import Prover
from .._rollout.snapshot import Snapshot

WAIT = 0.5  # seconds that a read waits for something new


class ProxyAnswers:
    """path: what each request asks for. pace: seconds between two requests. intervals: paths to read less often."""

    def __init__(
        self,
        prover: Prover,
        snapshot: Snapshot,
        path: str,
        pace: float,
        intervals: Mapping[str, Interval] | None = None,
    ) -> None:
        self._prover = prover
        self._snapshot = snapshot
        self._path = path
        self._pace = pace
        self._intervals = intervals or {}
        self._reader: Reader | None = None
        self._readings = Readings({}, {}, 0, {})
        self._taken: dict[tuple[Proxy, str], bytes] = {}
        self._closed = False
        self._opening = threading.Lock()

    def read(self) -> Readings:
        """The readings, as soon as there is something new; Unproven or ClusterError if there is no proxy to read."""
        self._readings = self._reading().newest(WAIT)
        return self._readings

    def new(self, path: str) -> dict[Proxy, bytes]:
        """The answers to a path in the last readings that were not returned before."""
        found = {
            proxy: body
            for proxy, bodies in self._readings.answers.items()
            if (body := bodies.get(path)) is not None and self._taken.get((proxy, path)) is not body
        }
        self._taken |= {(proxy, path): body for proxy, body in found.items()}
        return found

    def begin(self) -> None:
        """Start to read; `read` raises what prevents it."""
        with suppress(Unproven, ClusterError):
            self._reading()

    def close(self) -> None:
        """Stop reading."""
        with self._opening:
            self._closed = True
            if self._reader:
                self._reader.close()

    def _reading(self) -> Reader:
        with self._opening:
            if self._closed:
                raise Unproven("the watch is over")
            if self._reader is None:
                self._reader = self._prover.reader(self._snapshot, [self._path], self._pace, self._intervals)
            return self._reader
