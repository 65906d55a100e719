# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What proxies count for the endpoints of two versions, and whether they have any, read again and again."""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Iterable
from contextlib import suppress

from . import _endpoints as endpoints
from ._binding import Proxy
from ._cluster import ClusterError
from ._counts import Sample
from ._endpoints import Clusters, HostTally, ProxyHosts
from ._envoy import Destination, hosts_path
from ._hosts import identity
from ._proof import Prover
from ._proxies import Unproven
from ._reader import Reader, Reading, Readings
from ._snapshot import Snapshot

PATIENCE = 0.5  # seconds for which a look waits for something new


class Uncounted(Exception):
    """One sentence: why nothing could be counted."""


class EndpointReader:
    """What every proxy counts for the endpoints of the two versions, from the first look on.

    paths: what else of each proxy is read with each look. pace: seconds between two of them.
    """

    def __init__(self, prover: Prover, snapshot: Snapshot, pace: float, *paths: str) -> None:
        self._prover = prover
        self._snapshot = snapshot
        self._clusters = clusters_of(snapshot)
        self._path = hosts_path(self._clusters.versions)
        self._paths = (self._path, *paths)
        self._pace = pace
        self._tally = HostTally()
        self._present: Collection[Hashable] = ()
        self._reader: Reader | None = None
        self._taken: dict[Proxy, Reading] = {}
        self._closed = False
        self._opening = threading.Lock()

    def look(self) -> tuple[Readings, dict[Proxy, Reading]]:
        """What is read, and what of it is new."""
        try:
            readings = self._reading().newest(PATIENCE)
        except (Unproven, ClusterError) as error:
            raise Uncounted(f"the proxies cannot be read: {error}") from error
        new = {proxy: each for proxy, each in readings.answers.items() if self._taken.get(proxy) is not each}
        self._tally = endpoints.add(
            self._tally, {proxy: self._endpoints_of(proxy, each.bodies[self._path]) for proxy, each in new.items()}
        )
        self._taken |= new
        self._present = readings.present
        return readings, new

    def sample(self, version: str) -> Sample:
        """Its requests, and those that failed."""
        return endpoints.sample(self._tally, version)

    def cut_off(self, names: Iterable[str]) -> dict[str, str]:
        """Those of these versions that a proxy has no endpoint of any more, each with a half sentence."""
        found = {name: endpoints.cut_off(self._tally, name, self._present) for name in names}
        return {
            name: f"no healthy endpoint of {name} is left in {', '.join(sorted(map(str, proxies)))}"
            for name, proxies in found.items()
            if proxies
        }

    def begin(self) -> None:
        """Read already what the first look counts from. What is in the way of that is told by the looks."""
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
                self._reader = self._prover.reader(self._snapshot, self._paths, self._pace)
            return self._reader

    def _endpoints_of(self, proxy: Proxy, body: bytes) -> ProxyHosts:
        try:
            return endpoints.parse(body, self._clusters)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Uncounted(f"{proxy} does not tell of its clusters as Envoy does: {error}") from error


def clusters_of(snapshot: Snapshot) -> Clusters:
    """The clusters of the two versions, as Envoy names them."""
    route = snapshot.route
    host = identity(route.host, snapshot.target.namespace)
    names = (snapshot.target.canary, snapshot.target.stable)
    return Clusters({Destination(host, name): name for name in names}, (route.port or {}).get("number"))
