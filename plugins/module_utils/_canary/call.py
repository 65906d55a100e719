# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary`, from its options to its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .._common.call import Call
from .._common.clock import stamp
from .._k8s.auth import ClusterError
from .._k8s.client import Cluster, connect
from .._k8s.portforward import Dial, Stream
from .._release.lease import this_run
from .._release.model import Run
from .._report.progress import step_line, teller, verdict_line
from .._report.result import diff_of, place_of, result_of, warnings_of
from .._rollout.context import Outcome, Request, Session
from .._rollout.patch import Unseen
from .._rollout.pipeline import carry_out
from .._rollout.prover import Prover
from .._rollout.read import FRESH, read
from .._rollout.snapshot import Refused, Snapshot, Target
from .options import criteria_of_options, plan_of_options, request_of_options

if TYPE_CHECKING:  # not needed to run where nothing is judged
    from .._rollout.reach import MeshCallers
    from .._watch.judge import ProxyCounting
    from .._watch.news import Feed


def answer(call: Call) -> dict[str, Any]:
    """The result of one call of the module."""
    with CanaryTask(teller((call.params["run"] or {}).get("progress"))) as task:
        return task.answer(call)


class CanaryTask:
    """One task, which may call several times: what a call has read and opened serves the next, until its `with` ends.

    tell: shows a line about the service to the user. findings: whether warnings of the rules of the mesh are given.
    cluster: the API server, where others use the same. dial: makes the stream to a port of a pod.
    """

    def __init__(
        self,
        tell: Callable[[Snapshot, str], None] | None = None,
        findings: bool = True,
        *,
        cluster: Cluster | None = None,
        dial: Dial = Stream,
    ) -> None:
        self._findings = findings
        self._tell = tell or (lambda snapshot, line: None)
        self._cluster = cluster
        self._dial = dial
        self._prover: Prover | None = None
        self._feed: Feed | None = None
        self._soaked: tuple[Target, Snapshot] | None = None  # what the last call has watched, and for whom
        self._callers: MeshCallers | None = None

    def __enter__(self) -> CanaryTask:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._feed, self._prover):
            if each:
                each.close()

    def answer(self, call: Call) -> dict[str, Any]:
        """The result of a call."""
        params = call.params
        run, begin = this_run(params["run"]), time.monotonic()
        target = Target.of(params)
        criteria, mistakes = criteria_of_options(params)
        plan, mistakes = plan_of_options(params, mistakes)
        try:
            cluster = self._cluster = self._cluster or connect(params)
        except ClusterError as error:
            about = _about(target, run, begin, datetime.now(UTC))
            context = {"context": params["context"]} if params["context"] else {}
            return failure_of([*mistakes, *error.mistakes]) | about | context
        requests = cluster.requests
        try:
            if plan is None:
                raise Refused([], read(cluster, target))  # what is wrong in the cluster is reported too
            request = request_of_options(params, call.check_mode, target, plan, criteria, run)
            session = Session(cluster, self._prover_of(cluster, call), self._tell)
            outcome, removal = self._carried_out(session, request)
        except (Refused, ClusterError) as error:
            changed = isinstance(error, Unseen)  # it may have been written, so the caller must check
            result = failure_of([*mistakes, *error.mistakes]) | {"changed": changed} | _seen(error)
        else:
            result = result_of(outcome, plan, call.check_mode, request.command.hints, request.samples) | removal
            result["failed"] = outcome.failed
            if call.diff:
                result["diff"] = diff_of(outcome)
            for warning in warnings_of(outcome if self._findings else replace(outcome, warnings=())):
                call.warn(warning)
        facts = {**cluster.facts(), "api_requests": cluster.requests - requests}
        named = {"destination_host": target.destination_host} if target.destination_host else {}
        return named | result | _about(target, run, begin, cluster.now()) | facts

    def _prover_of(self, cluster: Cluster, call: Call) -> Prover | None:
        scope = call.params["proof"]
        if scope == "none" or call.check_mode:
            return None
        self._prover = self._prover or Prover(cluster, scope, call.params["proof_timeout"], self._tell, dial=self._dial)
        return self._prover

    def _carried_out(self, session: Session, request: Request) -> tuple[Outcome, dict[str, Any]]:
        """The outcome, and what a cleanup leaves to others to remove."""
        outcome, removal = self._moved(session, request), {}
        if request.drain is not None:
            from .._rollout.cleanup import removal_of

            outcome, found = removal_of(session, request, outcome)
            removal = asdict(found)
        if self._findings and any(each.moves for each in outcome.written):
            from .._rollout.reach import MeshCallers, also_reached

            callers = self._callers = self._callers or MeshCallers(session.cluster)
            others = also_reached(session.cluster, outcome.snapshot, request.skip, request.reads_rivals, callers)
            outcome = replace(outcome, warnings=(*outcome.warnings, *others))
        return outcome, removal

    def _moved(self, session: Session, request: Request) -> Outcome:
        """Raise first, then watch. A step that has soaked without being judged is judged first."""
        if not request.criteria:
            return self._watched(session, request)
        from .._watch.judge import ProxyCounting

        with ProxyCounting(session, request.criteria) as counting:
            return self._watched(replace(session, on_live=counting.begin), request, counting)

    def _watched(self, session: Session, request: Request, counting: ProxyCounting | None = None) -> Outcome:
        """The outcome of a request, once the weight has soaked where it does."""
        outcome = carry_out(session, request, self._known(request))
        from .._watch.news import Feed
        from .._watch.soak import judge_unwatched, soak, soaking, soaks_until  # after the write

        until = soaks_until(session, request, outcome)
        if outcome.changed and not request.check:
            session.tell(outcome.snapshot, step_line(outcome, soaking(session, request, outcome) if until else 0))
        if until is None or outcome.failed:
            return outcome
        judge = None
        if request.criteria:
            from .._watch.judge import judge_of

            judge = judge_of(session, request.criteria, outcome.snapshot, counting.provider if counting else None)
        if request.watch == 0:
            return judge_unwatched(session, request, outcome, judge)
        feed = self._feed = self._feed or Feed(session.cluster)
        outcome = soak(session, request, outcome, until, feed, judge)
        if request.lasting and not outcome.failed:
            self._soaked = request.target, outcome.snapshot
        if outcome.judgement:
            session.tell(outcome.snapshot, verdict_line(outcome))
        return outcome

    def _known(self, request: Request) -> Snapshot | None:
        """What the call before has read and its watches still show, where that is enough for this call."""
        feed, self._feed = self._feed, None
        soaked, self._soaked = self._soaked, None
        if not feed:
            return None
        if soaked and soaked[0] == request.target and request.moving:
            from .._watch.soak import caught_up

            known = caught_up(feed, soaked[1])
            if known and time.monotonic() - known.read_at < FRESH:
                self._feed = feed
                return known
        feed.close()
        return None


def _about(target: Target, run: Run, begin: float, now: datetime) -> dict[str, Any]:
    """What was asked about, by whom and when. begin: monotonic; now: best by the API server's clock."""
    began = now - timedelta(seconds=time.monotonic() - begin)
    return {
        "name": target.name,
        "namespace": target.namespace,
        "stable": target.stable,
        "canary": target.canary,
        "run": {"id": run.id, "who": run.who, "host": run.host, "began": stamp(began), "ended": stamp(now)},
    }


def _seen(error: Refused | ClusterError) -> dict[str, Any]:
    """The objects that a refused request is about, as far as they were read."""
    return place_of(error.seen) if isinstance(error, Refused) and error.seen else {}


def failure_of(mistakes: list[str]) -> dict[str, Any]:
    """The result of a call that was refused, with all mistakes."""
    numbered = "; ".join(f"({number}) {mistake}" for number, mistake in enumerate(mistakes, start=1))
    several = f"{len(mistakes)} mistakes: {numbered}"
    return {"failed": True, "msg": several if len(mistakes) > 1 else mistakes[0], "mistakes": mistakes}
