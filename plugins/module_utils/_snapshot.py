# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""One read of everything that a decision about a canary rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ._cleanup import OVER
from ._cluster import (
    DEPLOYMENT,
    DESTINATION_RULE,
    NAMESPACE,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Cluster,
    ClusterError,
)
from ._hosts import ServiceName, service_of
from ._mesh import Mesh, name_of
from ._readiness import Version, examine
from ._release import Damaged, Observed, Ready, State, decode, encode
from ._route import Route, RouteError, locate, note_of, pair
from ._selectors import as_text
from ._subsets import Subset, subsets_of

Object = Mapping[str, Any]

ROUTE = "route"  # the field of the annotation that says which HTTP route the release is on


class Refused(Exception):
    """Everything that stands against the request, one sentence each."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        super().__init__("; ".join(self.mistakes))


@dataclass(frozen=True)
class Target:
    """What the user named: a VirtualService and two versions in it; without names, those that are found there."""

    name: str
    namespace: str
    stable: str = ""
    canary: str = ""
    route: str | None = None
    destination_host: str | None = None
    min_ready: int | None = None

    @property
    def place(self) -> str:
        return f"VirtualService {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Snapshot:
    """The VirtualService, what it says, and who stands behind it.

    deployments: all of the Service's namespace; None if they may not be read.
    mesh: the objects as they were read, with all other VirtualServices if they were asked for.
    problems: what could not be made sure of.
    """

    target: Target
    virtual_service: Object
    state: State | Damaged | None
    route: Route
    service: ServiceName | None = None
    selects: Mapping[str, str] = field(default_factory=dict)
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    pods: tuple[Object, ...] | None = None
    deployments: tuple[Object, ...] | None = None
    mesh: Mesh = field(default_factory=Mesh)
    problems: tuple[str, ...] = ()

    @property
    def shares(self) -> dict[str, int]:
        """Percent by version, of those that the request or the state names."""
        return self.route.shares(_versions(self.target, self.state))

    @property
    def selector(self) -> str:
        """The Service's, as the API server wants it."""
        return as_text(self.selects)

    def labels(self, version: str) -> dict[str, str]:
        """What a pod must carry to get the requests of a version."""
        subset = self.subsets.get(version)
        return {**self.selects, **(subset.labels if subset else {})}

    def version(self, name: str) -> Version:
        """The pods of a version."""
        if name not in self.subsets:
            return Version(name, 0, 0, (), absent="no DestinationRule has this subset")
        return examine(name, self.labels(name), self.pods or (), self.deployments)

    def observed(self, holder_gone: bool = False) -> Observed:
        """What the state machine wants to know. What nobody could look at does not stand in its way."""
        if self.pods is None:
            return Observed(self.shares, holder_gone=holder_gone)
        named = dict.fromkeys(_versions(self.target, self.state))
        versions = [self.version(name) for name in named]
        whole, minimum = max(each.total for each in versions[:2]), self.target.min_ready
        ready = {each.name: Ready(*each.carries(whole, minimum), each.filled(minimum)) for each in versions}
        stable, canary = ready.pop(self.target.stable), ready.pop(self.target.canary)
        return Observed(self.shares, stable, canary, holder_gone, ready)

    def noted(self, state: State) -> str:
        """The annotation that says this of this route."""
        return encode(replace(state, extra={**state.extra, ROUTE: self.route.label}) if self.route.label else state)

    def rewritten(self, virtual_service: Object) -> Snapshot:
        """The same after a write."""
        new = parse(self.target, virtual_service)
        return replace(self, virtual_service=virtual_service, state=new.state, route=new.route)


def read(cluster: Cluster, target: Target, *, lenient: bool = False, rivals: bool = False) -> Snapshot:
    """The snapshot, or Refused with all mistakes in what the user named.

    lenient: only the VirtualService must be there, and whatever else is missing or broken is noted as a problem.
    rivals: read all VirtualServices of the cluster, which is one request too, to know of those for the same hosts.
    """
    snapshot = _virtual_service(cluster, target, rivals)
    problems = snapshot.problems
    try:
        snapshot = _behind(cluster, snapshot)
        mistakes = _mistakes(snapshot)
    except ClusterError as error:
        if not lenient:
            raise
        mistakes = [str(error)]
    if mistakes and not lenient:
        raise Refused(mistakes)
    return replace(snapshot, problems=(*problems, *mistakes))


def pods_of(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """The same with the pods as they are now, and how many are wanted."""
    if snapshot.service is None or not snapshot.selects:
        return snapshot
    namespace = snapshot.service.namespace
    pods = tuple(cluster.list(POD, namespace, snapshot.selector))
    return replace(snapshot, pods=pods, deployments=_deployments(cluster, namespace))


def _deployments(cluster: Cluster, namespace: str) -> tuple[Object, ...] | None:
    try:
        return tuple(cluster.list(DEPLOYMENT, namespace))
    except ClusterError as error:
        if error.status != 403:
            raise
        return None


def _virtual_service(cluster: Cluster, target: Target, rivals: bool) -> Snapshot:
    found, problems = _all_of_them(cluster) if rivals else (None, ())
    if found is None:
        one = cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
        found = (one,) if one else ()
    wanted = ServiceName(target.namespace, target.name)
    virtual_service = next((each for each in found if name_of(each) == wanted), None)
    if virtual_service is None:
        raise Refused([_missing(cluster, target)])
    return replace(parse(target, virtual_service), mesh=Mesh(virtual_services=found), problems=problems)


def _all_of_them(cluster: Cluster) -> tuple[tuple[Object, ...] | None, tuple[str, ...]]:
    try:
        return tuple(cluster.list(VIRTUAL_SERVICE)), ()
    except ClusterError as error:
        if error.status != 403:
            raise
        unknown = "whether others route the same hosts was not seen (skip_checks: [one_route_per_gateway_host])"
        return None, (f"{unknown}: {error}",)


def parse(target: Target, virtual_service: Object) -> Snapshot:
    """What a VirtualService says of the release and its route, or Refused."""
    state = decode(note_of(virtual_service))
    known = state.extra.get(ROUTE) if isinstance(state, State) else None
    if isinstance(state, State) and known and target.route not in (None, known):
        if state.phase not in OVER:
            under_way = f"{state.canary} is {state.phase} on HTTP route {known}, not on {target.route}"
            raise Refused([f"{target.place}: {under_way}; only one release at a time"])
        state, known = None, None  # what is over there says nothing about this route
    if not target.stable:
        target = _completed(target, virtual_service, state)
    try:
        route = locate(
            virtual_service, _versions(target, state), name=target.route or known, host=target.destination_host
        )
    except RouteError as error:
        raise Refused([str(error)]) from error
    return Snapshot(target, virtual_service, state, route)


def _completed(target: Target, virtual_service: Object, state: State | Damaged | None) -> Target:
    """The target with the versions of the release, or else those that the route tells."""
    if isinstance(state, State):
        return replace(target, stable=state.stable, canary=state.canary)
    versions = pair(virtual_service, name=target.route)
    if versions is None:
        raise Refused([f"{target.place} tells no two versions apart: name them by `stable` and `canary`"])
    return replace(target, stable=versions[0], canary=versions[1])


def _behind(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """With the Service, the subsets and the pods behind the route."""
    namespace = snapshot.target.namespace
    service = service_of(snapshot.route.host, namespace)
    if service is None:
        return snapshot
    namespaces = dict.fromkeys((namespace, service.namespace))
    rules = [rule for each in namespaces for rule in cluster.list(DESTINATION_RULE, each)]
    found = cluster.get(SERVICE, service.name, service.namespace)
    selects = ((found or {}).get("spec") or {}).get("selector") or {}
    subsets = subsets_of(snapshot.route.host, namespace, rules)
    mesh = replace(snapshot.mesh, destination_rules=tuple(rules), services=(found,) if found else ())
    return pods_of(cluster, replace(snapshot, service=service, selects=selects, subsets=subsets, mesh=mesh))


def _mistakes(snapshot: Snapshot) -> list[str]:
    target, host = snapshot.target, snapshot.route.host
    if snapshot.service is None:
        return [
            f"host {host} of HTTP route {snapshot.route.name} in {target.place} is no Service of this cluster: "
            "write it bare or as name.namespace.svc.cluster.local"
        ]
    mistakes = []
    if not snapshot.selects:
        mistakes.append(
            f"Service {snapshot.service}, the host of HTTP route {snapshot.route.name} in {target.place}, "
            "does not exist or selects no pods"
        )
    known = ", ".join(sorted(snapshot.subsets)) or "none"
    for version in (target.stable, target.canary):
        if version not in snapshot.subsets and not _cleaned_up(snapshot, version):
            rules = ", ".join(sorted({subset.destination_rule for subset in snapshot.subsets.values()}))
            where = f"DestinationRule {rules}" if rules else f"any DestinationRule for host {host}"
            mistakes.append(f"subset {version} is not in {where}; its subsets: {known}")
    return mistakes


def _cleaned_up(snapshot: Snapshot, version: str) -> bool:
    """Whether the version took part in a release that is over, and has been removed since."""
    state = snapshot.state
    return isinstance(state, State) and state.weights.get(version) == 0 and version not in snapshot.route.destinations


def _missing(cluster: Cluster, target: Target) -> str:
    try:
        if cluster.get(NAMESPACE, target.namespace) is None:
            return f"namespace {target.namespace} does not exist in {cluster.where}"
        known = [each["metadata"]["name"] for each in cluster.list(VIRTUAL_SERVICE, target.namespace)]
    except ClusterError as error:
        if error.status != 403:
            raise
        return f"{target.place} does not exist in {cluster.where}"
    names = f"; there: {', '.join(sorted(known))}" if known else ", which has no VirtualService at all"
    return f"{target.place} does not exist in {cluster.where}{names}"


def _versions(target: Target, state: State | Damaged | None) -> tuple[str, ...]:
    named = (target.stable, target.canary)
    return named + ((state.stable, state.canary) if isinstance(state, State) else ())
