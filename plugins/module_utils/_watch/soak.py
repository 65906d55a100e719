# SPDX-License-Identifier: GPL-3.0-or-later
"""The time between two steps: keep the lease, judge the canary, stop when others take over.

A watch raises no weight.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE
from .._release.lease import has_ended, released
from .._release.model import Decision, Event, NoOp, Rejected, Transition
from .._release.state import Phase, State, Verdict
from .._rollout.context import Outcome, Request, Session
from .._rollout.decide import watching, without_lease
from .._rollout.lost import loss
from .._rollout.parse import rewritten
from .._rollout.pipeline import carry_out, partly
from .._rollout.prove import prove
from .._rollout.snapshot import Object, Refused, Snapshot
from .._rollout.step import step_once
from .._rollout.write import rewrite_note
from .news import Feed, Measured, News, NotCounting, PodChanged, PodsListed, RouteChanged, RouteUnknown, WorkFailed

if TYPE_CHECKING:  # not needed to run where nothing is judged
    from .._analysis.measurements import Measurements
    from .judge import Judge

OUTAGE = 60.0  # seconds that the API server may be away while a step soaks
PAUSE = 1.0  # seconds before something that failed is tried again
GLANCE = 5.0  # the longest time in seconds without a decision


class _Interrupted(Refused):
    """A signal asked this process to end."""


def soaks_until(session: Session, request: Request, outcome: Outcome) -> datetime | None:
    """When the present weight will have had its interval, or its verdict at the latest; None where nothing soaks.

    It may be over already, but a lease that was kept for the watch has to be released.
    """
    state, criteria, now = outcome.snapshot.state, request.criteria, session.cluster.now()
    # An analysis judges a weight that was set by hand, or waits for a user, too.
    phases = (Phase.PROGRESSING, Phase.WEIGHTED, Phase.PAUSED) if criteria else (Phase.PROGRESSING,)
    if request.check or not isinstance(state, State) or state.phase not in phases or not state.weight:
        return None
    until = state.soaks_until(request.plan.interval)
    if criteria and state.judgeable and state.verdict is None and state.weight < 100:
        until = max(until, now) + timedelta(seconds=criteria.deadline)
    keeps = request.keep and not request.lasting
    return until if until > now or keeps else None


def soaking(session: Session, request: Request, outcome: Outcome) -> float:
    """Seconds until the present weight has had its interval."""
    state, now = outcome.snapshot.state, session.cluster.now()
    left = (state.soaks_until(request.plan.interval) - now).total_seconds() if isinstance(state, State) else 0.0
    return max(0.0, left)


def soak(
    session: Session, request: Request, outcome: Outcome, latest: datetime, feed: Feed, judge: Judge | None = None
) -> Outcome:
    """Watch the present weight until then, or as long as the request may, and take it back if the canary fails.

    feed: its watches stay open for the next step, until the caller closes it.
    A Rejected decision in the outcome says why the watch had to stop.
    """
    until = latest
    if request.watch is not None:
        until = min(latest, session.cluster.now() + timedelta(seconds=request.watch))
    watch = _SoakWatch(session, request, outcome.snapshot, judge, latest)
    decision = outcome.decision
    try:
        with _interruptible():
            ended = watch.run(feed, until)
        outcome = replace(outcome, measurements=watch.measurements)
        if ended:
            written = (*outcome.written, ended)
            outcome = replace(outcome, snapshot=watch.snapshot, decision=ended, written=written)
            if session.prover and ended.moves:
                outcome = prove(session, request, session.prover, replace(outcome, live=()), time.monotonic())
            return partly(outcome)
        if not request.lasting:
            watch.release_lease()
        if not outcome.written and (watch.passed or until == latest):
            decision = NoOp(f"{request.plan.canary} has {'passed' if watch.passed else 'soaked'}")
    except (Refused, ClusterError) as error:
        decision = Rejected("; ".join([*error.mistakes, *watch.try_to_release_lease()]))
    except BaseException:  # such as the timeout of a task
        watch.try_to_release_lease()
        raise
    return replace(outcome, snapshot=watch.snapshot, decision=decision)


def caught_up(feed: Feed, snapshot: Snapshot) -> Snapshot | None:
    """The snapshot of a soak that is over as the watches show it now; None where they do not show all."""
    for news in feed.take(0):
        match news:
            case PodsListed() | PodChanged():
                snapshot = _with_pods(snapshot, news)
            case RouteChanged(virtual_service, deleted=False):
                if _newer(virtual_service, snapshot.virtual_service):
                    try:
                        snapshot = rewritten(snapshot, virtual_service)
                    except Refused:
                        return None
            case RouteChanged() | RouteUnknown() | WorkFailed():
                return None
    return snapshot if feed.up_to_date else None


def judge_unwatched(session: Session, request: Request, outcome: Outcome, judge: Judge | None) -> Outcome:
    """The outcome of the request with the verdict; as it was where there is none yet, or nothing to judge."""
    state, criteria = outcome.snapshot.state, request.criteria
    if not criteria or not judge or outcome.written or not isinstance(state, State):
        return outcome
    now, soaked = session.cluster.now(), state.soaks_until(request.plan.interval)
    try:
        measurements = judge.measure()
    finally:
        judge.close()
    deadline = soaked + timedelta(seconds=criteria.deadline)
    verdict = measurements.judgement.verdict(now, soaked, deadline, criteria.on_inconclusive)
    if verdict is None:
        return replace(outcome, measurements=measurements)
    judged = replace(request, command=replace(request.command, verdict=verdict))
    return replace(carry_out(session, judged), measurements=measurements)


class _SoakWatch:
    """One step under watch.

    snapshot: as the API server last showed it. measurements: what was counted. passed: whether the verdict is a pass.
    """

    def __init__(
        self, session: Session, request: Request, snapshot: Snapshot, judge: Judge | None, latest: datetime
    ) -> None:
        self._session = session
        self._request = request
        self._judge = judge
        self._latest = latest
        self.snapshot = snapshot
        self.measurements: Measurements | None = None
        self.passed = False
        self._since = snapshot.state.since if isinstance(snapshot.state, State) else None

    def run(self, feed: Feed, until: datetime) -> Transition | None:
        """What was done about a failure or a missing verdict; None if the canary passed or the time is over."""
        try:
            return self._run(feed, until)
        finally:
            feed.stop_judging()

    def _run(self, feed: Feed, until: datetime) -> Transition | None:
        cluster = self._session.cluster
        if self._judge:
            feed.judge(self._judge)
        feed.follow_route(self.snapshot)
        self._session.heartbeat.begin()
        well, followed = time.monotonic(), False
        while not self.passed and (now := cluster.now()) < until:
            try:
                if not followed:  # before the first decision: the last pod may have died since the pods were read
                    followed = feed.follow_pods(self.snapshot)
                    self._take_in(feed, 0)
                ended = self._step(self._loss() or self._verdict(now))
                well = time.monotonic()
                if ended:
                    return ended
                if not self.passed:
                    self._session.waiting(self.snapshot, self._so_far(now))
                    self._take_in(feed, min((until - now).total_seconds(), GLANCE))
            except ClusterError:
                if time.monotonic() - well > OUTAGE:
                    raise
                time.sleep(PAUSE)
        if self._judge and not self.passed and until == self._latest:
            return self._step(self._verdict(cluster.now()))
        return None

    def _so_far(self, now: datetime) -> str:
        """How long the weight still soaks, or is judged at most, and what the analysis says of it."""
        state = self.snapshot.state
        soaked = state.soaks_until(self._request.plan.interval) if isinstance(state, State) else now
        left, most = (f"{max(0.0, (end - now).total_seconds()):.0f} s" for end in (soaked, self._latest))
        parts = [f"soaks, {left} left" if soaked > now else f"waits for a verdict, at most {most}"]
        if self.measurements:
            parts.append(f"{self.measurements.judgement.result} so far: {self.measurements.judgement.why}")
        return "  ".join(parts)

    def release_lease(self) -> None:
        """Release the lease, if it is still ours."""
        run = self._request.command.by.id

        def change(state: State) -> State:
            return released(state) if state.run == run else state

        if self._holds_lease():
            self.snapshot = rewrite_note(self._session, self._request, self.snapshot, change)

    def try_to_release_lease(self) -> list[str]:
        """The same after an error; why it could not be done is one more reason."""
        try:
            self.release_lease()
        except (Refused, ClusterError) as error:
            return [f"its lease ends by itself: {error}"]
        return ["its lease ends by itself"] if self._holds_lease() else []

    def _holds_lease(self) -> bool:
        state = self.snapshot.state
        return isinstance(state, State) and state.holder is not None and state.run == self._request.command.by.id

    def _step(self, verdict: Verdict | None) -> Transition | None:
        """Ask the state machine and write what it decides; return what ends the watch."""
        request = watching(self._request, self._since, verdict)
        decision, self.snapshot = step_once(self._session, request, self.snapshot, self._prepare, self._reread)
        if isinstance(decision, Rejected):
            raise Refused([decision.why])
        if not isinstance(decision, Transition):
            return None
        self.passed = decision.event is Event.JUDGED
        return decision if decision.retreats else None

    def _prepare(self, _snapshot: Snapshot, decision: Decision) -> Decision:
        if not isinstance(decision, Transition):
            return decision
        if decision.event is Event.RENEWED and has_ended(self._request.command.by):
            return NoOp("the run that this process works for has ended, and needs no lease")
        return without_lease(decision) if decision.retreats else decision

    def _reread(self, snapshot: Snapshot) -> Snapshot:
        target = self._request.target
        found = self._session.cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
        if found is None:
            raise Refused([self._deleted()])
        return rewritten(snapshot, found)

    def _deleted(self) -> str:
        return f"{self._request.target.place} was deleted while {self._request.plan.canary} soaked"

    def _loss(self) -> Verdict | None:
        """The failure of a canary that has no ready pod left, by a fresh read of its pods."""
        if self.snapshot.pods is None or self.snapshot.versions[self._request.plan.canary].ready:
            return None
        self.snapshot, verdict = loss(self._session.cluster, self.snapshot)
        return verdict

    def _verdict(self, now: datetime) -> Verdict | None:
        """The present verdict of the analysis."""
        state, criteria = self.snapshot.state, self._request.criteria
        if criteria is None or not isinstance(state, State):
            return None
        from .._analysis.judgement import undecided

        judgement = self.measurements.judgement if self.measurements else undecided("nothing was counted")
        soaked = state.soaks_until(self._request.plan.interval)
        return judgement.verdict(now, soaked, self._latest, criteria.on_inconclusive)

    def _take_in(self, feed: Feed, seconds: float) -> None:
        """Wait so long for news, and take in all there is."""
        for news in feed.take(seconds):
            self._learn(news)

    def _learn(self, news: News) -> None:
        match news:
            case Measured(measurements):
                if measurements.since == self._since:  # else it is the last word of the judge before
                    self.measurements = measurements
            case NotCounting(why):
                self._session.tell(self.snapshot, why)
            case PodsListed() | PodChanged():
                self.snapshot = _with_pods(self.snapshot, news)
            case RouteChanged(deleted=True):
                raise Refused([self._deleted()])
            case RouteChanged(virtual_service):
                if _newer(virtual_service, self.snapshot.virtual_service):
                    self.snapshot = rewritten(self.snapshot, virtual_service)
            case RouteUnknown():
                self.snapshot = self._reread(self.snapshot)
            case WorkFailed(error):
                raise error


def _with_pods(snapshot: Snapshot, news: PodsListed | PodChanged) -> Snapshot:
    if isinstance(news, PodsListed):
        return snapshot.with_pods(news.pods)
    uid = news.pod["metadata"]["uid"]
    others = [each for each in snapshot.pods or () if each["metadata"]["uid"] != uid]
    return snapshot.with_pods((*others, *(() if news.deleted else (news.pod,))))


def _newer(one: Object, other: Object) -> bool:
    versions = [thing["metadata"]["resourceVersion"] for thing in (one, other)]
    return not all(version.isdecimal() for version in versions) or int(versions[0]) > int(versions[1])


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the signals that end a run into an exception, so that the lease can be released first."""

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        raise _Interrupted([f"stopped by {signal.Signals(number).name} while the step soaked"])

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
