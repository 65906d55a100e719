# SPDX-License-Identifier: GPL-3.0-or-later
"""What the state machine decides about a request, and what must be known before that is carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .._release.cleanup import cleanup
from .._release.lease import has_ended, released
from .._release.machine import decide
from .._release.model import Decision, Transition, Wait, Want
from .._release.state import State, Verdict, unverified
from .context import Request, Session
from .snapshot import Snapshot


def decide_on(session: Session, request: Request, snapshot: Snapshot) -> Decision:
    """The decision of the state machine as of now."""
    holder = snapshot.state.holder if isinstance(snapshot.state, State) else None
    # A version leaves all VirtualServices, also where a run has ended between two of them.
    observed = snapshot.observed(holder is not None and has_ended(holder), anywhere=request.drain is not None)
    now = session.cluster.now()
    if request.drain is not None:
        return cleanup(snapshot.state, observed, request.command, request.drain, now)
    command = replace(request.command, begun=True) if snapshot.foreign else request.command
    if snapshot.ahead:  # what the leader has back already, or more of, no follower keeps
        command = replace(command, force=True)
    return decide(snapshot.state, observed, request.plan, command, now)


def awaits_pods(decision: Decision) -> bool:
    """Whether to decide again as soon as more pods are ready."""
    return isinstance(decision, Wait) and decision.until is None


def gaining(decision: Decision) -> tuple[str, ...]:
    """The versions that get more requests."""
    if not isinstance(decision, Transition):
        return ()
    return tuple(name for name, share in decision.weights.items() if share > decision.before.get(name, 0))


def rests_on_proof(snapshot: Snapshot, decision: Decision) -> bool:
    """Whether the present weights must be live before it is carried out; a retreat never waits for that."""
    if awaits_pods(decision) or (isinstance(decision, Transition) and decision.retreats):
        return False
    return unverified(snapshot.state) or bool(gaining(decision))


def watching(request: Request, since: datetime | None, verdict: Verdict | None) -> Request:
    """The request to keep the lease of a weight that soaks, and to act on a verdict about it. since: of its state."""
    command = replace(request.command, want=Want.WATCHED, since=since, verdict=verdict, confirm=False, adopt=False)
    return replace(request, command=command)


def without_lease(decision: Decision) -> Decision:
    """The decision without a lease: for the last write of a run."""
    return replace(decision, state=released(decision.state)) if isinstance(decision, Transition) else decision
