# SPDX-License-Identifier: GPL-3.0-or-later
"""What proxies count for the endpoints of two versions, and which versions they are cut off from."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

from .._k8s.auth import ClusterError
from .._metrics.counts import Sample
from .._proxy import endpoints
from .._proxy.attachment import Proxy
from .._proxy.endpoints import Clusters, HostIncrease, ProxyHosts
from .._proxy.envoy_config import hosts_path
from .._proxy.fleet import Unproven
from .._proxy.reader import Interval, Readings
from .._rollout.prover import Prover
from .._rollout.snapshot import Snapshot
from .._routing.virtual_service import HTTP
from .answers import ProxyAnswers


class Uncounted(Exception):
    """Why nothing could be counted, in one sentence."""


class EndpointReader:
    """Counts the requests to the endpoints of the two versions in all proxies, from the first read on.

    pace, intervals: as of ProxyAnswers, which has the answers to further paths.
    """

    def __init__(
        self, prover: Prover, snapshot: Snapshot, pace: float, intervals: Mapping[str, Interval] | None = None
    ) -> None:
        self._clusters = clusters_of(snapshot)
        self._path = hosts_path(self._clusters.versions)
        self.answers = ProxyAnswers(prover, snapshot, self._path, pace, intervals)
        self._increase = HostIncrease()
        self._present: Collection[Hashable] = ()

    def read(self) -> Readings:
        """Add what is new and return the readings; Uncounted if there is no proxy to read."""
        try:
            readings = self.answers.read()
        except (Unproven, ClusterError) as error:
            raise Uncounted(f"the proxies cannot be read: {error}") from error
        new = self.answers.new(self._path).items()
        self._increase = endpoints.add(self._increase, {proxy: self._parsed(proxy, body) for proxy, body in new})
        self._present = readings.present
        return readings

    def sample(self, version: str) -> Sample:
        """The requests to a version, and how many of them failed."""
        return endpoints.sample(self._increase, version)

    def cut_off(self, names: Iterable[str]) -> dict[str, str]:
        """Where proxies have no endpoint of a version any more, by version, as a clause."""
        found = {name: endpoints.cut_off(self._increase, name, self._present) for name in names}
        return {
            name: f"no healthy endpoint of {name} is left in {', '.join(sorted(map(str, proxies)))}"
            for name, proxies in found.items()
            if proxies
        }

    def _parsed(self, proxy: Proxy, body: bytes) -> ProxyHosts:
        try:
            return endpoints.parse(body, self._clusters)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Uncounted(f"the clusters that {proxy} lists cannot be read: {error}") from error


def clusters_of(snapshot: Snapshot) -> Clusters:
    """The clusters of the two versions, as Envoy names them."""
    route, names = snapshot.route, (snapshot.target.canary, snapshot.target.stable)
    ports = {name: place.port for name, place in route.destinations.items() if place.port and name in names}
    # Envoy counts a connection as a request without a result.
    connections = [each for each in snapshot.every_route if each.protocol != HTTP]
    others = {each.destinations[name].port for each in connections for name in names if name in each.destinations}
    return Clusters({route.place(name): name for name in names}, ports, frozenset(port for port in others if port))
