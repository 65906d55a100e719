# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings with which the release of a VirtualService is found. Pure."""

from __future__ import annotations

from collections.abc import Callable

from .._common.shares import Share
from .._istio.delegation import delegates_of
from .._istio.mesh import Object
from .._rollout.snapshot import Target
from .._routing.hosts import full_name, identity, same_host, service_of
from .._routing.virtual_service import Route, every_route, has_route, names_of


def settings_for(target: Target, virtual_service: Object) -> str:
    """What to set so that a release is found, such as "canary_host: pay.shop.svc.cluster.local"; empty if unknown."""
    namespace = target.namespace
    fitting = _fitting(target, [each for each in every_route(virtual_service) if _weights(each)])
    if not fitting:
        wanted = [
            f"canary_namespace: {each.namespace} and canary_virtual_service: {each.name}"
            for each in sorted(delegates_of(virtual_service))
        ]
        return " or ".join(wanted)
    found = [*_host(target, fitting[0]), *_versions(target, fitting[0])]
    if target.routes and not any(has_route(virtual_service, name) for name in target.routes):
        found.append(f"canary_routes: [{', '.join(names_of(fitting))}]")
    elif len({identity(each.host, namespace) for each in fitting}) > 1:
        return ""
    elif not target.routes:
        found += _routes(target, fitting)
    return " and ".join(found)


def _routes(target: Target, fitting: list[Route]) -> list[str]:
    """The routes to name where not all may be moved: those that lack a version, or that split in different ways."""
    if len(fitting) > 1 and not all({target.stable, target.canary} <= _weights(each).keys() for each in fitting):
        return [f"canary_routes: [{', '.join(names_of(fitting))}]"]
    alike: dict[frozenset[tuple[str, Share]], list[Route]] = {}
    for each in fitting:
        alike.setdefault(frozenset(each.shares((target.stable, target.canary)).items()), []).append(each)
    choices = [f"[{', '.join(names_of(routes))}]" for routes in alike.values()]
    return [f"canary_routes: {' or '.join(choices)}"] if len(choices) > 1 else []


def _weights(route: Route) -> dict[str, int]:
    """By subset, without the destination that has none."""
    return {name: place.weight for name, place in route.destinations.items() if name}


def _has_host(target: Target, route: Route) -> bool:
    host, namespace = target.destination_host, target.namespace
    return bool(host) and same_host(str(host), namespace, route.host, namespace)


def _fitting(target: Target, routes: list[Route]) -> list[Route]:
    """Those that have the most of what was named: versions, then the host, then the route; two versions at least."""
    wanted: list[Callable[[Route], bool]] = [
        lambda each: len(_weights(each)) > 1,
        lambda each: {target.stable, target.canary} <= _weights(each).keys(),
        lambda each: _has_host(target, each),
        lambda each: each.label in target.routes or each.name in target.routes,
    ]
    for fits in wanted:
        routes = [each for each in routes if fits(each)] or routes
    return routes


def _host(target: Target, route: Route) -> list[str]:
    if not target.destination_host or _has_host(target, route):
        return []
    service = service_of(route.host, target.namespace)
    if service is None:
        return [f"canary_host: {route.host}"]
    domain = target.destination_host.split(".", 2)[2:]
    if domain and service_of(target.destination_host, target.namespace):
        return [f"canary_host: {service.name}.{service.namespace}.{domain[0]}"]
    return [f"canary_host: {full_name(service.name, service.namespace)}"]


def _versions(target: Target, route: Route) -> list[str]:
    """The one with the most requests is the stable one, and the other one the canary, unless there are several."""
    weights = _weights(route)
    names = sorted(weights, key=lambda name: -weights[name])
    if target.stable != target.canary and {target.stable, target.canary} <= set(names):
        return []
    stable = target.stable if target.stable in names else names[0]
    rest = [name for name in names if name != stable]
    found = [] if stable == target.stable else [f"canary_stable_version: {stable}"]
    if rest and (target.canary not in rest):
        found.append(f"canary_version: {' or '.join(rest)}")
    return found
