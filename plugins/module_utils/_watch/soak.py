# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The time between two steps: keep the lease, judge the canary, stop when others take over.

Nothing here raises a weight.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from .._k8s.auth import ClusterError
from .._k8s.changes import LONGEST, Changes
from .._k8s.client import POD, VIRTUAL_SERVICE, Watch
from .._release.lease import has_ended
from .._release.machine import released
from .._release.model import Event, NoOp, Rejected, Transition, Want
from .._release.state import Phase, State, Verdict
from .._rollout.lost import loss
from .._rollout.pipeline import Call, Outcome, answer, prove, send, write
from .._rollout.read import Object, Refused, Snapshot
from .._routing.virtual_service import annotate

if TYPE_CHECKING:  # a call that judges nothing need not compile them
    from .._analysis.measurements import Measurements
    from .judge import Judge

OUTAGE = 60.0  # seconds that the API server may be away while a step soaks
TELL_AGAIN = 30.0  # seconds between two lines about what keeps the analysis from counting
PAUSE = 1.0  # seconds before something that failed is tried again
GLANCE = timedelta(seconds=5)  # the longest time without a look at everything


class _Interrupted(Refused):
    """A signal asked this process to end."""


def soaks_until(call: Call, outcome: Outcome) -> datetime | None:
    """When the present weight will have had its interval, or its verdict at the latest; None where nothing soaks."""
    state = outcome.snapshot.state
    if call.check or not isinstance(state, State) or state.phase not in _soaking(call) or not state.weight:
        return None
    until = state.soaks_until(call.plan.interval)
    if call.criteria and state.judgeable and state.verdict is None and state.weight < 100:
        until = max(until, call.cluster.now()) + timedelta(seconds=call.criteria.deadline)
    return until if until > call.cluster.now() else None


def soaking(call: Call, outcome: Outcome) -> float:
    """Seconds until the present weight has had its interval."""
    state = outcome.snapshot.state
    until = state.soaks_until(call.plan.interval) if isinstance(state, State) else call.cluster.now()
    return (until - call.cluster.now()).total_seconds()


def soak(call: Call, outcome: Outcome, latest: datetime, analyst: Judge | None = None) -> Outcome:
    """Watch the present weight until then, or as long as the call may, and take it back if the canary fails.

    A Rejected decision in the outcome says why the watch had to stop.
    """
    until = latest if call.watch is None else min(latest, call.cluster.now() + timedelta(seconds=call.watch))
    watch = _Watch(call, outcome.snapshot, analyst, latest)
    decision = outcome.decision
    try:
        with _interruptible():
            ended = watch.run(until)
        outcome = replace(outcome, record=watch.record)
        if ended:
            written = (*outcome.written, ended)
            return _proven(call, replace(outcome, snapshot=watch.snapshot, decision=ended, written=written), ended)
        if not call.lasting:
            watch.let_go()
        if not outcome.written and (watch.passed or until == latest):
            decision = NoOp(f"{call.plan.canary} has {'passed' if watch.passed else 'soaked'}")
    except (Refused, ClusterError) as error:
        decision = Rejected("; ".join([*error.mistakes, *watch.try_to_let_go()]))
    return replace(outcome, snapshot=watch.snapshot, decision=decision)


def _soaking(call: Call) -> tuple[Phase, ...]:
    """Phases in which a weight is watched; an analysis has something to say of the others too."""
    return (Phase.PROGRESSING, Phase.WEIGHTED, Phase.PAUSED) if call.criteria else (Phase.PROGRESSING,)


def _proven(call: Call, outcome: Outcome, failure: Transition) -> Outcome:
    """The same, once what was done about a failure is live."""
    if call.prover is None or not failure.moves:
        return outcome
    return prove(call, call.prover, replace(outcome, live=()), time.monotonic())


class _Watch:
    """One step under watch. snapshot: as the API server last told; record: what was counted; passed: it has."""

    def __init__(self, call: Call, snapshot: Snapshot, analyst: Judge | None, latest: datetime) -> None:
        self._call = call
        self._analyst = analyst
        self._latest = latest
        self.snapshot = snapshot
        self.record: Measurements | None = None
        self.passed = False
        self._since = snapshot.state.since if isinstance(snapshot.state, State) else None
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # each takes itself in
        self._well = time.monotonic()
        self._over = threading.Event()
        self._pods: Changes | None = None  # listed once at least
        self._route: Watch | None = None

    def run(self, until: datetime) -> Transition | None:
        """What was done about a failure or a doubt; None if the canary has passed or the time is over without one."""
        try:
            return self._run(until)
        finally:
            self._stop()

    def _run(self, until: datetime) -> Transition | None:
        if self._analyst:
            self._start(self._judge, self._analyst)
        self._start(self._follow_route, until)
        while not self.passed and (now := self._call.cluster.now()) < until:
            try:
                if self._pods is None and self.snapshot.selects:
                    self._list_pods(until)
                ended = self._look(self._loss() or self._verdict(now))
                self._well = time.monotonic()
                if ended:
                    return ended
                if not self.passed:
                    self._take_in(min(until - now, GLANCE))
            except ClusterError:
                if time.monotonic() - self._well > OUTAGE:
                    raise
                time.sleep(PAUSE)
        if self._analyst and not self.passed and until == self._latest:
            return self._look(self._verdict(self._call.cluster.now()))
        return None

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        """Do it in a thread of its own while the step soaks."""
        threading.Thread(target=self._work, args=(work, *arguments), daemon=True).start()

    def _work(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Exception as error:  # a flaw must not be taken for a canary without failures
            self._news.put(partial(_throw, error))

    def _stop(self) -> None:
        """End the threads. What they are still told goes nowhere."""
        self._over.set()
        for each in (self._pods, self._route, self._analyst):
            if each:
                each.close()

    def let_go(self) -> None:
        """Release the lease, if it is still ours."""
        state = self.snapshot.state
        if isinstance(state, State) and state.holder and state.run == self._call.request.by.id:
            note = self.snapshot.noted(released(state))
            following = send(self._call, self.snapshot, annotate(self.snapshot.virtual_service, note), note)
            self.snapshot = following or self.snapshot

    def try_to_let_go(self) -> list[str]:
        """The same where something has gone wrong already; what goes wrong now is one more reason."""
        try:
            self.let_go()
        except ClusterError as error:
            return [f"its lease ends by itself, for {error}"]
        return []

    def _look(self, verdict: Verdict | None) -> Transition | None:
        """Ask the state machine; write what it says, and return what ends the watch."""
        decision = self._ask(verdict)
        if isinstance(decision, Rejected):
            raise Refused([decision.why])
        if not isinstance(decision, Transition) or (decision.event is Event.RENEWED and self._orphaned()):
            return None
        ends = decision.event in (Event.FAILED, Event.HELD)
        if ends:
            decision = replace(decision, state=released(decision.state))
        following = write(self._call, self.snapshot, decision)
        if following is None:
            self._read_route()
            return None
        self.snapshot = following
        self.passed = decision.event is Event.JUDGED
        return decision if ends else None

    def _ask(self, verdict: Verdict | None) -> object:
        request = replace(
            self._call.request, want=Want.WATCHED, since=self._since, verdict=verdict, confirm=False, adopt=False
        )
        return answer(replace(self._call, request=request), self.snapshot)

    def _loss(self) -> Verdict | None:
        """The failure of a canary that has no ready pod left, by a fresh look at its pods."""
        if self.snapshot.pods is None or self.snapshot.version(self._call.plan.canary).ready:
            return None
        self.snapshot, verdict = loss(self._call.cluster, self.snapshot)
        return verdict

    def _verdict(self, now: datetime) -> Verdict | None:
        """What the analysis has come to by now."""
        state, criteria = self.snapshot.state, self._call.criteria
        if criteria is None or not isinstance(state, State):
            return None
        from .._analysis.judgement import undecided

        judgement = self.record.judgement if self.record else undecided("nothing was counted")
        soaked = state.soaks_until(self._call.plan.interval)
        return judgement.verdict(now, soaked, self._latest, criteria.on_inconclusive)

    def _judge(self, analyst: Judge) -> None:
        """Tell what the analysis says, again and again."""
        tell_next = 0.0
        while not self._over.is_set():
            begin = time.monotonic()
            self._news.put(partial(setattr, self, "record", analyst.measure()))
            if analyst.trouble and begin > tell_next:
                tell_next = begin + TELL_AGAIN
                self._news.put(partial(self._call.tell, self.snapshot, analyst.trouble))
            self._over.wait(max(0.0, begin + analyst.pace - time.monotonic()))

    def _orphaned(self) -> bool:
        """Whether the run that this process works for has ended: then nobody needs its lease."""
        return has_ended(self._call.request.by)

    def _take_in(self, patience: timedelta) -> None:
        """Wait for news, and take in all there is."""
        try:
            self._news.get(timeout=patience.total_seconds())()
            while True:
                self._news.get_nowait()()
        except queue.Empty:
            return

    def _learn_pods(self, pods: tuple[Object, ...]) -> None:
        self.snapshot = replace(self.snapshot, pods=pods)

    def _learn_pod(self, event: str, pod: Object) -> None:
        others = [each for each in self.snapshot.pods or () if each["metadata"]["uid"] != pod["metadata"]["uid"]]
        self._learn_pods((*others, *(() if event == "DELETED" else (pod,))))

    def _learn_route(self, event: str, virtual_service: Object) -> None:
        if event == "DELETED":
            raise Refused([self._deleted()])
        if _newer(virtual_service, self.snapshot.virtual_service):
            self.snapshot = self.snapshot.rewritten(virtual_service)

    def _read_route(self) -> None:
        target = self._call.target
        found = self._call.cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
        if found is None:
            raise Refused([self._deleted()])
        self.snapshot = self.snapshot.rewritten(found)

    def _deleted(self) -> str:
        return f"{self._call.target.place} was deleted while {self._call.plan.canary} soaked"

    def _list_pods(self, until: datetime) -> None:
        """Before the first decision, for the last one of the canary may have died since they were read."""
        service = self.snapshot.service
        if service is None:
            return
        pods = Changes(self._call.cluster, POD, service.namespace, self.snapshot.selector)
        self._learn_pods(tuple(pods.list()))
        self._pods = pods
        self._start(self._follow_pods, pods, until)

    def _follow_pods(self, pods: Changes, until: datetime) -> None:
        """Tell all changes of the pods."""

        def listed() -> None:
            self._news.put(partial(self._learn_pods, tuple(pods.list())))

        def changed(left: float) -> None:
            for event, pod in pods.follow(left):
                self._news.put(partial(self._learn_pod, event, pod))

        self._follow(changed, listed, until)

    def _follow_route(self, until: datetime) -> None:
        """Tell all changes of the VirtualService, from the version on that this watch knows.

        One that has not been written for long is too old to begin with; then the watch begins with what is there.
        It is read once the watch is open, and not listed before, for which the permission to read it is enough.
        """
        cluster, target = self._call.cluster, self._call.target
        since = [self.snapshot.virtual_service["metadata"]["resourceVersion"]]

        def changed(left: float) -> None:
            begun = since.pop() if since else ""
            seconds = min(left, LONGEST)
            self._route = cluster.watch(VIRTUAL_SERVICE, target.namespace, seconds, name=target.name, since=begun)
            if self._over.is_set():  # meanwhile
                self._route.close()
            if not begun:
                self._news.put(self._read_route)
            for event, thing in self._route:
                self._news.put(partial(self._learn_route, event, thing))

        self._follow(changed, lambda: None, until)

    def _follow(self, changed: Callable[[float], None], listed: Callable[[], None], until: datetime) -> None:
        """Watch, and list and watch again whenever a watch has ended or broken off."""
        gap = False
        while not self._over.is_set() and (left := (until - self._call.cluster.now()).total_seconds()) > 0:
            begin = time.monotonic()
            try:
                if gap:
                    listed()
                gap = True
                changed(left)
                if time.monotonic() - begin < PAUSE:  # as one does that is refused in its first line
                    self._over.wait(PAUSE)
            except ClusterError as error:
                if error.status in (401, 403):
                    raise Refused([str(error)]) from error
                self._over.wait(PAUSE)  # the main thread meets the same outage and judges it


def _newer(one: Object, other: Object) -> bool:
    versions = [thing["metadata"]["resourceVersion"] for thing in (one, other)]
    return not all(version.isdecimal() for version in versions) or int(versions[0]) > int(versions[1])


def _throw(error: Exception) -> NoReturn:
    raise error


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
