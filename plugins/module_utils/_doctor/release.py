# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What is wrong with a release itself: its note, its weights, what its proxies run, and for whom it waits. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from .._common.clock import stamp
from .._common.shares import said
from .._common.text import plural
from .._istio.mesh import Object, destinations_of
from .._k8s.kubectl import add, describe, forget, patch, playbook, show
from .._preflight import subject as about
from .._preflight.finding import Finding, error, warning
from .._preflight.timestamps import Timestamp, written
from .._proxy.attachment import attachment_of
from .._proxy.expectations import RUNS
from .._proxy.fleet import Lagging
from .._release.annotation import VERSION
from .._release.model import LEASE, LEASE_SLACK
from .._release.state import LeaseHolder, Phase, State, Unreadable
from .._rollout.read import Snapshot, Target
from .._routing.hosts import service_of
from .._routing.virtual_service import ANNOTATION

ANNOTATION_READABLE = "annotation_readable"
RELEASE_FOUND = "release_found"
STEP_POSSIBLE = "step_possible"
WEIGHTS_KEPT = "weights_kept"
RELEASE_GOES_ON = "release_goes_on"
LEASE_BOUNDED = "lease_bounded"
WEIGHTS_LIVE = "weights_live"
SUBSETS_LIVE = "subsets_live"

_KIND = "VirtualService"
_NAMED = 3  # how many proxies a sentence names


def unfound(target: Target, mistakes: Iterable[str], virtual_service: Object) -> Finding:
    """No release can be told from the VirtualService."""
    versions = {target.stable, target.canary}
    theirs = [
        about.rule(virtual_service, "http", each.rule.index)
        for each in destinations_of(virtual_service)
        if each.rule.protocol == "http" and each.subset in versions
    ]
    problem = f"tells of no canary: {'; '.join(mistakes)}"
    remedy = "name the route and its versions as they are there"
    found = error(_KIND, virtual_service, problem, remedy, about=theirs)
    return dataclasses.replace(found, check=RELEASE_FOUND)


def refused(snapshot: Snapshot, mistakes: Iterable[str]) -> Finding:
    """A step would be refused, in its own words."""
    problem = f"lets no step be taken: {'; '.join(mistakes)}"
    command = show(_KIND, snapshot.virtual_service)
    remedy = f"put that right, or name route, versions and host as they are there: {command}"
    found = error(_KIND, snapshot.virtual_service, problem, remedy, command, about=_about(snapshot, idle=True))
    return dataclasses.replace(found, check=STEP_POSSIBLE)


def of_release(snapshot: Snapshot, service: str, now: datetime) -> Iterator[Finding]:
    """What is wrong with the state. service: the options by which playbooks find it."""
    state = snapshot.state
    if isinstance(state, Unreadable):
        yield _unreadable(snapshot, state)
    elif isinstance(state, State) and not state.matches(snapshot.shares):
        yield _moved(snapshot, state)
    elif isinstance(state, State) and state.phase in (Phase.HELD, Phase.PAUSED):
        yield _waiting(snapshot, state, service)
    holder = state.holder if isinstance(state, State) else None
    if holder and holder.until > now + LEASE + LEASE_SLACK:
        yield _endless(snapshot, holder)


def of_weights(snapshot: Snapshot, lagging: Iterable[Lagging]) -> Iterator[Finding]:
    """The proxies that do not run the weights of the route, each cause once."""
    wish, since = said(snapshot.all_shares), written(snapshot.virtual_service, "spec", "http")
    for finding in _of_proxies(snapshot, lagging, f"where {wish} is wanted", since):
        yield dataclasses.replace(finding, check=WEIGHTS_LIVE)


def of_subsets(snapshot: Snapshot, lagging: Iterable[Lagging]) -> Iterator[Finding]:
    """The proxies that cannot reach the versions of the route."""
    for finding in _of_proxies(snapshot, lagging, "and has routes that lead there", None):
        yield dataclasses.replace(finding, check=SUBSETS_LIVE)


def unproven(snapshot: Snapshot, why: str) -> Finding:
    """No proxy can be asked, for there is none."""
    command = show(_KIND, snapshot.virtual_service)
    remedy = f"see that its Gateways select pods that are ready: {command}"
    return dataclasses.replace(
        error(_KIND, snapshot.virtual_service, f"is live nowhere: {why}", remedy, command, about=_about(snapshot)),
        check=WEIGHTS_LIVE,
    )


def _unreadable(snapshot: Snapshot, state: Unreadable) -> Finding:
    virtual_service = snapshot.virtual_service
    if f"reads version {VERSION}" in state.reason:  # a newer collection knows what to do with it
        command, remedy = show(_KIND, virtual_service), "use the collection that wrote it"
    else:
        command = forget(_KIND, virtual_service, ANNOTATION)
        remedy = "forget the release that it told of, the weights stay as they are"
    problem = f"has an annotation {ANNOTATION} that cannot be read: {state.reason}"
    since = written(virtual_service, "metadata", "annotations", ANNOTATION)
    return dataclasses.replace(
        error(_KIND, virtual_service, problem, f"{remedy}: {command}", command, since), check=ANNOTATION_READABLE
    )


def _moved(snapshot: Snapshot, state: State) -> Finding:
    route, wrote, virtual_service = snapshot.route, state.weights, snapshot.virtual_service
    problem = f"has the weights {said(snapshot.shares)}, and the release wrote {said(wrote)}: somebody else moved them"
    remedy, command = "keep them with canary_adopt=true at the next step, or put them back", ""
    canary = state.canary  # whoever took requests from it by hand had a reason
    if wrote.keys() <= route.destinations.keys() and wrote.get(canary, 0) <= snapshot.shares.get(canary, 0):
        base, numbers = f"/spec/http/{route.rule}/route", route.numbers(snapshot.shares, wrote)
        places = {f"{base}/{route.destinations[name].index}/weight": number for name, number in numbers.items()}
        command = patch(_KIND, virtual_service, [add(path, number) for path, number in places.items()])
        remedy += f": {command}"
    else:
        command = show(_KIND, virtual_service)
        remedy += f", as those decide who moved them: {command}"
    since = written(virtual_service, "spec", "http")
    return dataclasses.replace(error(_KIND, virtual_service, problem, remedy, command, since), check=WEIGHTS_KEPT)


def _endless(snapshot: Snapshot, holder: LeaseHolder) -> Finding:
    virtual_service = snapshot.virtual_service
    problem = (
        f"has a lease of {holder.who} on {holder.host} (process {holder.pid}) until {stamp(holder.until)}, "
        f"and no lease of this collection is longer than {LEASE.total_seconds():g} s: it keeps nobody away"
    )
    command = show(_KIND, virtual_service)
    remedy = f"see who writes the annotation; the next step, hold or rollback replaces the lease: {command}"
    since = written(virtual_service, "metadata", "annotations", ANNOTATION)
    return dataclasses.replace(warning(_KIND, virtual_service, problem, remedy, command, since), check=LEASE_BOUNDED)


def _waiting(snapshot: Snapshot, state: State, service: str) -> Finding:
    held = state.phase is Phase.HELD
    step = f" (step {state.step + 1} of {len(state.steps)})" if state.steps else ""
    why = f": {state.history[-1].why}" if state.history else ""
    problem = f"{'is held' if held else 'pauses'} at {said(snapshot.all_shares)}{step} and waits for a person{why}"
    command = playbook("advance", service, "-e canary_confirm=true")
    remedy = f"go back with progressive.istio.rollback, or let it go on: {command}"
    since = Timestamp(state.since, "the annotation of the release")
    say = error if held else warning  # a pause was planned
    return dataclasses.replace(
        say(_KIND, snapshot.virtual_service, problem, remedy, command, since), check=RELEASE_GOES_ON
    )


def _about(snapshot: Snapshot, idle: bool = False) -> list[str]:
    """What the route of a release rests on: its rule, where that is bound, and the pods that get requests, or may."""
    virtual_service, route = snapshot.virtual_service, snapshot.route
    service = service_of(route.host, snapshot.target.namespace)
    gateways = [f"Gateway {name}" for name in attachment_of(virtual_service, route.rule).gateways]
    names = [name for name, share in snapshot.shares.items() if share or idle]
    services = [about.service(service), *(about.version(service, name) for name in names)] if service else []
    place = about.thing(_KIND, virtual_service)
    return [place, about.rule(virtual_service, "http", route.rule), *gateways, *services]


def _of_proxies(
    snapshot: Snapshot, lagging: Iterable[Lagging], wish: str, since: Timestamp | None
) -> Iterator[Finding]:
    """One finding about a proxy that is alone with what it says, and one about the route for what several say."""
    causes: dict[str, list[Lagging]] = defaultdict(list)
    theirs = _about(snapshot)
    for each in lagging:
        if each.read:
            causes[each.why].append(each)
        else:  # which may lie at the way to it
            yield _unread(each, theirs)
    for why, proxies in causes.items():
        first = proxies[0]
        seen = since if all(each.shows.startswith(RUNS) for each in proxies) else None
        if first.rejects or len(proxies) > 1:
            names = ", ".join(str(each.proxy) for each in proxies[:_NAMED])
            more = f" and {len(proxies) - _NAMED} more" if len(proxies) > _NAMED else ""
            problem = (
                f"is not live on {plural(len(proxies), 'proxy', 'proxies')}: {names}{more} {first.shows} {wish}: {why}"
            )
            command = show(_KIND, snapshot.virtual_service)
            remedy = "correct what they reject" if first.rejects else "put right what all of them say"
            yield error(_KIND, snapshot.virtual_service, problem, f"{remedy}: {command}", command, seen, theirs)
        else:
            place = {"metadata": {"namespace": first.proxy.namespace, "name": first.proxy.pod}}
            command = describe("Pod", place)
            problem = f"is a {first.proxy.role} that {first.shows} {wish}: {why}"
            remedy = f"look at it; whoever runs it decides whether another takes its place: {command}"
            yield error("Pod", place, problem, remedy, command, seen, [about.thing("Pod", place), *theirs])


def _unread(lagging: Lagging, theirs: Iterable[str]) -> Finding:
    """A proxy that gave no answer, by which nobody knows what it runs: it is not accused of running something else."""
    proxy = lagging.proxy
    place = {"metadata": {"namespace": proxy.namespace, "name": proxy.pod}}
    command = describe("Pod", place)
    problem = f"is a {proxy.role} that {lagging.shows}, so that nobody knows what it runs: {lagging.why}"
    remedy = f"run it again; if that lasts, look whether it or the way to it is at fault: {command}"
    return warning("Pod", place, problem, remedy, command, about=[about.thing("Pod", place), *theirs])
