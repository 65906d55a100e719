# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees weights live in the proxies, before a step and after it, and notes that they are."""

from __future__ import annotations

import time
from dataclasses import replace

from .._common.shares import said
from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE
from .._proxy.attachment import NAMED
from .._proxy.fleet import NotLive, Unproven
from .._proxy.poll import Live
from .._release.lease import released
from .._release.model import Decision, Rejected, Transition
from .._release.state import State, Verdict, unverified, verified
from .context import Outcome, Request, Session
from .decide import gaining, watching, without_lease
from .lost import Lost, raising
from .prover import Prover
from .rights import with_all_rights
from .snapshot import Refused, Snapshot
from .step import step_once
from .write import rewrite_note

REACH = 10.0  # seconds that the proxies have to know pods that a rollback has waited for


def verify(
    session: Session, request: Request, prover: Prover, snapshot: Snapshot, decision: Decision
) -> Snapshot | None:
    """The snapshot, once its weights are live and those that follow can be; what was unverified soaks from now on.

    None if they never will be, since others have written other weights since the read. Refused if that is not seen.
    """
    try:
        prover.ready(snapshot, gaining(decision))
    except NotLive as error:
        now = session.cluster.get(VIRTUAL_SERVICE, request.target.name, request.target.namespace)
        if now and now["metadata"]["resourceVersion"] != snapshot.resource_version:
            return None
        stay = f"the weights stay {said(snapshot.all_shares)}; {request.command.hints.unproven()}"
        raise Refused([f"{error}; {stay}"]) from error
    except (Unproven, ClusterError) as error:
        if isinstance(error, ClusterError):
            error = with_all_rights(session, request, error, snapshot)
        stay = f"the weights stay {said(snapshot.all_shares)}, since it could not be seen whether others are live"
        raise Refused([f"{error}; {stay}; fix that first"]) from error
    return _note_live(session, request, snapshot) if unverified(snapshot.state) else snapshot


def await_reachable(prover: Prover, snapshot: Snapshot, back: Transition) -> Snapshot:
    """The snapshot once every proxy has a host of the version whose pods have just come, or with the problem.

    A pod is ready a moment before the proxies know it, and until then the canary answers.
    """
    try:
        prover.reachable(snapshot, gaining(back), REACH)
    except (NotLive, Unproven, ClusterError) as error:
        return snapshot.with_problem(f"requests went back before every proxy was seen to know the new pods: {error}")
    return snapshot


def prove(session: Session, request: Request, prover: Prover, outcome: Outcome, since: float) -> Outcome:
    """See the last write live, and let it soak from then on. since: when it was written (monotonic).

    If it is not live, a Rejected decision says where.
    """
    snapshot, (*earlier, last) = outcome.snapshot, outcome.written
    live: tuple[Live, ...] = ()
    try:
        watched = request.watch != 0 and not last.retreats and snapshot.pods is not None
        proof = prover.live(snapshot, since, raising(session.cluster, snapshot) if watched else None)
        live, outcome = proof.live, replace(outcome, extent=proof.extent)
        if not last.again and not last.retreats:
            session.on_live(snapshot)
        outcome = replace(outcome, snapshot=_note_live(session, request, snapshot), live=live)
        return replace(outcome, settled={**outcome.settled, len(earlier): outcome.live_after})
    except Lost as lost:
        return _take_back(session, request, prover, replace(outcome, snapshot=lost.snapshot), lost.verdict)
    except NotLive as error:
        why, live = str(error), error.live
        if last.returns and not any(each.read for each in error.lagging):
            unseen = "; ".join(str(each) for each in error.lagging[:NAMED])
            why = f"the weights are set, but not seen to be live, because {unseen}"
            return replace(outcome, snapshot=snapshot.with_problem(why), live=live)
    except (Unproven, Refused, ClusterError) as error:
        unseen = "that they are live is not noted" if live else "not seen to be live"
        why = f"the weights are set, but {unseen}: {error}"
        if last.retreats:
            return replace(outcome, snapshot=snapshot.with_problem(why), live=live)
    if isinstance(snapshot.state, State) and snapshot.state.holder and not snapshot.unnoted:
        try:
            snapshot = rewrite_note(session, request, snapshot, released)
        except (Refused, ClusterError) as error:
            why = f"{why}; its lease ends by itself: {error}"
    return replace(outcome, snapshot=snapshot, decision=Rejected(why), live=live)


def _take_back(session: Session, request: Request, prover: Prover, outcome: Outcome, verdict: Verdict) -> Outcome:
    """What a failure does to the weight that was written last, before that has been live everywhere."""
    state = outcome.snapshot.state
    decision, snapshot = step_once(
        session,
        watching(request, state.since if isinstance(state, State) else None, verdict),
        outcome.snapshot,
        lambda _snapshot, decision: without_lease(decision),
        lambda _snapshot: session.read(request),
    )
    if not isinstance(decision, Transition):
        return replace(outcome, snapshot=snapshot, decision=Rejected(f"{verdict.why}; {decision.why}"))
    outcome = replace(outcome, snapshot=snapshot, decision=decision, written=(*outcome.written, decision))
    return prove(session, request, prover, outcome, time.monotonic()) if decision.moves else outcome


def _note_live(session: Session, request: Request, snapshot: Snapshot) -> Snapshot:
    """Note that the weights are live as of now, where it is noted that they are set."""
    if snapshot.unnoted:
        return snapshot
    return rewrite_note(session, request, snapshot, lambda state: replace(verified(state), since=session.cluster.now()))
