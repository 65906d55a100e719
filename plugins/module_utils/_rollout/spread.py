# SPDX-License-Identifier: GPL-3.0-or-later
"""The way up of the followers: they get a step before the leader does, or what it has where they are ahead of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from .._k8s.auth import ClusterError
from .._release.model import Event, Transition
from .._release.state import State
from .._routing.virtual_service import Operations, RouteError, patched
from .context import Request, Session
from .followers import moved, note_for, removed, who_has_what, written
from .patch import Unseen, send
from .snapshot import Follower, Refused, Snapshot

Patch: TypeAlias = "tuple[Operations, str]"  # of a follower, and the annotation in it


def patches_of(snapshot: Snapshot, transition: Transition) -> list[Patch]:
    """What is written to each follower; Refused where one of them cannot have these shares."""
    patches, mistakes = [], []
    for follower in snapshot.followers:
        try:
            patches.append(_patch(snapshot, follower, transition))
        except RouteError as error:
            mistakes.append(f"{follower.target.place}: {error}")
    if mistakes:
        raise Refused(mistakes)
    return patches


def spread(
    session: Session, request: Request, snapshot: Snapshot, patches: Sequence[Patch], predicted: bool
) -> Snapshot | None:
    """The snapshot once all followers are written, or None if others have written one of them since the read.

    If a write fails, all get what the leader has.
    """
    for number, (operations, note) in enumerate(patches):
        try:
            now = _sent(session, request, snapshot, number, operations, note, predicted)
        except ClusterError as error:
            raise undone(session, request, snapshot, error) from error
        if now is None:
            return None
        snapshot = now
    return snapshot


def undone(session: Session, request: Request, snapshot: Snapshot, error: ClusterError) -> ClusterError:
    """The error of a write, once the followers that were written before it have again what the leader has."""
    if request.check or not snapshot.spread:
        return error
    try:
        settle(session, request, snapshot)
    except (Refused, ClusterError) as also:
        return Unseen(f"{error}; {'; '.join(also.mistakes)}", error.status, error.reason)
    return ClusterError(f"{error}; the VirtualServices that follow have again what it has", error.status, error.reason)


def settle(session: Session, request: Request, snapshot: Snapshot) -> Snapshot:
    """The snapshot once the followers have the weights of the leader again, which a run had left with others."""
    state = snapshot.state if isinstance(snapshot.state, State) else None
    for number, follower in enumerate(snapshot.followers):
        if follower not in snapshot.spread:
            continue
        try:
            note = note_for(snapshot, follower, state)
            operations = moved(snapshot, follower, snapshot.shares, snapshot.shares, note)
            now = _sent(session, request, snapshot, number, operations, note, predicted=False)
        except (RouteError, ClusterError) as error:
            raise Refused([f"{who_has_what(snapshot)}: {error}"]) from error
        if now is None:
            raise Refused([f"{who_has_what(snapshot)}: another writer changed the former just now: run this again"])
        snapshot = now
    return snapshot


def _patch(snapshot: Snapshot, follower: Follower, transition: Transition) -> Patch:
    note = note_for(snapshot, follower, transition.state)
    if transition.event is Event.CLEANED:
        (over,) = transition.before.keys() - transition.weights.keys()
        return removed(follower, over, note), note
    return moved(snapshot, follower, transition.before, transition.weights, note), note


def _sent(
    session: Session,
    request: Request,
    snapshot: Snapshot,
    number: int,
    operations: Operations,
    note: str,
    predicted: bool,
) -> Snapshot | None:
    """The snapshot once the follower with this number is written, or None if others have written it since the read."""
    follower = snapshot.followers[number]
    if predicted:
        now = patched(follower.virtual_service, operations)
    else:
        sent = send(session.cluster, follower.virtual_service, operations, note, request.check)
        if sent is None:
            return None
        now = dict(sent)
    new = written(snapshot, follower, now)
    return replace(snapshot, followers=(*snapshot.followers[:number], new, *snapshot.followers[number + 1 :]))
