# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What Prometheus has counted while a release had its weights, told as a step that was watched is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from .._analysis.criteria import Criteria
from .._analysis.judgement import judge
from .._analysis.measurements import MOST, Measurement, Measurements, add
from .._common.shares import Share, rest_of
from .._metrics.increase import counts
from .._metrics.prometheus import Prometheus
from .._metrics.promql import Samples, increase_of, queries
from .._release.state import State, attempt
from .._rollout.read import Snapshot
from .providers import full_host, workload_versions_of

LONGEST = timedelta(hours=1)  # of one weight that are looked at
TOLD = ("weights", "since", "until", "seconds", "source", "versions", "samples")


@dataclass(frozen=True)
class Period:
    """A time in which the canary had one weight, percent."""

    weight: Share
    since: datetime
    until: datetime


def periods(state: State, now: datetime) -> list[Period]:
    """The times in which the canary had requests in its last attempt, oldest first, as far as the history goes."""
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
    """Of each period what the module `canary` tells of a weight that it has watched, without a verdict."""
    reporter = criteria.prometheus.reporter if criteria.prometheus else "source"
    host, found = full_host(snapshot), []
    for period in periods(state, now):
        asked = queries(host, (period.until - period.since).total_seconds(), reporter)
        answers = [each for query in asked for each in prometheus.samples(query, period.until.timestamp())]
        facts = record(answers, period, criteria, snapshot, state, reporter).facts()
        found.append({name: facts[name] for name in TOLD})
    return found


def record(
    answers: Iterable[Samples], period: Period, criteria: Criteria, snapshot: Snapshot, state: State, reporter: str
) -> Measurements:
    """The looks that Prometheus' samples of this time allow, evenly over it."""
    answers, host = list(answers), full_host(snapshot)
    whose = workload_versions_of(snapshot, (state.canary, state.stable))
    length = period.until - period.since
    looks = []
    for number in range(1, MOST + 1):
        at = period.since + length * number / MOST
        until = [Samples(labels, [each for each in values if each[0] <= at.timestamp()]) for labels, values in answers]
        now = counts(
            increase_of(until, host, reporter), whose, state.canary, state.stable if period.weight < 100 else None
        )
        looks.append(Measurement(at, judge(criteria, now), now))
    weights = {state.stable: rest_of(period.weight), state.canary: period.weight}
    found = Measurements(weights, period.since, criteria, looks[0], (), timedelta(0))
    for look in looks:
        found = add(found, look)
    return found
