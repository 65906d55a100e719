# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""One path of the admin interface of every proxy, read again and again from the first look until it is closed."""

from __future__ import annotations

import threading
from contextlib import suppress

from ._binding import Proxy
from ._cluster import ClusterError
from ._proof import Prover
from ._proxies import Unproven
from ._reader import Reader, Reading, Readings
from ._snapshot import Snapshot


class PathReader:
    """pace: seconds between two looks at a proxy, at least."""

    def __init__(self, prover: Prover, snapshot: Snapshot, path: str, pace: float) -> None:
        self._prover = prover
        self._snapshot = snapshot
        self._path = path
        self._pace = pace
        self._reader: Reader | None = None
        self._taken: dict[Proxy, Reading] = {}
        self._closed = False
        self._opening = threading.Lock()

    def look(self, patience: float) -> tuple[Readings, dict[Proxy, bytes]]:
        """What is read, and the answers that are new; it waits for one for so many seconds.

        Unproven or ClusterError if there are no proxies to ask.
        """
        readings = self._reading().newest(patience)
        new = {proxy: each for proxy, each in readings.answers.items() if self._taken.get(proxy) is not each}
        self._taken |= new
        return readings, {proxy: each.bodies[self._path] for proxy, each in new.items()}

    def begin(self) -> None:
        """Read already what the first look gives. What is in the way of that is told by the looks."""
        with suppress(Unproven, ClusterError):
            self._reading()

    def close(self) -> None:
        """Ask nobody any more."""
        with self._opening:
            self._closed = True
            if self._reader:
                self._reader.close()

    def _reading(self) -> Reader:
        with self._opening:
            if self._closed:
                raise Unproven("the watch is over")
            if self._reader is None:
                self._reader = self._prover.reader(self._snapshot, [self._path], self._pace)
            return self._reader
