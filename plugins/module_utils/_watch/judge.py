# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a step repeatedly while it soaks, from the moment its weight is live."""

from __future__ import annotations

import time
from dataclasses import replace

from .._analysis.criteria import Criteria, InvalidCriteria, validate
from .._analysis.judgement import judge, undecided
from .._analysis.measurements import Measurement, Measurements, add
from .._metrics.prometheus import Prometheus, PrometheusError, UnusableQuery
from .._release.state import State
from .._rollout.context import Session
from .._rollout.snapshot import Snapshot
from .endpoints import Uncounted
from .providers import ProbeProvider, PrometheusProvider, Provider, ProxyProvider

ASK_AGAIN = 5.0  # seconds between two evaluations of a custom query
BLIND = 5.0  # seconds without counts until that is the reason for no verdict instead of the last judgement


class Judge:
    """Judges the present weight. pace: seconds between two measurements.

    trouble: what has prevented counting for some seconds; empty if nothing does.
    """

    def __init__(
        self,
        session: Session,
        criteria: Criteria,
        snapshot: Snapshot,
        provider: Provider,
        prometheus: Prometheus | None,
    ) -> None:
        self.criteria = criteria
        self._clock = session.cluster.now
        self._weights = snapshot.shares
        self._since = snapshot.state.since if isinstance(snapshot.state, State) else self._clock()
        self._measurements: Measurements | None = None
        self._counted: tuple[float, Measurement] | None = None  # the last one with counts, and when (monotonic)
        self._begun = time.monotonic()
        self.pace = provider.pace
        self.trouble = ""
        self._provider = provider
        self._prometheus = prometheus
        self._answers: dict[str, float | str] = {}
        self._ask_next = 0.0

    def measure(self) -> Measurements:
        """Judge what is counted now; all measurements of this weight so far."""
        now = self._measured()
        before = self._measurements or Measurements(self._weights, self._since, self.criteria, now, ())
        self._measurements = add(before, now)
        return self._measurements

    def close(self) -> None:
        """Stop counting."""
        self._provider.close()

    def _measured(self) -> Measurement:
        try:
            counted = self._provider.counts()
        except Uncounted as error:
            found = self._uncounted(str(error))
            blind = time.monotonic() - (self._counted[0] if self._counted else self._begun) > BLIND
            self.trouble = found.judgement.why if blind else ""
            return found
        judgement, coverage = judge(self.criteria, counted, self._query_answers()), self._provider.coverage
        self.trouble = str(coverage or "")
        if self.trouble:
            judgement = replace(judgement, why=f"{judgement.why}; {self.trouble}")
        found = Measurement(self._clock(), judgement, counted, coverage)
        self._counted = time.monotonic(), found
        return found

    def _uncounted(self, why: str) -> Measurement:
        """A short gap keeps the last reason for no verdict, but never lets a canary pass."""
        if self._counted is None:
            return Measurement(self._clock(), undecided(why), None)
        at, last = self._counted
        seconds = time.monotonic() - at
        if seconds < BLIND:
            return last if last.judgement.result == "inconclusive" else Measurement(self._clock(), undecided(why), None)
        blind = f"nothing could be counted for {seconds:.0f} s: {why}; before that: {last.judgement.why}"
        return Measurement(self._clock(), undecided(blind), None)

    def _query_answers(self) -> dict[str, float | str]:
        if self._prometheus and time.monotonic() >= self._ask_next:
            self._answers = {each.name: _answer(self._prometheus, each.query) for each in self.criteria.queries}
            self._ask_next = time.monotonic() + ASK_AGAIN
        return self._answers


class ProxyCounting:
    """A provider that counts in the proxies from the moment they run a weight, before the state says so.

    Stops with its `with` block.
    """

    def __init__(self, session: Session, criteria: Criteria) -> None:
        self._prover = session.prover
        self._counts = criteria.source == "envoy"
        self.provider: ProxyProvider | None = None

    def __enter__(self) -> ProxyCounting:
        return self

    def __exit__(self, *_: object) -> None:
        if self.provider:
            self.provider.close()

    def begin(self, snapshot: Snapshot) -> None:
        """Count from now on for the weight of this snapshot."""
        self.__exit__()
        if self._counts and self._prover:
            self.provider = ProxyProvider(self._prover, snapshot)
            self.provider.begin()


def judge_of(session: Session, criteria: Criteria, snapshot: Snapshot, counting: Provider | None = None) -> Judge:
    """The judge of the weight in this snapshot, which is live. counting: a provider that has started already."""
    options = criteria.prometheus
    prometheus = Prometheus(options) if options else None
    if criteria.source == "prometheus" and prometheus and options and isinstance(snapshot.state, State):
        provider = PrometheusProvider(
            prometheus, criteria, session.cluster, snapshot, snapshot.state.since, session.prover
        )
        return Judge(session, criteria, snapshot, provider, prometheus)
    if criteria.source == "probe" and criteria.probe:
        return Judge(session, criteria, snapshot, ProbeProvider(criteria.probe, snapshot), prometheus)
    if session.prover is None:
        raise ValueError("the proxies count, and there is no prover to ask them")
    return Judge(session, criteria, snapshot, counting or ProxyProvider(session.prover, snapshot), prometheus)


def criteria_of(analysis: object, proof: str, unwatched: bool) -> Criteria:
    """What a step is judged by; InvalidCriteria with all mistakes.

    proof: the option of the module. unwatched: whether the request ends before the step has soaked.
    """
    criteria = validate(analysis)
    mistakes = _unusable_queries(criteria)
    other = "let them be asked, or set the source of analysis to prometheus"
    if criteria.source == "envoy" and proof == "none":
        mistakes.append(f"proof is none: analysis reads the proxies; {other}")
    if criteria.source == "probe" and proof == "none":
        mistakes.append(f"proof is none: a probe is judged by the weights that the proxies run; {other}")
    if criteria.source != "prometheus" and unwatched:
        mistakes.append("watch is 0: then nothing is counted; leave it out or set the source of analysis to prometheus")
    if mistakes:
        raise InvalidCriteria(mistakes)
    return criteria


def _unusable_queries(criteria: Criteria) -> list[str]:
    """The custom queries that Prometheus refuses. That it is down or has no data yet is no mistake."""
    if not criteria.prometheus:
        return []
    prometheus, found = Prometheus(criteria.prometheus), []
    for each in criteria.queries:
        try:
            prometheus.number(each.query)
        except UnusableQuery as error:
            found.append(f"analysis.queries: {each.name}: {error}")
        except PrometheusError:
            continue  # while the step soaks this is a reason for no verdict
    return found


def _answer(prometheus: Prometheus, query: str) -> float | str:
    try:
        return prometheus.number(query)
    except PrometheusError as error:
        return str(error)
