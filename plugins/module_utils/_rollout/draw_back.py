# SPDX-License-Identifier: GPL-3.0-or-later
"""The way down of the followers: after the leader, each by itself, so that none that fails keeps others from it."""

from __future__ import annotations

from dataclasses import replace

from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE
from .._release.model import Transition
from .._routing.virtual_service import RouteError, patched
from .context import Request, Session
from .followers import follow, moved, note_for, written
from .patch import CONFLICTS, NOTE_REFUSED, send
from .snapshot import Follower, Refused, Snapshot, Target


def draw_back(
    session: Session, request: Request, snapshot: Snapshot, transition: Transition, predicted: bool
) -> Snapshot:
    """The snapshot once all followers have less as well; what prevents that is noted as a problem of it."""
    known: dict[Target, Follower | None] = {each.target: each for each in snapshot.followers}
    done: list[Follower] = []
    left: list[Target] = []
    for target, follower in (known | dict.fromkeys(snapshot.unread)).items():
        now, problem = _drawn(session, request, snapshot, transition, target, follower, predicted)
        done += [now] if isinstance(now, Follower) else []
        left += [now] if isinstance(now, Target) else []
        if problem:
            snapshot = snapshot.with_problem(f"{target.place} was not changed with its leader: {problem}")
    return replace(snapshot, followers=tuple(done), unread=tuple(left))


def _drawn(
    session: Session,
    request: Request,
    snapshot: Snapshot,
    transition: Transition,
    target: Target,
    follower: Follower | None,
    predicted: bool,
) -> tuple[Follower | Target | None, str]:
    """The follower as it is then, or its name where that is not known, and why it does not have less.

    It is read again where others have written it.
    """
    try:
        for _conflict in range(CONFLICTS):
            if follower is None:
                found = session.cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
                if found is None:
                    return None, "it does not exist any more"
                follower = follow(snapshot, target, found)
            now = _written(session, request, snapshot, transition, follower, predicted)
            if now:
                return now, ""
            follower = None
    except (Refused, RouteError, ClusterError) as error:
        return follower or target, str(error)
    return target, f"another writer changed it {CONFLICTS} times in a row between the read and the write"


def _written(
    session: Session,
    request: Request,
    snapshot: Snapshot,
    transition: Transition,
    follower: Follower,
    predicted: bool,
) -> Follower | None:
    """The follower after its patch, or None if others have written since the read.

    Requests go back without the annotation where the API server refuses that.
    """
    before, shares = transition.before, transition.weights
    note: str | None = note_for(snapshot, follower, transition.state)
    operations = moved(snapshot, follower, before, shares, note, back=transition.returns)
    if predicted:
        return written(snapshot, follower, patched(follower.virtual_service, operations))
    try:
        now = send(session.cluster, follower.virtual_service, operations, note, request.check)
    except ClusterError as error:
        if not transition.returns or error.status not in NOTE_REFUSED:
            raise
        operations = moved(snapshot, follower, before, shares, None, back=True)
        try:
            now = send(session.cluster, follower.virtual_service, operations, None, request.check)
        except ClusterError:
            raise error from None
    return written(snapshot, follower, now) if now else None
