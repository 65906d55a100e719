# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for requests that reach a version otherwise than by its weight. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .._common.shares import Share, share_of
from .._istio.mesh import Mesh, Object, behind, name_of
from .._istio.reach import Bypass, MovedRules, bypasses, unrouted_callers
from .._k8s.conditions import is_live
from .._k8s.kubectl import show
from .._routing.virtual_service import Route, every_route
from . import subject as about
from .finding import Finding, warning


def reached_by_weight_alone(mesh: Mesh) -> Iterator[Finding]:
    """A version gets no requests but those of its weight: no other rule, mirror or VirtualService leads to it."""
    for split, version in _released(mesh):
        for bypass in bypasses(split, version, mesh):
            yield _finding(bypass, f"give it the same weights, or remove it, unless it leads to {version} on purpose")


def callers_routed(mesh: Mesh) -> Iterator[Finding]:
    """Callers inside the mesh, if there are any, are routed like those that come through a gateway."""
    for split, version in _released(mesh):
        bypass = unrouted_callers(split, version, mesh)
        if bypass and callers(mesh.sidecars, behind(bypass.thing, mesh.sidecars)):
            yield _finding(
                bypass, f"bind a route with the same weights for host {split.route.host} to mesh, if it matters"
            )


def callers(sidecars: Iterable[Object], own: Iterable[Object]) -> bool:
    """Whether any of these pods with a sidecar, except those of the Service itself, could call it."""
    known = {name_of(pod) for pod in own}
    return any(is_live(pod) and name_of(pod) not in known and not _is_gateway(pod) for pod in sidecars)


def versions_of(shares: Mapping[str, Share], released: str = "") -> list[str]:
    """The versions that must get no more than their weight: the released one, else all but the one with the most."""
    if shares.get(released, 100) < 100:
        return [released]
    greatest = max(shares, key=lambda name: shares[name], default="")
    return [name for name in shares if name != greatest]


def _released(mesh: Mesh) -> Iterator[tuple[MovedRules, str]]:
    """The rules that split the requests to a Service alike between versions, each with the versions to check."""
    for virtual_service in mesh.focused():
        alike: dict[object, list[Route]] = {}
        for route in every_route(virtual_service):
            shares = _shares(route)
            if len(shares) > 1 and (route.by_service or mesh.focus.service in (None, route.place("").host)):
                places = frozenset((route.place(name), share) for name, share in shares.items())
                alike.setdefault(places, []).append(route)
        for routes in alike.values():
            split = MovedRules(virtual_service, frozenset(each.id for each in routes), routes[0])
            yield from ((split, version) for version in versions_of(_shares(routes[0]), mesh.focus.version))


def _shares(route: Route) -> dict[str, Share]:
    """The percentage of the rule's requests of each version."""
    return {name: share_of(place.weight, route.total or 1) for name, place in route.destinations.items() if name}


def _finding(bypass: Bypass, remedy: str) -> Finding:
    command = show(bypass.kind, bypass.thing)
    theirs = [f"{about.thing(bypass.kind, bypass.thing)} beside {bypass.version}"]
    return warning(bypass.kind, bypass.thing, bypass.problem, remedy, command, about=theirs)


def _is_gateway(pod: Object) -> bool:
    """Whether its proxy is a gateway, which sends no requests of its own."""
    containers = pod["spec"].get("containers") or []
    return any("router" in (each.get("args") or []) for each in containers)
