# SPDX-License-Identifier: GPL-3.0-or-later
"""One request from read to proof: read, check, decide, write, prove, and again until nothing is left to write."""

from __future__ import annotations

import time
from dataclasses import replace

from .._k8s.auth import ClusterError
from .._release.lease import has_ended
from .._release.model import Decision, Event, NoOp, Rejected, Transition, Wait, sentence
from .._release.state import Phase
from .check import check
from .context import Outcome, Request, Session
from .decide import awaits_pods, gaining, rests_on_proof, without_lease
from .followers import who_has_what
from .parse import rewritten
from .pods import wait_for_pods
from .prove import await_reachable, prove, verify
from .read import read_on
from .rights import with_all_rights
from .snapshot import Refused, Snapshot
from .spread import settle
from .step import step_once


def carry_out(session: Session, request: Request, known: Snapshot | None = None) -> Outcome:
    """Do it. Raises Refused or ClusterError if it cannot be done and nothing was written.

    known: what the step before of the same run has read and watched, younger than FRESH.
    What prevents the rest after a write is a Rejected decision in the outcome, beside what was written.
    """
    deadline = time.monotonic() + request.patience
    try:
        snapshot = read_on(session.cluster, known) if known else session.read(request)
    except ClusterError as error:
        raise with_all_rights(session, request, error) from error
    return _Pipeline(session, request, snapshot, deadline, follows=known is not None).run()


class _Pipeline:
    """deadline: until when pods are waited for (monotonic). follows: the snapshot rests on that of the step before."""

    def __init__(
        self, session: Session, request: Request, snapshot: Snapshot, deadline: float, follows: bool = False
    ) -> None:
        self._session = session
        self._request = request
        self._deadline = deadline
        self._follows = follows
        self._outcome = Outcome(snapshot.all_shares, snapshot, NoOp(""))
        self._snapshot = snapshot  # the last one that was decided about
        self._checked = False
        self._waited = False
        self._verified: object = None  # what the proxies were last asked about

    def run(self) -> Outcome:
        """Step until nothing is left to write."""
        try:
            while not self._step():
                pass
        except (Refused, ClusterError) as error:
            if not self._outcome.written:
                if isinstance(error, Refused):
                    error.seen = error.seen or self._snapshot
                raise
            return replace(self._outcome, snapshot=self._snapshot, decision=Rejected("; ".join(error.mistakes)))
        return self._outcome

    def _step(self) -> bool:
        """Take one step of the request; return whether that was the last."""
        session, request, prover = self._session, self._request, self._session.prover
        predicted = request.check and bool(self._outcome.written)
        decision, snapshot = step_once(session, request, self._snapshot, self._prepare, self._reread, predicted)
        self._snapshot = snapshot
        if isinstance(decision, Rejected):
            if any(each.following and each.following.run == request.command.by.id for each in snapshot.spread):
                decision = self._taken_back(decision)  # others were faster than our write of the leader
            self._stop(decision)
            return True
        if not isinstance(decision, Transition):
            self._outcome = partly(replace(self._outcome, snapshot=snapshot, decision=decision))
            return True
        if decision.partial:
            self._request = replace(request, command=replace(request.command, begun=True))
        if snapshot.unnoted and not decision.moves:
            already = NoOp(f"{decision.state.stable} has all requests already")
            self._outcome = replace(self._outcome, snapshot=snapshot, decision=already)
            return not decision.partial
        written = (*self._outcome.written, decision)
        self._outcome = replace(self._outcome, snapshot=snapshot, decision=decision, written=written)
        if prover and decision.moves and not decision.partial:
            self._outcome = prove(session, request, prover, self._outcome, time.monotonic())
        self._outcome = partly(self._outcome)
        self._snapshot = self._outcome.snapshot
        return self._outcome.decision is not decision or not decision.again

    def _prepare(self, snapshot: Snapshot, decision: Decision) -> Snapshot | Decision:
        """Check, verify and wait before a decision is carried out; a snapshot where time has passed over that."""
        session, request, prover = self._session, self._request, self._session.prover
        self._snapshot = snapshot
        if not self._checked and request.moving and (gaining(decision) or awaits_pods(decision)):
            discovered, warnings = check(session, request, snapshot, self._follows)
            self._outcome, self._checked = replace(self._outcome, warnings=warnings), True
            if prover:
                prover.know(discovered)
        if prover and rests_on_proof(snapshot, decision) and self._verified != _question(snapshot, decision):
            settled = verify(session, request, prover, snapshot, decision)
            self._verified = settled and _question(settled, decision)
            return settled or self._reread(snapshot)
        if snapshot.spread and not (isinstance(decision, Transition) and decision.moves):
            left = who_has_what(snapshot)
            if isinstance(decision, Rejected):
                return replace(decision, why=f"{decision.why}; {left}, as a run left them that ended in between")
            if not request.check:
                return settle(session, request, snapshot)
        if awaits_pods(decision) and not request.check:
            late = wait_for_pods(session, request, snapshot, decision.why, self._deadline)
            if late:
                return Rejected(late, decision.hint if isinstance(decision, Wait) else "")
            self._waited = True
            return self._read(snapshot)
        if not isinstance(decision, Transition):
            return decision
        run = request.command.by
        if gaining(decision) and not decision.retreats and has_ended(run):  # it may have been waited for pods meanwhile
            return Rejected(f"the run {run.id} that asked, process {run.pid}, has ended: no version gets more requests")
        back = decision.event is Event.ROLLED_BACK
        if back and self._waited and prover:
            self._waited = False
            return await_reachable(prover, snapshot, decision)
        goes_on = decision.again or (request.keep and decision.state.phase is Phase.PROGRESSING)
        return without_lease(decision) if back or not goes_on else decision

    def _read(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as it is now, with the pods known before where a slow API server does not show them again."""
        now, self._follows = self._session.read(self._request), False
        if now.pods is None and snapshot.pods is not None:
            return rewritten(snapshot, now.virtual_service)
        return now

    def _reread(self, snapshot: Snapshot) -> Snapshot:
        """The same after others have written, whose objects are checked again."""
        self._checked = False
        return self._read(snapshot)

    def _taken_back(self, rejected: Rejected) -> Rejected:
        """The same, once the followers have what the leader has, or with what prevents that."""
        try:
            self._snapshot = settle(self._session, self._request, self._snapshot)
        except Refused as refused:
            return replace(rejected, why=f"{rejected.why}; {refused}")
        return rejected

    def _stop(self, rejected: Rejected) -> None:
        """End with what is in the way; the part of a rollback that was written until then is proven."""
        if not self._outcome.written:
            raise Refused([f"{self._request.target.place}: {sentence(rejected)}"])
        outcome, prover = replace(self._outcome, snapshot=self._snapshot), self._session.prover
        if prover and outcome.written[-1].moves and outcome.written[-1].partial:
            outcome = prove(self._session, self._request, prover, outcome, time.monotonic())
        problems = [outcome.decision.why] if isinstance(outcome.decision, Rejected) else []
        self._outcome = replace(outcome, decision=Rejected("; ".join([rejected.why, *problems]), rejected.hint))


def partly(outcome: Outcome) -> Outcome:
    """The outcome; a Rejected decision in it says which followers did not move with their leader."""
    snapshot, written = outcome.snapshot, isinstance(outcome.decision, Transition)
    if isinstance(outcome.decision, Rejected) or not (snapshot.unread or (snapshot.astray and written)):
        return outcome
    return replace(outcome, decision=Rejected(f"{who_has_what(outcome.snapshot)}: run this again"))


def _question(snapshot: Snapshot, decision: Decision) -> object:
    """What the proxies are asked about before a decision is carried out."""
    return snapshot.resource_version, gaining(decision)
