# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a transition, or the annotation alone, in one guarded patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._common.shares import said
from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE
from .._k8s.kubectl import on, show
from .._release.model import Event, Transition
from .._release.state import State, pending_verification, verified
from .._routing.virtual_service import (
    ANNOTATION,
    Operations,
    RouteError,
    annotate,
    listed,
    move,
    note_of,
    patched,
    remove,
)
from .context import Request, Session
from .parse import rewritten
from .snapshot import Object, Refused, Snapshot

CONFLICTS = 6  # how many reads in a row others may overtake before that is given up
NOTE_REFUSED = frozenset({400, 403, 413, 422})  # how API servers and their webhooks refuse an annotation


class UncertainWrite(ClusterError):
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

    predicted: not sent at all, since a dry run knows nothing of the dry runs before it.
    """
    state = transition.state
    if transition.moves:
        state = pending_verification(state) if session.prover else verified(state)
    virtual_service, note = snapshot.virtual_service, None if snapshot.foreign else snapshot.noted(state)
    try:
        if transition.event is Event.CLEANED:
            (over,) = transition.before.keys() - transition.weights.keys()
            operations = remove(virtual_service, snapshot.routes, over, snapshot.noted(state, remember=True))
        elif transition.moves:
            _check_new_destinations(snapshot, transition)
            operations = _moved(snapshot, transition, note)
        else:
            operations = annotate(virtual_service, snapshot.noted(state))
    except RouteError as error:
        raise Refused([f"{request.target.place}: {error}"]) from error
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
    cluster, name, namespace = session.cluster, request.target.name, request.target.namespace
    try:
        written = cluster.patch(VIRTUAL_SERVICE, name, namespace, operations, dry_run=request.check)
    except ClusterError as error:
        if not _may_be_written(error) or request.check:
            raise
        try:
            now = cluster.get(VIRTUAL_SERVICE, name, namespace)
        except ClusterError as blind:
            if any(operation["path"].startswith("/spec/") for operation in operations):
                raise UncertainWrite(session, request, error) from blind
            raise error from blind
        if now and _is_written(now, snapshot, operations, note):
            return rewritten(snapshot, now)  # ours: only the answer was lost
        if now and now["metadata"]["resourceVersion"] == snapshot.resource_version:
            raise
        return None
    return rewritten(snapshot, written)


def _is_written(now: Object, snapshot: Snapshot, operations: Operations, note: str | None) -> bool:
    """Whether this is what the patch makes of the VirtualService."""
    if note is not None:
        return note_of(now) == note
    return bool(now["spec"] == patched(snapshot.virtual_service, operations)["spec"])


def _may_be_written(error: ClusterError) -> bool:
    """Whether a write that failed may be written nevertheless, or another one in its place."""
    conflict = error.status in (409, 422)  # those of a patch whose test failed, among others
    return conflict or error.status is None or error.status >= 500


def _check_new_destinations(snapshot: Snapshot, transition: Transition) -> None:
    """Raise RouteError where a version gets requests that was taken out of a route and has no ready pod."""
    for name, share in transition.weights.items():
        lacking = [route for route in snapshot.routes if name not in route.destinations]
        if share and lacking and not snapshot.versions[name].ready:
            raise RouteError(
                f"{name} is no destination of {listed(lacking)} any more and cannot become one "
                f"again: {snapshot.versions[name].lack}; the weights stay {said(snapshot.all_shares)}"
            )
