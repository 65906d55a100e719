# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a cluster that canaries can be made of, as their routes have them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._common.shares import numbers, said
from .._istio.mesh import MESH
from .._release.annotation import decode
from .._release.cleanup import OVER
from .._release.state import Phase, State, Unreadable
from .._rollout.parse import is_elsewhere
from .._rollout.snapshot import Target
from .._routing.hosts import ServiceName, full_name, identity
from .._routing.subsets import Subset, subsets_of
from .._routing.virtual_service import Route, RouteError, every_route, locate, note_of

Object = Mapping[str, Any]
Pair = tuple[str, str]
NONE: Pair = ("", "")
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Found:
    """An HTTP route that leads to a service.

    service: the host itself where it is no Service. stable, canary: empty where they cannot be told.
    why: what it lacks for a release; empty if nothing.
    """

    virtual_service: Object
    route: Route
    service: ServiceName | str
    versions: tuple[str, ...]
    stable: str
    canary: str
    phase: str
    destination_rule: ServiceName | None
    why: str

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
        """The percentage of all requests of the route, by version."""
        return numbers(self.route.of_all(self.route.shares(self.versions))) if self.versions else {}

    @property
    def gateway_hosts(self) -> list[str]:
        """The host names by which a gateway routes requests here; none for callers in the mesh alone."""
        spec = self.virtual_service.get("spec") or {}
        outside = set(spec.get("gateways") or [MESH]) - {MESH}
        return list(spec.get("hosts") or []) if outside else []


def services(virtual_services: Iterable[Object], destination_rules: Iterable[Object]) -> list[Found]:
    """Each route that names several versions of a service, and one route of each service where none does."""
    rules: dict[ServiceName | str, list[Object]] = {}
    for rule in destination_rules:
        host = (rule.get("spec") or {}).get("host", "")
        rules.setdefault(identity(host, rule["metadata"]["namespace"]), []).append(rule)
    routes: dict[ServiceName | str, list[Found]] = {}
    for virtual_service in virtual_services:
        for route in every_route(virtual_service):
            service = identity(route.host, virtual_service["metadata"]["namespace"])
            routes.setdefault(service, []).append(_found(virtual_service, route, service, rules.get(service, [])))
    return _one_at_a_time([each for service in sorted(routes, key=_order) for each in _telling(routes[service])])


def _order(service: ServiceName | str) -> tuple[bool, str]:
    return isinstance(service, str), str(service)


def _telling(routes: Sequence[Found]) -> list[Found]:
    """Those that name several versions, else the first that names one. Hosts outside the cluster have none."""
    several = [each for each in routes if len(each.versions) > 1]
    one = max(routes, key=lambda each: len(each.versions))
    return several or ([one] if one.versions or isinstance(one.service, ServiceName) else [])


def _one_at_a_time(found: Sequence[Found]) -> list[Found]:
    """With all but one route of each VirtualService as candidates, for it holds the state of one release."""
    leading: dict[ServiceName, Found] = {}
    for each in found:
        if not each.why:
            place = ServiceName(each.namespace, each.name)
            leading[place] = min(leading.get(place, each), each, key=_precedence)
    return [_behind(each, leading.get(ServiceName(each.namespace, each.name), each)) for each in found]


def _precedence(found: Found) -> tuple[bool, bool, bool, int]:
    """First the route of a release that is not promoted, then one whose canary has not got everything."""
    done = found.weights.get(found.canary) == 100
    return found.phase in (Phase.NONE, Phase.PROMOTED), done, found.phase == Phase.NONE, found.route.rule


def _behind(found: Found, leading: Found) -> Found:
    if found is leading or found.why:
        return found
    one = f"VirtualService {found.namespace}/{found.name} has one release at a time"
    return replace(found, why=f"{one}, and HTTP route {leading.route.name} ({leading.host}) comes first")


def _found(virtual_service: Object, route: Route, service: ServiceName | str, rules: Sequence[Object]) -> Found:
    meta = virtual_service["metadata"]
    target = Target(meta["name"], meta["namespace"], route=route.label, destination_host=route.host)
    state = decode(note_of(virtual_service))
    if isinstance(state, State) and is_elsewhere(state, target, virtual_service):
        state = None
    namespaces = {meta["namespace"], service.namespace if isinstance(service, ServiceName) else ""}
    subsets = subsets_of(
        route.host, meta["namespace"], [each for each in rules if each["metadata"]["namespace"] in namespaces]
    )
    versions = tuple(name for name in route.destinations if name)
    stable, canary = _pair(route, versions, state, subsets)
    return Found(
        virtual_service,
        route,
        service,
        versions,
        stable,
        canary,
        UNREADABLE if isinstance(state, Unreadable) else state.phase.value if state else Phase.NONE.value,
        _destination_rule(subsets, stable, canary),
        _lack(virtual_service, route, service, versions, (stable, canary)),
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
    carrying = [name for name in versions if route.destinations[name].weight]
    if len(carrying) == 2:
        return carrying[0], carrying[1]
    return (carrying[0], "") if len(carrying) == 1 else NONE


def _lack(
    virtual_service: Object, route: Route, service: ServiceName | str, versions: Sequence[str], pair: Pair
) -> str:
    meta = virtual_service["metadata"]
    place = f"HTTP route {route.name} of VirtualService {meta['namespace']}/{meta['name']}"
    if isinstance(service, str):
        return (
            f"host {service} of {place} is no Service of the cluster: write it bare or as "
            "name.namespace.svc.cluster.local"
        )
    if not versions:
        return (
            f"{place} names no subset of {service}: define one for each version in a DestinationRule, and give the "
            "route a destination for each, the new one with weight 0"
        )
    if len(versions) == 1:
        return f"{place} names one version of {service}, {versions[0]}: add a destination for the other with weight 0"
    if not all(pair):
        weights = said(route.of_all(route.shares(versions)))
        return f"{place} has {weights}: say which are released by canary_stable_version and canary_version"
    try:
        locate(virtual_service, pair, name=route.label, host=route.host)
    except RouteError as error:
        return str(error)
    return ""


def _destination_rule(subsets: Mapping[str, Subset], *versions: str) -> ServiceName | None:
    """The one that defines the versions, the first one's if they are apart."""
    named = next((subsets[name].destination_rule for name in versions if name in subsets), "")
    return ServiceName(*named.split("/", 1)) if named else None
