# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VirtualServices move with the leader, what they say, and what is written to them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .._common.shares import Share, said
from .._release.cleanup import OVER
from .._release.following import Following
from .._release.services import read_notes
from .._release.state import Phase, State, Unreadable
from .._routing.hosts import full_name
from .._routing.virtual_service import (
    Operations,
    Route,
    RouteError,
    candidates,
    has_route,
    hosts_of,
    listed,
    locate,
    move,
    note_of,
    remove,
)
from .snapshot import FOLLOWERS, ROUTES, Follower, Object, Refused, Snapshot, Target, versions_of


def recorded(state: State | Unreadable | None) -> tuple[Target, ...]:
    """The followers that a state lists."""
    listed = state.extra.get(FOLLOWERS) if isinstance(state, State) else None
    return tuple(
        Target(str(each["name"]), str(each["namespace"]), routes=tuple(map(str, each.get(ROUTES) or ())))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and each.get("name") and each.get("namespace")
    )


def followers_of(snapshot: Snapshot) -> tuple[Target, ...]:
    """The VirtualServices that follow: those that are named, or else those that the release was begun with.

    Refused where a release in progress has others too, since those would stay as they are.
    """
    target, state = snapshot.target, snapshot.state
    known, given = recorded(state), target.followers
    if not isinstance(state, State):
        return given
    if snapshot.lenient:
        return (*given, *(each for each in known if _place(each) not in set(map(_place, given))))
    same = (target.stable, target.canary) == (state.stable, state.canary)
    if not given:
        return known if same or state.phase not in OVER else ()
    left = [each.place for each in known if _place(each) not in set(map(_place, given))]
    if left and state.phase not in OVER:
        raise Refused(
            [
                f"{target.place}: {state.canary} is {state.phase} on {' and '.join(left)} too, by the same release: "
                "name all that follow by virtual_services (canary_virtual_services), or none"
            ]
        )
    return given


def is_dispensable(snapshot: Snapshot, follower: Target) -> bool:
    """Whether only the state of a release that is over names it, so that the next one goes on where it is deleted."""
    state = snapshot.state
    return isinstance(state, State) and state.phase in OVER and follower not in snapshot.target.followers


def follow(snapshot: Snapshot, target: Target, virtual_service: Object) -> Follower:
    """The follower as this VirtualService shows it; Refused, in one sentence, where it cannot follow."""
    leader = snapshot.target
    if snapshot.route.by_service and target.namespace != leader.namespace:
        raise Refused(
            [
                f"{target.place} cannot follow {leader.place}: where each version is a Service, both must be in one "
                "namespace"
            ]
        )
    names = tuple(each for each in target.routes if has_route(virtual_service, each) or not snapshot.lenient)
    try:
        routes = _located(snapshot, virtual_service, names)
    except RouteError as error:
        raise Refused([f"{target.place} cannot follow {leader.place}: {error}"]) from error
    notes = read_notes(note_of(virtual_service), target.namespace)
    host = routes[0].service(leader.stable, leader.canary)
    following, state = notes.following(host), notes.of(host)
    mine = following is not None and following.leader == _place(leader)
    if following and not mine and not following.over:
        raise Refused([f"{target.place} cannot follow {leader.place}: it follows VirtualService {following.leader}"])
    if isinstance(state, State) and state.phase not in OVER:
        raise Refused(
            [
                f"{target.place} cannot follow {leader.place}: it has a release of its own, {state.canary} at "
                f"{state.weight} % ({state.phase}): promote it or roll it back first"
            ]
        )
    return Follower(target, virtual_service, routes, following if mine else None)


def _located(snapshot: Snapshot, virtual_service: Object, names: tuple[str, ...]) -> tuple[Route, ...]:
    return locate(virtual_service, versions_of(snapshot.target, snapshot.state), routes=names, host=_host(snapshot))


def _host(snapshot: Snapshot) -> str | None:
    """That of the versions, as it may be written in any namespace; None where each version is a Service."""
    return None if snapshot.route.by_service else full_name(snapshot.route.host, snapshot.target.namespace)


def written(snapshot: Snapshot, follower: Follower, virtual_service: Object) -> Follower:
    """The follower after our own write, which leaves its routes where they are."""
    known = {(route.id, route.by_service, route.host) for route in follower.routes}
    found = candidates(virtual_service, versions_of(snapshot.target, snapshot.state), host=_host(snapshot))
    routes = tuple(route for route in found if (route.id, route.by_service, route.host) in known)
    notes = read_notes(note_of(virtual_service), follower.target.namespace)
    host = routes[0].service(snapshot.target.stable, snapshot.target.canary)
    return replace(follower, virtual_service=virtual_service, routes=routes, following=notes.following(host))


def note_for(snapshot: Snapshot, follower: Follower, state: State | None) -> str:
    """The annotation of a follower in line with this state of its leader; without one nothing was begun."""
    target, leader = snapshot.target, _place(snapshot.target)
    host = follower.routes[0].service(target.stable, target.canary)
    if state:
        following = Following.of(leader, host, state)
    else:
        share = snapshot.shares.get(target.canary, 0)
        following = Following(leader, host, target.stable, target.canary, share, Phase.ROLLED_BACK, "")
    notes = read_notes(note_of(follower.virtual_service), follower.target.namespace)
    return notes.written(host, following, hosts_of(follower.virtual_service))


def moved(
    snapshot: Snapshot,
    follower: Follower,
    before: Iterable[str],
    shares: Mapping[str, Share],
    note: str | None,
    back: bool = False,
) -> Operations:
    """The patch that gives a follower these shares. back: the canary gets in no route more than it has there."""
    names, state = tuple(before), snapshot.state
    canary = state.canary if isinstance(state, State) else snapshot.target.canary
    routes = [
        route for route in follower.routes if not back or route.shares(names).get(canary, 0) > shares.get(canary, 0)
    ]
    check_new_destinations(snapshot, routes, shares)
    return move(follower.virtual_service, routes, names, shares, note)


def check_new_destinations(snapshot: Snapshot, routes: Iterable[Route], shares: Mapping[str, Share]) -> None:
    """Raise RouteError where a version gets requests that was taken out of a route and has no ready pod."""
    for name, share in shares.items():
        lacking = [route for route in routes if name not in route.destinations]
        if share and lacking and not snapshot.versions[name].ready:
            raise RouteError(
                f"{name} is no destination of {listed(lacking)} any more and cannot become one "
                f"again: {snapshot.versions[name].lack}; the weights stay {said(snapshot.all_shares)}"
            )


def removed(follower: Follower, version: str, note: str) -> Operations:
    """The patch that takes a version out of a follower."""
    return remove(follower.virtual_service, follower.routes, version, note)


def who_has_what(snapshot: Snapshot) -> str:
    """The followers that have other weights than the leader, or may have, as a clause; empty where none has."""
    names = versions_of(snapshot.target, snapshot.state)
    canary = snapshot.target.canary
    told = [f"{each.target.place} has {said(each.most(canary, names))}" for each in snapshot.astray]
    unread = [f"what {each.place} has is not known" for each in snapshot.unread]
    return f"{' and '.join([*told, *unread])}, and its leader {said(snapshot.shares)}" if told or unread else ""


def _place(target: Target) -> str:
    return f"{target.namespace}/{target.name}"
