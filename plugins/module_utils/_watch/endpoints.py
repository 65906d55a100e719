# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What proxies count for the endpoints of two versions, and whether they have any, read again and again."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

from .._k8s.auth import ClusterError
from .._metrics.counts import Sample
from .._proxy import endpoints as endpoints
from .._proxy.admin import HostSubset, hosts_path
from .._proxy.attachment import Proxy
from .._proxy.endpoints import Clusters, HostIncrease, ProxyHosts
from .._proxy.fleet import Unproven
from .._proxy.reader import Interval, Readings
from .._rollout.prover import Prover
from .._rollout.read import Snapshot
from .._routing.hosts import identity
from .answers import ProxyAnswers


class Uncounted(Exception):
    """One sentence: why nothing could be counted."""


class EndpointReader:
    """What every proxy counts for the endpoints of the two versions, from the first look on.

    pace: seconds between two looks at a proxy. intervals: what else it is asked for now and then; see answers.
    """

    def __init__(
        self, prover: Prover, snapshot: Snapshot, pace: float, intervals: Mapping[str, Interval] | None = None
    ) -> None:
        self._clusters = clusters_of(snapshot)
        self._path = hosts_path(self._clusters.versions)
        self.answers = ProxyAnswers(prover, snapshot, self._path, pace, intervals)
        self._tally = HostIncrease()
        self._present: Collection[Hashable] = ()

    def read(self) -> Readings:
        """Take in what is new, and tell what is read; Uncounted if there is nobody to ask."""
        try:
            readings = self.answers.read()
        except (Unproven, ClusterError) as error:
            raise Uncounted(f"the proxies cannot be read: {error}") from error
        looks: dict[Hashable, ProxyHosts] = {
            proxy: self._endpoints_of(proxy, body) for proxy, body in self.answers.new(self._path).items()
        }
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
    return Clusters({HostSubset(host, name): name for name in names}, (route.port or {}).get("number"))
