# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a transition, or the annotation alone, in one guarded patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._k8s.auth import ClusterError
from .._k8s.kubectl import on, show
from .._release.cleanup import OVER
from .._release.model import Event, Transition
from .._release.state import Phase, State, pending_verification, verified
from .._routing.virtual_service import (
    ANNOTATION,
    Operations,
    RouteError,
    annotate,
    move,
    patched,
    remove,
)
from .context import Request, Session
from .draw_back import draw_back
from .followers import check_new_destinations, recorded
from .parse import rewritten
from .patch import CONFLICTS, NOTE_REFUSED, Unseen, send
from .snapshot import Refused, Snapshot
from .spread import patches_of, spread, undone


class UncertainWrite(Unseen):
    """The answer to a write of weights was lost, and the object cannot be read now: it may be written or not."""

    def __init__(self, session: Session, request: Request, lost: ClusterError) -> None:
        target, access = request.target, session.cluster.access
        where = [] if access.context in (access.server, "in-cluster") else ["--context", access.context]
        place = {"metadata": {"namespace": target.namespace, "name": target.name}}
        super().__init__(
            f"the weights of {target.place} may have been written or not: the answer to the write was lost, and it "
            f"cannot be read now; see `{on(where, show('VirtualService', place))}` "
            f"once the API server answers, or run this again, which continues from what it finds; {lost}",
            lost.status,
            lost.reason,
        )


def write(
    session: Session, request: Request, snapshot: Snapshot, transition: Transition, predicted: bool = False
) -> Snapshot | None:
    """The snapshot after the write, or None if others have written since the read.

    On the way up the followers come first, so that the state is never ahead of them; on the way down the leader does.
    predicted: not sent at all, since a dry run knows nothing of the dry runs before it.
    """
    ends = transition.changed and transition.state.phase in OVER
    if not (transition.moves or ends) or not (snapshot.followers or snapshot.unread):
        return _write_leader(session, request, snapshot, transition, predicted)
    if transition.falls:
        led = _write_leader(session, request, snapshot, transition, predicted)
        return led and draw_back(session, request, led, transition, predicted)
    _operations(session, request, snapshot, transition)  # what the leader cannot have, no follower gets either
    patches = patches_of(snapshot, transition)
    listing = snapshot if predicted or request.check else _with_followers_listed(session, request, snapshot, transition)
    ahead = listing and spread(session, request, listing, patches, predicted)
    if ahead is None:
        return None
    try:
        return _write_leader(session, request, ahead, transition, predicted)
    except ClusterError as error:
        if isinstance(error, UncertainWrite):
            raise
        raise undone(session, request, ahead, error) from error


def _with_followers_listed(
    session: Session, request: Request, snapshot: Snapshot, transition: Transition
) -> Snapshot | None:
    """The snapshot once the state of the leader lists all followers: before the first of them is written.

    So a rollback knows them, whatever is named, if the run ends before it has written the weights of the leader.
    """
    known = {(each.namespace, each.name) for each in recorded(snapshot.state)}
    if all((each.target.namespace, each.target.name) in known for each in snapshot.followers):
        return snapshot
    state = snapshot.state
    if not isinstance(state, State):
        share = snapshot.shares.get(transition.state.canary, 0)
        state = replace(transition.state, phase=Phase.WEIGHTED, weight=share, verdict=None, history=())
    note = snapshot.noted(state)
    return _send(session, request, snapshot, annotate(snapshot.virtual_service, note), note)


def _write_leader(
    session: Session, request: Request, snapshot: Snapshot, transition: Transition, predicted: bool
) -> Snapshot | None:
    """The snapshot once the state and the weights of the leader are written."""
    virtual_service = snapshot.virtual_service
    operations, note = _operations(session, request, snapshot, transition)
    if predicted:
        return rewritten(snapshot, patched(virtual_service, operations))
    try:
        following = _send(session, request, snapshot, operations, note)
    except ClusterError as error:
        if not transition.returns or note is None or error.status not in NOTE_REFUSED:
            raise
        return _written_without_note(session, request, snapshot, transition, error)
    if following and snapshot.foreign:
        return _unnoted(following, f"the annotation {ANNOTATION} is that of another release in progress")
    return following


def _operations(
    session: Session, request: Request, snapshot: Snapshot, transition: Transition
) -> tuple[Operations, str | None]:
    """The patch of the leader, and the annotation in it."""
    state = transition.state
    if transition.moves:
        state = pending_verification(state) if session.prover else verified(state)
    virtual_service, note = snapshot.virtual_service, None if snapshot.foreign else snapshot.noted(state)
    try:
        if transition.event is Event.CLEANED:
            (over,) = transition.before.keys() - transition.weights.keys()
            return remove(virtual_service, snapshot.routes, over, snapshot.noted(state, remember=True)), note
        if transition.moves:
            check_new_destinations(snapshot, snapshot.routes, transition.weights)
            return _moved(snapshot, transition, note), note
        return annotate(virtual_service, snapshot.noted(state)), note
    except RouteError as error:
        raise Refused([f"{request.target.place}: {error}"]) from error


def rewrite_note(session: Session, request: Request, snapshot: Snapshot, change: Callable[[State], State]) -> Snapshot:
    """The snapshot once the annotation is changed, or as it is where others have written another state meanwhile."""
    written = snapshot.state
    for _conflict in range(CONFLICTS):
        state = snapshot.state
        if not isinstance(state, State) or not isinstance(written, State) or state.since != written.since:
            break
        note = snapshot.noted(change(state))
        following = _send(session, request, snapshot, annotate(snapshot.virtual_service, note), note)
        if following:
            return following
        snapshot = session.read(request)
    return snapshot


def _moved(snapshot: Snapshot, transition: Transition, note: str | None) -> Operations:
    """The patch of a move; one that takes requests back gives the canary in no route more than it has there."""
    canary, before = transition.state.canary, transition.before
    share, (first, *others) = transition.weights.get(canary, 0), snapshot.routes
    if transition.returns:
        others = [route for route in others if route.shares(before).get(canary, 0) > share]
    return move(snapshot.virtual_service, [first, *others], before, transition.weights, note)


def _written_without_note(
    session: Session, request: Request, snapshot: Snapshot, transition: Transition, refusal: ClusterError
) -> Snapshot | None:
    """The weights alone, where the API server refuses them together with the annotation, such as one that is full."""
    following: Snapshot | None = snapshot
    if transition.moves:
        try:
            following = _send(session, request, snapshot, _moved(snapshot, transition, None), None)
        except ClusterError:
            raise refusal from None
    return following and _unnoted(following, str(refusal))


def _unnoted(snapshot: Snapshot, why: str) -> Snapshot:
    problem = (
        f"the weights are set, but the annotation does not say that {snapshot.target.canary} was rolled back: "
        f"{why}; until it does a scheduled run may begin the release again"
    )
    return replace(snapshot, unnoted=True, problems=(*snapshot.problems, problem))


def _send(
    session: Session, request: Request, snapshot: Snapshot, operations: Operations, note: str | None
) -> Snapshot | None:
    """The snapshot after the patch, or None if others have written since the read. note: the one in the patch."""
    try:
        written = send(session.cluster, snapshot.virtual_service, operations, note, request.check)
    except Unseen as error:
        if any(operation["path"].startswith("/spec/") for operation in operations):
            raise UncertainWrite(session, request, error) from error
        raise ClusterError(str(error), error.status, error.reason) from error
    return rewritten(snapshot, written) if written else None
