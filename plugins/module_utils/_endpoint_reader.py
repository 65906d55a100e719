# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What proxies count for the endpoints of two versions, and whether they have any, read again and again."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable

from . import _endpoints as endpoints
from ._binding import Proxy
from ._cluster import ClusterError
from ._counts import Sample
from ._endpoints import Clusters, HostTally, ProxyHosts
from ._envoy import Destination, hosts_path
from ._hosts import identity
from ._path_reader import PathReader
from ._proof import Prover
from ._proxies import Unproven
from ._reader import Readings
from ._snapshot import Snapshot

PATIENCE = 0.5  # seconds for which a look waits for something new


class Uncounted(Exception):
    """One sentence: why nothing could be counted."""


class EndpointReader:
    """What every proxy counts for the endpoints of the two versions, from the first look on.

    pace: seconds between two looks at a proxy, at least.
    """

    def __init__(self, prover: Prover, snapshot: Snapshot, pace: float) -> None:
        self._clusters = clusters_of(snapshot)
        self._reader = PathReader(prover, snapshot, hosts_path(self._clusters.versions), pace)
        self._tally = HostTally()
        self._present: Collection[Hashable] = ()

    def look(self) -> Readings:
        """Take in what is new, and tell what is read; Uncounted if there is nobody to ask."""
        try:
            readings, new = self._reader.look(PATIENCE)
        except (Unproven, ClusterError) as error:
            raise Uncounted(f"the proxies cannot be read: {error}") from error
        looks: dict[Hashable, ProxyHosts] = {proxy: self._endpoints_of(proxy, body) for proxy, body in new.items()}
        self._tally = endpoints.add(self._tally, looks)
        self._present = readings.present
        return readings

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
        """Read already what the first look counts from."""
        self._reader.begin()

    def close(self) -> None:
        """Ask nobody any more."""
        self._reader.close()

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
