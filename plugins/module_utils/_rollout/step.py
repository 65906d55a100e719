# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide and write, and both again where others have written in between: the one loop that meets conflicts."""

from __future__ import annotations

from collections.abc import Callable

from .._release.model import Decision, Rejected, Transition
from .context import Request, Session
from .decide import decide_on
from .patch import CONFLICTS
from .snapshot import Snapshot
from .write import write


def step_once(
    session: Session,
    request: Request,
    snapshot: Snapshot,
    prepare: Callable[[Snapshot, Decision], Snapshot | Decision],
    reread: Callable[[Snapshot], Snapshot],
    predicted: bool = False,
) -> tuple[Decision, Snapshot]:
    """The decision that was carried out, and the snapshot after it.

    prepare: returns what to write, or a newer snapshot to decide on again.
    reread: returns the snapshot as others have left it.
    Rejected where others have written between each of CONFLICTS reads and the write after it.
    """
    for _conflict in range(CONFLICTS):
        while isinstance(decision := prepare(snapshot, decide_on(session, request, snapshot)), Snapshot):
            snapshot = decision
        if not isinstance(decision, Transition):
            return decision, snapshot
        following = write(session, request, snapshot, decision, predicted)
        if following:
            return decision, following
        snapshot = reread(snapshot)
    why = f"another writer changed the VirtualService {CONFLICTS} times in a row between the read and the write"
    return Rejected(f"{why}: stop that writer, then run this again"), snapshot
