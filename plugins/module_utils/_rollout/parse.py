# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules and which state of a VirtualService a request is about. Pure."""

from __future__ import annotations

from dataclasses import replace

from .._release.annotation import decode
from .._release.cleanup import OVER
from .._release.state import State, Unreadable
from .._routing.hosts import identity, same_host
from .._routing.virtual_service import Route, RouteError, candidates, described, has_route, locate, note_of, pair
from .snapshot import HOST, ROUTE, Object, Refused, Snapshot, Target, versions_of


def parse(target: Target, virtual_service: Object) -> Snapshot:
    """What a VirtualService says of the release and its route, or Refused."""
    state = decode(note_of(virtual_service))
    if isinstance(state, State) and is_elsewhere(state, target, virtual_service):
        if state.phase not in OVER and _is_present(state, virtual_service):
            under_way = f"{state.canary} is {state.phase} on {_place_of(state)}, not on {_asked_for(target)}"
            raise Refused([f"{target.place}: {under_way}; only one release at a time"])
        state = None  # what is over there, or was copied from elsewhere, says nothing about this route
    if not target.stable:
        target = _completed(target, virtual_service, state)
    name = target.route or _named_by(state, virtual_service)
    try:
        route = locate(virtual_service, versions_of(target, state), name=name, host=target.destination_host)
    except RouteError as error:
        raise Refused([str(error)]) from error
    return Snapshot(target, virtual_service, state, route)


def parse_for_rollback(target: Target, virtual_service: Object) -> Snapshot:
    """The same for a rollback, which takes the versions where it finds them; Refused where they are nowhere.

    If what was named is not there, it is every route that splits between the two versions of one host. A state that
    is not about the versions there counts for nothing; if it is about others that are there, it is left alone.
    """
    state = decode(note_of(virtual_service))
    own = None if isinstance(state, State) and is_elsewhere(state, target, virtual_service) else state
    refusal: RouteError | None = None
    for candidate in (own, None) if isinstance(own, State) else (own,):
        versions = versions_of(target, candidate)
        for name, host in _places(target, candidate, virtual_service):
            try:
                routes = _of_one_host(virtual_service, versions, name, host)
            except RouteError as error:
                refusal = error  # the last one has looked furthest
                continue
            if isinstance(candidate, State) and not _is_about(candidate, routes[0], versions):
                break
            first = max(routes, key=lambda route: route.shares(versions).get(_canary(target, candidate), 0))
            return Snapshot(
                target,
                virtual_service,
                candidate,
                first,
                problems=_taken(target, routes, virtual_service),
                also=tuple(route for route in routes if route is not first),
                foreign=isinstance(state, State) and candidate is None and _is_present(state, virtual_service),
                lenient=True,
            )
    raise Refused([str(refusal)])


def rewritten(snapshot: Snapshot, virtual_service: Object) -> Snapshot:
    """The snapshot after a write, by us or by others; a rule that others have renamed is found again."""
    target = snapshot.target
    try:
        new = (parse_for_rollback if snapshot.lenient else parse)(target, virtual_service)
    except Refused:
        new = parse_for_rollback(target, virtual_service)
        if not isinstance(new.state, State):
            raise
    return replace(
        snapshot,
        virtual_service=virtual_service,
        state=new.state,
        route=new.route,
        also=new.also,
        foreign=new.foreign,
        lenient=new.lenient,
        unnoted=False,
    )


def _places(
    target: Target, state: State | Unreadable | None, virtual_service: Object
) -> list[tuple[str | None, str | None]]:
    """Names of routes and hosts to look for, the most exact first."""
    name, host = target.route or _named_by(state, virtual_service), target.destination_host
    return list(dict.fromkeys([(name, host), (None, host), (None, None)]))


def _of_one_host(virtual_service: Object, versions: tuple[str, ...], name: str | None, host: str | None) -> list[Route]:
    """The routes with the most of these versions, if all lead to the same host; RouteError otherwise."""
    routes = candidates(virtual_service, versions, name=name, host=host)
    namespace = virtual_service["metadata"]["namespace"]
    split = len(routes[0].weights(versions)) > 1
    if len({identity(route.host, namespace) for route in routes}) > 1 or (len(routes) > 1 and not split):
        return [locate(virtual_service, versions, name=name, host=host)]  # which says where they are
    return routes


def _canary(target: Target, state: State | Unreadable | None) -> str:
    return state.canary if isinstance(state, State) else target.canary


def _taken(target: Target, routes: list[Route], virtual_service: Object) -> tuple[str, ...]:
    """A warning where other routes were used than the one that was named."""
    names = " and ".join(route.name for route in routes)
    if target.route and not has_route(virtual_service, target.route):
        return (f"{target.place} has no HTTP route {target.route}: used instead: {names}, which split the versions",)
    if len(routes) > 1:
        return (
            f"{target.place} splits between the versions in {len(routes)} HTTP routes, and all were changed: {names}",
        )
    return ()


def is_elsewhere(state: State, target: Target, virtual_service: Object) -> bool:
    """Whether a state says itself that it is of another route, which is there, or of another host."""
    namespace, host, name = target.namespace, state.extra.get(HOST), state.extra.get(ROUTE)
    if host and target.destination_host and not same_host(str(host), namespace, target.destination_host, namespace):
        return True
    if not name or not target.route or name == target.route:
        return False
    return has_route(virtual_service, str(name)) and has_route(virtual_service, target.route)  # neither was renamed


def _is_present(state: State, virtual_service: Object) -> bool:
    """Whether the versions of a state are where it says that they are."""
    name, host = _named_by(state, virtual_service), state.extra.get(HOST)
    try:
        found = candidates(virtual_service, state.weights, name=name, host=str(host) if host else None)
    except RouteError:
        return False
    return any(len(route.weights(state.weights)) > 1 or state.phase in OVER for route in found)


def _is_about(state: State, route: Route, versions: tuple[str, ...]) -> bool:
    """Whether a state can be of this route: its versions are there, or it is over and others have no requests."""
    carrying = {name for name, weight in route.weights(versions).items() if weight}
    both = all(name in route.destinations for name in state.weights)
    return both or (state.phase in OVER and carrying <= state.weights.keys())


def _named_by(state: State | Unreadable | None, virtual_service: Object) -> str | None:
    """The route of a state, unless it has been renamed since."""
    name = state.extra.get(ROUTE) if isinstance(state, State) else None
    return str(name) if name and has_route(virtual_service, str(name)) else None


def _place_of(state: State) -> str:
    name = state.extra.get(ROUTE)
    return f"HTTP route {name}" if name else f"host {state.extra.get(HOST)}"


def _asked_for(target: Target) -> str:
    return target.route or f"host {target.destination_host}"


def _completed(target: Target, virtual_service: Object, state: State | Unreadable | None) -> Target:
    """The target with the versions of the release, or else those of the route."""
    if isinstance(state, State):
        return replace(target, stable=state.stable, canary=state.canary)
    versions = pair(virtual_service, name=target.route)
    if versions is None:
        has = "; ".join(described(virtual_service, target.route)) or "no HTTP route"
        raise Refused([f"{target.place} does not distinguish two versions (it has {has}): name stable and canary"])
    return replace(target, stable=versions[0], canary=versions[1])
