# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules and which state of a VirtualService a request is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .._release.cleanup import OVER
from .._release.services import HOST, Notes, identities, read_notes
from .._release.state import State, Unreadable
from .._routing.hosts import same_host
from .._routing.virtual_service import (
    Route,
    RouteError,
    candidates,
    described,
    every_route,
    has_route,
    listed,
    locate,
    note_of,
    pair,
    titled,
)
from .snapshot import Object, Refused, Snapshot, Target, chosen, restriction, versions_of


def parse(target: Target, virtual_service: Object) -> Snapshot:
    """What a VirtualService says of the release and its routes, or Refused."""
    notes = read_notes(note_of(virtual_service), target.namespace)
    try:
        host = _host(target, virtual_service, notes)
        state = notes.of(host) if host else notes.only
        following = notes.following(host) if host else None
        if following and not following.over:
            raise Refused(
                [f"{target.place} follows VirtualService {following.leader}: name that one, which moves both"]
            )
        if isinstance(state, State) and state.phase in OVER and _is_elsewhere(state, target, virtual_service):
            state = None
        if not target.stable:
            target = _completed(target, virtual_service, state, host)
        routes = _routes(target, virtual_service, state, host)
    except RouteError as error:
        raise Refused([str(error)]) from error
    return Snapshot(target, virtual_service, state, routes)


def _host(target: Target, virtual_service: Object, notes: Notes) -> str | None:
    """The host that is meant: the named one, the only one with the versions, or the only one with a release.

    Versions that are Services name it themselves.
    """
    if target.destination_host and not target.stable:
        return target.destination_host
    known = notes.hosts[0] if len(notes.hosts) == 1 else None
    if not target.stable:
        if len(notes.hosts) > 1:
            several = f"{target.place} has releases of {' and '.join(notes.hosts)}"
            raise RouteError(f"{several}: name one of them by `destination_host`")
        return known
    versions = (target.stable, target.canary)
    try:
        found = locate(virtual_service, versions, routes=target.routes, host=target.destination_host)
    except RouteError:
        if target.destination_host or known:
            return target.destination_host or known
        raise
    return found[0].service(*versions) if found[0].by_service else target.destination_host or found[0].host


def _routes(
    target: Target, virtual_service: Object, state: State | Unreadable | None, host: str | None
) -> tuple[Route, ...]:
    """Those that the target names, or else those of the state, or else all. Refused where a release moves others."""
    versions = versions_of(target, state)
    own = _of_state(target, virtual_service, state, host)
    if not target.routes:
        return own or _all_of(virtual_service, versions, state, host)
    asked = locate(virtual_service, versions, routes=target.routes, host=host)
    moved = own or locate(virtual_service, versions, host=host) if isinstance(state, State) else ()
    left = [route for route in moved if route.id not in {each.id for each in asked}]
    if left and isinstance(state, State) and state.phase not in OVER:
        raise Refused(
            [
                f"{target.place}: {state.canary} is {state.phase} on {listed(moved)}, not on {listed(asked)} alone; "
                "only one release of a service at a time: name all of them, or none"
            ]
        )
    return asked


def _all_of(
    virtual_service: Object, versions: Sequence[str], state: State | Unreadable | None, host: str | None
) -> tuple[Route, ...]:
    """All that have both versions; where a cleanup has left one version in each, those of the release before."""
    try:
        return locate(virtual_service, versions, host=host)
    except RouteError:
        names = _present(restriction(state), virtual_service)
        if not names:
            raise
        return locate(virtual_service, versions, routes=names, host=host)


def _of_state(
    target: Target, virtual_service: Object, state: State | Unreadable | None, host: str | None
) -> tuple[Route, ...]:
    """The routes that the state restricts the release to; none where it does not, or where it is of another release."""
    names = _present(chosen(replace(target, routes=()), state), virtual_service)
    return locate(virtual_service, versions_of(target, state), routes=names, host=host) if names else ()


def _present(names: Iterable[str], virtual_service: Object) -> tuple[str, ...]:
    """The names that there are still."""
    return tuple(name for name in names if has_route(virtual_service, name))


def _rules(names: Iterable[str], virtual_service: Object) -> set[str]:
    """The rules with these names or numbers, by what they are called."""
    return {each.partition(": ")[0] for name in names for each in described(virtual_service, [name])}


def parse_for_rollback(target: Target, virtual_service: Object) -> Snapshot:
    """The same for a rollback, which takes the versions where it finds them; Refused where they are nowhere.

    If what was named is not there, it is every route that splits between the two versions of one host. A state that
    is not about the versions there counts for nothing; if it is about others that are there, it is left alone.
    """
    notes = read_notes(note_of(virtual_service), target.namespace)
    known = _state_to_return_from(target, virtual_service, notes)
    own = None if isinstance(known, State) and _is_elsewhere(known, target, virtual_service) else known
    refusal: RouteError | None = None
    for candidate in (own, None) if isinstance(own, State) else (own,):
        versions = versions_of(target, candidate)
        for names, host in _places(target, candidate, virtual_service):
            try:
                routes = locate(virtual_service, versions, routes=names, host=host)
            except RouteError as error:
                refusal = error  # the last one has looked furthest
                continue
            if isinstance(candidate, State):
                if not _is_about(candidate, routes[0], versions):
                    break
                routes = _with_all_of_release(candidate, routes, virtual_service, versions)
            canary = candidate.canary if isinstance(candidate, State) else target.canary
            first = max(routes, key=lambda route: route.shares(versions).get(canary, 0))
            return Snapshot(
                target,
                virtual_service,
                candidate,
                (first, *(route for route in routes if route is not first)),
                problems=_taken(target, routes, virtual_service),
                foreign=_follows(target, notes, routes[0])
                or (candidate is None and _is_kept(known, routes[0], virtual_service)),
                lenient=True,
            )
    raise Refused([str(refusal)])


def _follows(target: Target, notes: Notes, route: Route) -> bool:
    """Whether the annotation says whom the VirtualService follows, which a rollback of it alone leaves as it is."""
    following = notes.following(route.service(target.stable, target.canary))
    return following is not None and not following.over


def _state_to_return_from(target: Target, virtual_service: Object, notes: Notes) -> State | Unreadable | None:
    """The state of the host that is meant, or the only one where that cannot be told."""
    try:
        host = _host(target, virtual_service, notes)
    except RouteError:
        host = None
    return notes.of(host) if host else notes.only


def _places(
    target: Target, state: State | Unreadable | None, virtual_service: Object
) -> list[tuple[tuple[str, ...], str | None]]:
    """Names of routes and hosts to look for, the most exact first. Another host only where the named one has none."""
    names, host = _present(target.routes or restriction(state), virtual_service), target.destination_host
    namespace, every = target.namespace, every_route(virtual_service)
    known = host and any(same_host(route.host, namespace, host, namespace) for route in every)
    return list(dict.fromkeys([(names, host), ((), host), ((), host if known else None)]))


def _with_all_of_release(
    state: State, routes: tuple[Route, ...], virtual_service: Object, versions: Sequence[str]
) -> tuple[Route, ...]:
    """These routes and all others that the release moves, whichever were named."""
    names = _present(restriction(state), virtual_service)
    try:
        moved = locate(virtual_service, versions, routes=names, host=routes[0].host)
    except RouteError:
        return routes
    known = {route.id for route in routes}
    return (*routes, *(route for route in moved if route.id not in known))


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
        routes=new.routes,
        foreign=new.foreign,
        lenient=new.lenient,
        unnoted=False,
    )


def _taken(target: Target, routes: tuple[Route, ...], virtual_service: Object) -> tuple[str, ...]:
    """A warning where other routes are used than those that were named."""
    absent = [name for name in target.routes if not has_route(virtual_service, name)]
    if absent:
        gone = f"{target.place} has no {titled(absent)}"
        return (f"{gone}: used instead: {listed(routes)}, which split the versions",)
    asked = _rules(target.routes, virtual_service)
    if asked and any(route.name not in asked for route in routes):
        return (f"{target.place} splits between the versions in {listed(routes)}, and all were changed",)
    return ()


def _is_elsewhere(state: State, target: Target, virtual_service: Object) -> bool:
    """Whether a state says itself that it is of other routes than the target names, which are there."""
    names = _present(restriction(state), virtual_service)
    asked = _present(target.routes, virtual_service)
    return bool(names and asked) and not _rules(names, virtual_service) & _rules(asked, virtual_service)


def _is_kept(state: State | Unreadable | None, route: Route, virtual_service: Object) -> bool:
    """Whether a state that is not about this route is about others of its host, so that it must not be overwritten."""
    if not isinstance(state, State):
        return False
    namespace, host = virtual_service["metadata"]["namespace"], state.extra.get(HOST)
    own = identities(route.service(*route.destinations), namespace)
    if host and not identities(str(host), namespace) & own:
        return False
    names = _present(restriction(state), virtual_service)
    try:
        found = candidates(virtual_service, state.weights, routes=names, host=route.host)
    except RouteError:
        return False
    return any(len(each.weights(state.weights)) > 1 or state.phase in OVER for each in found)


def _is_about(state: State, route: Route, versions: tuple[str, ...]) -> bool:
    """Whether a state can be of this route: its versions are there, or it is over and others have no requests."""
    carrying = {name for name, weight in route.weights(versions).items() if weight}
    both = all(name in route.destinations for name in state.weights)
    return both or (state.phase in OVER and carrying <= state.weights.keys())


def _completed(target: Target, virtual_service: Object, state: State | Unreadable | None, host: str | None) -> Target:
    """The target with the versions of the release, or else those of the routes."""
    if isinstance(state, State):
        return replace(target, stable=state.stable, canary=state.canary)
    versions = pair(virtual_service, routes=target.routes, host=host)
    if versions is None:
        has = "; ".join(described(virtual_service, target.routes)) or "no route"
        raise Refused([f"{target.place} does not distinguish two versions (it has {has}): name stable and canary"])
    return replace(target, stable=versions[0], canary=versions[1])
