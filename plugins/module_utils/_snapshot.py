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

from ._cluster import (
    DESTINATION_RULE,
    NAMESPACE,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Cluster,
    ClusterError,
)
from ._hosts import ServiceName, service_of
from ._readiness import Version, examine
from ._release import Damaged, Observed, Ready, State, decode
from ._route import Route, RouteError, locate, note_of
from ._subsets import Subset, subsets_of

Object = Mapping[str, Any]


class Refused(Exception):
    """Everything that stands against the request, one sentence each."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        super().__init__("; ".join(self.mistakes))


@dataclass(frozen=True)
class Target:
    """What the user named: a VirtualService and two versions in it."""

    name: str
    namespace: str
    stable: str
    canary: str
    route: str | None = None
    destination_host: str | None = None
    min_ready: int | None = None

    @property
    def place(self) -> str:
        return f"VirtualService {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Snapshot:
    """The VirtualService, what it says, and who stands behind it. problems: what could not be made sure of."""

    target: Target
    virtual_service: Object
    state: State | Damaged | None
    route: Route
    service: ServiceName | None = None
    selects: Mapping[str, str] = field(default_factory=dict)
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    pods: tuple[Object, ...] | None = None
    problems: tuple[str, ...] = ()

    @property
    def shares(self) -> dict[str, int]:
        """Percent by version, of those that the request or the state names."""
        return self.route.shares(_versions(self.target, self.state))

    @property
    def selector(self) -> str:
        """The Service's, as the API server wants it."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.selects.items()))

    def labels(self, version: str) -> dict[str, str]:
        """What a pod must carry to get the requests of a version."""
        subset = self.subsets.get(version)
        return {**self.selects, **(subset.labels if subset else {})}

    def version(self, name: str) -> Version:
        """The pods of a version."""
        subset = self.subsets.get(name)
        return examine(name, subset.labels, self.pods or ()) if subset else Version(name, 0, 0, ())

    def observed(self, holder_gone: bool = False) -> Observed:
        """What the state machine wants to know. What nobody could look at does not stand in its way."""
        if self.pods is None:
            return Observed(self.shares, holder_gone=holder_gone)
        stable, canary = self.version(self.target.stable), self.version(self.target.canary)
        whole, minimum = max(stable.total, canary.total), self.target.min_ready
        return Observed(
            self.shares,
            Ready(*stable.carries(whole, minimum)),
            Ready(*canary.carries(whole, minimum)),
            holder_gone,
        )

    def rewritten(self, virtual_service: Object) -> Snapshot:
        """The same after a write."""
        new = _parsed(self.target, virtual_service)
        return replace(self, virtual_service=virtual_service, state=new.state, route=new.route)


def read(cluster: Cluster, target: Target, *, for_rollback: bool = False) -> Snapshot:
    """The snapshot, or Refused with all mistakes in what the user named.

    A rollback needs the VirtualService alone: nothing else that is missing or broken may keep it from going back.
    """
    snapshot = _virtual_service(cluster, target)
    try:
        snapshot = _behind(cluster, snapshot)
        mistakes = _mistakes(snapshot)
    except ClusterError as error:
        if not for_rollback:
            raise
        mistakes = [str(error)]
    if mistakes and not for_rollback:
        raise Refused(mistakes)
    return replace(snapshot, problems=tuple(mistakes))


def pods_of(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """The same with the pods as they are now."""
    if snapshot.service is None or not snapshot.selects:
        return snapshot
    return replace(snapshot, pods=tuple(cluster.list(POD, snapshot.service.namespace, snapshot.selector)))


def _virtual_service(cluster: Cluster, target: Target) -> Snapshot:
    virtual_service = cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
    if virtual_service is None:
        raise Refused([_missing(cluster, target)])
    return _parsed(target, virtual_service)


def _parsed(target: Target, virtual_service: Object) -> Snapshot:
    state = decode(note_of(virtual_service))
    try:
        route = locate(virtual_service, _versions(target, state), name=target.route, host=target.destination_host)
    except RouteError as error:
        raise Refused([str(error)]) from error
    return Snapshot(target, virtual_service, state, route)


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
    return pods_of(cluster, replace(snapshot, service=service, selects=selects, subsets=subsets))


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
