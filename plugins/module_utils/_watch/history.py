# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus has counted during a release, in the form of the measurements of a watched step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from .._analysis.criteria import Criteria
from .._analysis.judgement import judge
from .._analysis.measurements import MAX_KEPT, Measurement, Measurements
from .._common.shares import Share, rest_of
from .._metrics.increase import counts
from .._metrics.prometheus import Prometheus
from .._metrics.promql import Samples, increase_of, queries
from .._release.state import State, attempt
from .._rollout.snapshot import Snapshot
from .providers import full_hosts, workload_versions_of

LONGEST = timedelta(hours=1)  # of one weight
FACTS = ("weights", "since", "until", "seconds", "source", "versions", "samples")


@dataclass(frozen=True)
class Period:
    """A time in which the canary had one weight (percent)."""

    weight: Share
    since: datetime
    until: datetime


def periods(state: State, now: datetime) -> list[Period]:
    """The times in which the canary had requests in its last attempt, oldest first."""
    ours = state.history[attempt([(past.event, past.canary, past.weight) for past in state.history], state.canary) :]
    turns = [(past.at, past.weight) for past in ours]
    if turns and state.since > turns[-1][0] and turns[-1][1] == state.weight:
        turns[-1] = (state.since, state.weight)  # when it was live
    last: tuple[datetime, Share] = (now, 0)
    found = []
    for (since, weight), (until, _weight) in pairwise([*turns, last]):
        if weight and until > since:
            found.append(Period(weight, since, min(until, since + LONGEST)))
    return found


def counted(prometheus: Prometheus, criteria: Criteria, snapshot: Snapshot, state: State, now: datetime) -> list[Any]:
    """The facts of each period as the module `canary` returns those of a watched weight, without a verdict."""
    reporter = criteria.prometheus.reporter if criteria.prometheus else "source"
    hosts, found = full_hosts(snapshot), []
    for period in periods(state, now):
        asked = queries(hosts, (period.until - period.since).total_seconds(), reporter)
        answers = [each for query in asked for each in prometheus.samples(query, period.until.timestamp())]
        facts = measurements_of(answers, period, criteria, snapshot, state, reporter).facts(samples=True)
        found.append({name: facts[name] for name in FACTS})
    return found


def measurements_of(
    answers: Iterable[Samples], period: Period, criteria: Criteria, snapshot: Snapshot, state: State, reporter: str
) -> Measurements:
    """Measurements spread evenly over a period, from Prometheus' samples of it."""
    answers, hosts = list(answers), full_hosts(snapshot)
    versions = workload_versions_of(snapshot, (state.canary, state.stable))
    length = period.until - period.since
    found = []
    for number in range(1, MAX_KEPT + 1):
        at = period.since + length * number / MAX_KEPT
        until = [Samples(labels, [each for each in values if each[0] <= at.timestamp()]) for labels, values in answers]
        stable = state.stable if period.weight < 100 else None
        now = counts(increase_of(until, hosts, reporter), versions, state.canary, stable)
        found.append(Measurement(at, judge(criteria, now), now))
    weights = {state.stable: rest_of(period.weight), state.canary: period.weight}
    return Measurements(weights, period.since, criteria, found[-1], tuple(found))
