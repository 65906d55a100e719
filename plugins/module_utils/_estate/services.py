# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a cluster that canaries can be made of, as their routes have them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._common.shares import numbers, said
from .._istio.mesh import MESH
from .._release.cleanup import OVER
from .._release.services import read_notes
from .._release.state import Phase, State, Unreadable
from .._rollout.followers import recorded
from .._rollout.parse import parse
from .._rollout.snapshot import Refused, Snapshot, Target
from .._routing.hosts import ServiceName, full_name, identity
from .._routing.subsets import Subset, subsets_of
from .._routing.virtual_service import Route, every_route, listed, note_of

Object = Mapping[str, Any]
Pair = tuple[str, str]
NONE: Pair = ("", "")
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Found:
    """The routes of a VirtualService that lead to a service.

    routes: those that a release moves; where there can be none, those that name several versions, or else all.
    service: the host itself where it is no Service; where its versions are Services, it has the VirtualService's name.
    stable, canary: empty where they cannot be told. why: what it lacks for a release; empty if nothing.
    followers: the VirtualServices that its release moves as well.
    """

    virtual_service: Object
    routes: tuple[Route, ...]
    service: ServiceName | str
    versions: tuple[str, ...]
    stable: str
    canary: str
    phase: str
    destination_rule: ServiceName | None
    why: str
    followers: tuple[Target, ...] = ()

    @property
    def route(self) -> Route:
        """The first one."""
        return self.routes[0]

    @property
    def name(self) -> str:
        """Of the VirtualService."""
        return str(self.virtual_service["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Of the VirtualService."""
        return str(self.virtual_service["metadata"]["namespace"])

    @property
    def host(self) -> str:
        """The full name of the service."""
        return full_name(self.route.host, self.namespace)

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of the VirtualService."""
        return self.virtual_service["metadata"].get("labels") or {}

    @property
    def weights(self) -> dict[str, int | float]:
        """The percentage of all requests of the first route, by version."""
        return numbers(self.route.of_all(self.route.shares(self.versions))) if self.versions else {}

    @property
    def gateway_hosts(self) -> list[str]:
        """The host names by which a gateway routes requests here; none for callers in the mesh alone."""
        spec = self.virtual_service.get("spec") or {}
        outside = set(spec.get("gateways") or [MESH]) - {MESH}
        return list(spec.get("hosts") or []) if outside else []


def services(virtual_services: Iterable[Object], destination_rules: Iterable[Object]) -> list[Found]:
    """Each VirtualService that names several versions of a service, and one for each service where none does.

    One that follows another is moved with that, and is none of its own.
    """
    rules: dict[ServiceName | str, list[Object]] = {}
    for rule in destination_rules:
        host = (rule.get("spec") or {}).get("host", "")
        rules.setdefault(identity(host, rule["metadata"]["namespace"]), []).append(rule)
    found: dict[ServiceName | str, list[Found]] = {}
    for virtual_service in virtual_services:
        for service, routes in _by_service(virtual_service).items():
            found.setdefault(service, []).append(_found(virtual_service, routes, service, rules.get(service, [])))
    every = [each for service in sorted(found, key=_order) for each in _telling(found[service])]
    led = {(_shared(each), one.namespace, one.name) for each in every for one in each.followers}
    return [each for each in every if (_shared(each), each.namespace, each.name) not in led]


def _shared(found: Found) -> ServiceName | str | None:
    """What a leader and its followers have in common: their service, but where each version is one."""
    return None if found.route.by_service else found.service


def _by_service(virtual_service: Object) -> dict[ServiceName | str, tuple[Route, ...]]:
    """The routes to each service: those that name several versions, or else all.

    Where a rule splits between Services, those are the versions of one, also in the other rules.
    """
    meta, every = virtual_service["metadata"], every_route(virtual_service)
    versions = {route.place(name).host for route in every if route.by_service for name in route.destinations}
    routes: dict[ServiceName | str, list[Route]] = {}
    for route in every:
        service = identity(route.host, meta["namespace"])
        if route.by_service:
            routes.setdefault(ServiceName(meta["namespace"], meta["name"]), []).append(route)
        elif service not in versions or len(_versions(route)) > 1:
            routes.setdefault(service, []).append(route)
    return {
        service: tuple(route for route in found if len(_versions(route)) > 1) or tuple(found)
        for service, found in routes.items()
    }


def _versions(route: Route) -> list[str]:
    return [name for name in route.destinations if name]


def _order(service: ServiceName | str) -> tuple[bool, str]:
    return isinstance(service, str), str(service)


def _telling(found: Sequence[Found]) -> list[Found]:
    """Those that name several versions, else the first that names one. Hosts outside the cluster have none."""
    several = [each for each in found if len(each.versions) > 1]
    one = max(found, key=lambda each: len(each.versions))
    return several or ([one] if one.versions or isinstance(one.service, ServiceName) else [])


def _found(
    virtual_service: Object, routes: tuple[Route, ...], service: ServiceName | str, rules: Sequence[Object]
) -> Found:
    meta, host = virtual_service["metadata"], routes[0].host
    state = read_notes(note_of(virtual_service), meta["namespace"]).of(routes[0].service(*routes[0].destinations))
    namespaces = {meta["namespace"], service.namespace if isinstance(service, ServiceName) else ""}
    subsets = subsets_of(host, meta["namespace"], [one for one in rules if one["metadata"]["namespace"] in namespaces])
    versions = tuple(dict.fromkeys(name for route in routes for name in _versions(route)))
    stable, canary = _pair(routes[0], versions, state, subsets)
    why = _lack(virtual_service, routes, service, versions, (stable, canary))
    if not why:
        try:
            snapshot = parse(
                Target(meta["name"], meta["namespace"], stable, canary, destination_host=host), virtual_service
            )
            routes, why = tuple(sorted(snapshot.routes, key=lambda each: each.order)), _unlike(snapshot)
        except Refused as refused:
            why = str(refused)
    return Found(
        virtual_service,
        routes,
        service,
        versions,
        stable,
        canary,
        UNREADABLE if isinstance(state, Unreadable) else state.phase.value if state else Phase.NONE.value,
        _destination_rule(subsets, stable, canary),
        why,
        recorded(state),
    )


def _pair(
    route: Route, versions: Sequence[str], state: State | Unreadable | None, subsets: Mapping[str, Subset]
) -> Pair:
    """Stable and canary: those of the release; of the next one once it is over and has left the route; else by order.

    The order and not the weights: a version before the one that has all requests may be the old one, so that a release
    of it would take users back.
    """
    if len(versions) == 1:
        past = state.weights if isinstance(state, State) else {}
        others = [name for name in subsets if name not in (*versions, *past)]
        return versions[0], others[0] if len(others) == 1 else ""
    if isinstance(state, State) and set(state.weights) <= set(versions):
        return state.stable, state.canary
    if isinstance(state, State) and state.phase in OVER:
        carrier = state.canary if state.phase is Phase.PROMOTED else state.stable
        further = [name for name in versions if name not in state.weights]
        if carrier in versions and len(further) == 1:
            return carrier, further[0]
    if len(versions) == 2:
        return versions[0], versions[1]
    carrying = [name for name in versions if name in route.destinations and route.destinations[name].weight]
    if len(carrying) == 2:
        return carrying[0], carrying[1]
    return (carrying[0], "") if len(carrying) == 1 else NONE


def _lack(
    virtual_service: Object,
    routes: tuple[Route, ...],
    service: ServiceName | str,
    versions: Sequence[str],
    pair: Pair,
) -> str:
    meta = virtual_service["metadata"]
    place = f"{listed(routes)} of VirtualService {meta['namespace']}/{meta['name']}"
    s = "s" if len(routes) == 1 else ""
    if isinstance(service, str):
        return (
            f"host {service} of {place} is no Service of the cluster: write it bare or as "
            "name.namespace.svc.cluster.local; if it is a host of a ServiceEntry, set canary_min_ready: 0"
        )
    if not versions:
        return (
            f"{place} tell{s} no versions of {service} apart: give the route a destination for each, the new one with "
            "weight 0: a subset that a DestinationRule defines, or a Service of its own"
        )
    if len(versions) == 1:
        return f"{place} name{s} one version of {service}, {versions[0]}: add a destination for the other with weight 0"
    if not all(pair):
        weights = said(routes[0].of_all(routes[0].shares(versions)))
        return f"{place} ha{s or 've'} {weights}: say which are released by canary_stable_version and canary_version"
    return ""


def _unlike(snapshot: Snapshot) -> str:
    """How the routes differ, where no release has begun in them."""
    if snapshot.state is not None or not snapshot.observed().uneven:
        return ""
    pair = (snapshot.target.stable, snapshot.target.canary)
    shares = ", ".join(f"{said(route.shares(pair))} in {route.name}" for route in snapshot.routes)
    return (
        f"{listed(snapshot.routes)} of {snapshot.target.place} split in different ways ({shares}): name those that a "
        "release is to move by canary_routes"
    )


def _destination_rule(subsets: Mapping[str, Subset], *versions: str) -> ServiceName | None:
    """The one that defines the versions, the first one's if they are apart."""
    named = next((subsets[name].destination_rule for name in versions if name in subsets), "")
    return ServiceName(*named.split("/", 1)) if named else None
