# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a release itself: its annotation, its weights, its proxies, and whether it waits. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from .._common.clock import stamp
from .._common.shares import said
from .._common.text import listing, plural
from .._istio.mesh import Object, destinations_of
from .._k8s.kubectl import add, describe, forget, patch, playbook, show
from .._preflight import subject as about
from .._preflight.finding import Finding, error, warning
from .._preflight.timestamps import Timestamp, latest, written
from .._proxy.expectations import RUNS
from .._proxy.fleet import Lagging
from .._release.annotation import VERSION
from .._release.model import LEASE, LEASE_SLACK
from .._release.state import LeaseHolder, Phase, State, Unreadable
from .._rollout.followers import who_has_what
from .._rollout.snapshot import Follower, Snapshot, Target, drift
from .._routing.hosts import service_of
from .._routing.virtual_service import ANNOTATION, Route
from .settings import settings_for

ANNOTATION_READABLE = "annotation_readable"
RELEASE_FOUND = "release_found"
STEP_POSSIBLE = "step_possible"
WEIGHTS_KEPT = "weights_kept"
RELEASE_GOES_ON = "release_goes_on"
LEASE_BOUNDED = "lease_bounded"
WEIGHTS_LIVE = "weights_live"
SUBSETS_LIVE = "subsets_live"

_KIND = "VirtualService"
_BOTH = "give each route that a release is to move a destination for each version"


def unfound(target: Target, mistakes: Iterable[str], virtual_service: Object) -> Finding:
    """The VirtualService has no release of these versions."""
    versions = {target.stable, target.canary}
    theirs = [
        about.rule(virtual_service, *each.rule.id)
        for each in destinations_of(virtual_service)
        if each.subset in versions
    ]
    settings = settings_for(target, virtual_service)
    problem, remedy = f"has no canary: {'; '.join(mistakes)}", f"set {settings}" if settings else _BOTH
    return error(_KIND, virtual_service, problem, remedy, about=theirs, check=RELEASE_FOUND)


def refused(snapshot: Snapshot, mistakes: Iterable[str]) -> Finding:
    """A step would be rejected, for these reasons."""
    settings = settings_for(snapshot.target, snapshot.virtual_service)
    remedy = f"set {settings}" if settings else "correct that"
    return _of_route(
        snapshot, f"lets no step be taken: {'; '.join(mistakes)}", remedy, _about(snapshot, idle=True), STEP_POSSIBLE
    )


def unproven(snapshot: Snapshot, why: str) -> Finding:
    """There is no proxy to ask."""
    remedy = "see whether its Gateways select pods that are ready"
    return _of_route(snapshot, f"is live nowhere: {why}", remedy, _about(snapshot), WEIGHTS_LIVE)


def of_release(snapshot: Snapshot, service: str, now: datetime) -> Iterator[Finding]:
    """What is wrong with the state. service: the options by which playbooks find it."""
    state = snapshot.state
    if isinstance(state, Unreadable):
        yield _unreadable(snapshot, state)
    elif isinstance(state, State) and drift(snapshot):
        yield from _moved(snapshot, state)
    elif isinstance(state, State) and snapshot.astray:
        yield _between(snapshot, service)
    elif isinstance(state, State) and state.phase in (Phase.HELD, Phase.PAUSED):
        yield _waiting(snapshot, state, service)
    holder = state.holder if isinstance(state, State) else None
    if holder and holder.until > now + LEASE + LEASE_SLACK:
        yield _endless(snapshot, holder)


def of_weights(snapshot: Snapshot, lagging: Iterable[Lagging]) -> Iterator[Finding]:
    """The proxies that do not run the weights of the route, each cause once."""
    since = _routed(snapshot.virtual_service, snapshot.routes)
    return _of_proxies(snapshot, lagging, f"instead of {said(snapshot.all_shares)}", WEIGHTS_LIVE, since)


def of_subsets(snapshot: Snapshot, lagging: Iterable[Lagging]) -> Iterator[Finding]:
    """The proxies that cannot reach the versions of the route."""
    return _of_proxies(snapshot, lagging, "and has routes that lead there", SUBSETS_LIVE)


def _of_route(snapshot: Snapshot, problem: str, remedy: str, theirs: list[str], check: str) -> Finding:
    thing = snapshot.virtual_service
    return error(_KIND, thing, problem, remedy, show(_KIND, thing), about=theirs, check=check)


def _unreadable(snapshot: Snapshot, state: Unreadable) -> Finding:
    thing = snapshot.virtual_service
    if f"reads version {VERSION}" in state.reason:
        command, remedy = show(_KIND, thing), "use the newer version of this collection that wrote it"
    else:
        command, remedy = forget(_KIND, thing, ANNOTATION), "remove it; the weights stay as they are"
    problem = f"has an annotation {ANNOTATION} that cannot be read: {state.reason}"
    since = written(thing, "metadata", "annotations", ANNOTATION)
    return error(_KIND, thing, problem, remedy, command, since, check=ANNOTATION_READABLE)


def _moved(snapshot: Snapshot, state: State) -> Iterator[Finding]:
    """One finding for each VirtualService of which others have changed the weights."""
    names = dict.fromkeys([*snapshot.shares, *state.weights])
    every: list[Snapshot | Follower] = [snapshot, *(each for each in snapshot.followers if each not in snapshot.spread)]
    for each in every:
        thing, routes = each.virtual_service, each.routes
        moved = [route for route in routes if not state.matches(route.shares(names))]
        if moved:
            yield _moved_in(thing, moved, drift(snapshot), state, names)


def _moved_in(thing: Object, moved: Sequence[Route], drifted: str, state: State, names: Collection[str]) -> Finding:
    problem = f"has other weights than the release wrote, so something else changed them: {drifted}"
    remedy, command = "keep them with canary_adopt=true at the next step, or restore those of the release", ""
    if all(_takes_back(route, state) for route in moved):
        places = {
            f"{route.id.path}/route/{route.destinations[name].index}/weight": number
            for route in moved
            for name, number in route.numbers(names, state.weights).items()
        }
        command = patch(_KIND, thing, [add(path, number) for path, number in places.items()])
    else:
        command = show(_KIND, thing)
        remedy += ", as their author decides"
    return error(_KIND, thing, problem, remedy, command, _routed(thing, moved), check=WEIGHTS_KEPT)


def _routed(thing: Object, routes: Iterable[Route]) -> Timestamp | None:
    """When these routes were written last."""
    return latest(*(written(thing, "spec", each) for each in dict.fromkeys(route.protocol for route in routes)))


def _between(snapshot: Snapshot, service: str) -> Finding:
    """A run has ended between its writes to VirtualServices that move together."""
    problem = f"leads VirtualServices of which a run has not moved all: {who_has_what(snapshot)}"
    remedy = "complete the step with progressive.istio.advance, or take all back"
    return error(_KIND, snapshot.virtual_service, problem, remedy, playbook("rollback", service), check=WEIGHTS_KEPT)


def _takes_back(route: Route, state: State) -> bool:
    """Whether the weights of the release give the canary no more than it has: it may have lost some for a reason."""
    wrote, canary = state.weights, state.canary
    known = wrote.keys() <= route.destinations.keys()
    return known and wrote.get(canary, 0) <= route.shares([*wrote]).get(canary, 0)


def _endless(snapshot: Snapshot, holder: LeaseHolder) -> Finding:
    thing = snapshot.virtual_service
    problem = (
        f"has a lease of {holder.who} on {holder.host} (process {holder.pid}) until {stamp(holder.until)}, "
        f"and no lease of this collection is longer than {LEASE.total_seconds():g} s: it is ignored"
    )
    remedy = "see who writes the annotation; the next step, hold or rollback replaces the lease"
    since = written(thing, "metadata", "annotations", ANNOTATION)
    return warning(_KIND, thing, problem, remedy, show(_KIND, thing), since, check=LEASE_BOUNDED)


def _waiting(snapshot: Snapshot, state: State, service: str) -> Finding:
    held = state.phase is Phase.HELD
    step = f" (step {state.step + 1} of {len(state.steps)})" if state.steps else ""
    why = f": {state.history[-1].why}" if state.history else ""
    where = f"{said(snapshot.all_shares)}{step}"
    problem = f"is {'held' if held else 'paused'} at {where} and waits for confirmation{why}"
    command = playbook("advance", service, "-e canary_confirm=true")
    remedy = "roll back with progressive.istio.rollback, or continue"
    since = Timestamp(state.since, "the annotation of the release")
    found = error if held else warning  # a pause was planned
    return found(_KIND, snapshot.virtual_service, problem, remedy, command, since, check=RELEASE_GOES_ON)


def _about(snapshot: Snapshot, idle: bool = False) -> list[str]:
    """The rules of the routes, their Gateways, and the versions with requests. idle: those without, too."""
    virtual_service, route = snapshot.virtual_service, snapshot.route
    service = service_of(route.host, snapshot.target.namespace)
    gateways = [f"Gateway {name}" for name in snapshot.attachment.gateways]
    names = [name for name, share in snapshot.shares.items() if share or idle]
    services = [about.service(service), *(about.version(service, name) for name in names)] if service else []
    place = about.thing(_KIND, virtual_service)
    rules = [about.rule(virtual_service, *rule) for rule in snapshot.rules]
    return [place, *rules, *gateways, *services]


def _of_proxies(
    snapshot: Snapshot, lagging: Iterable[Lagging], desired: str, check: str, since: Timestamp | None = None
) -> Iterator[Finding]:
    """One finding for each proxy with a reason of its own, and one about the route for a reason that several share."""
    causes: dict[str, list[Lagging]] = defaultdict(list)
    theirs = _about(snapshot)
    for each in lagging:
        if each.read:
            causes[each.why].append(each)
        else:
            yield _unread(each, theirs, check)
    for why, proxies in causes.items():
        first = proxies[0]
        seen = since if all(each.shows.startswith(RUNS) for each in proxies) else None
        if first.rejects or len(proxies) > 1:
            names = listing([str(each.proxy) for each in proxies])
            count = plural(len(proxies), "proxy", "proxies")
            problem = f"is not live on {count}: {names} {first.shows} {desired}: {why}"
            command = show(_KIND, snapshot.virtual_service)
            remedy = "correct what they reject" if first.rejects else "fix what all of them report"
            yield error(_KIND, snapshot.virtual_service, problem, remedy, command, seen, theirs, check)
        else:
            pod = _pod(first)
            problem = f"is a {first.proxy.role} that {first.shows} {desired}: {why}"
            remedy = "check it; its owner decides whether to replace it"
            place = about.thing("Pod", pod)
            yield error("Pod", pod, problem, remedy, describe("Pod", pod), seen, [place, *theirs], check)


def _unread(lagging: Lagging, theirs: Iterable[str], check: str) -> Finding:
    """A proxy that does not answer may still run the right configuration, so this is a warning."""
    pod = _pod(lagging)
    problem = f"is a {lagging.proxy.role} that {lagging.shows}, so what it runs is unknown: {lagging.why}"
    remedy = "run it again; if that does not help, check the pod and the connection to it"
    place = about.thing("Pod", pod)
    return warning("Pod", pod, problem, remedy, describe("Pod", pod), about=[place, *theirs], check=check)


def _pod(lagging: Lagging) -> Object:
    return {"metadata": {"namespace": lagging.proxy.namespace, "name": lagging.proxy.pod}}
