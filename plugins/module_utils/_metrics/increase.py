# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What counters have gained since the first look at each proxy, summed over all of them. Pure.

A proxy counts from its own start. So the first look at it is where its counting begins here, also if it comes later:
what it had counted by then may be older than the weight that is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from .counts import Counts, Sample, VersionCounts
from .istio_metrics import Answers, Bucket, Counters, Series
from .workloads import NO_WORKLOAD, Workload, WorkloadVersions


@dataclass(frozen=True)
class Increase:
    """last: the last look at each proxy. gained: all counts since the first ones. before: all counts until then."""

    last: Mapping[Hashable, Counters] = field(default_factory=dict)
    gained: Counters = field(default_factory=dict)
    before: Counters = field(default_factory=dict)


def add(tally: Increase, looks: Mapping[Hashable, Counters]) -> Increase:
    """The tally with one more look. A proxy that is not looked at keeps its place, and loses no count."""
    last, gained, before = dict(tally.last), dict(tally.gained), dict(tally.before)
    for proxy, now in looks.items():
        if proxy in last:
            _sum(gained, increase_between(last[proxy], now))
            last[proxy] = {**last[proxy], **now}
        else:
            _sum(before, now)
            last[proxy] = now
    return Increase(last, gained, before)


def increase_between(last: Counters, now: Counters) -> Counters:
    """What one proxy has counted between two looks: never negative, and nothing twice.

    A counter that fell began anew, because the proxy did or because Istio had dropped it while it was idle, so it
    gained what it shows. One that began anew and has overtaken its old value already is counted too low by that much.
    """
    return {series: value - old if value >= (old := last.get(series, 0)) else value for series, value in now.items()}


def counts(tally: Increase, whose: WorkloadVersions, canary: str, stable: str | None) -> Counts:
    """What a verdict rests on where these series are all that is known. stable: None if it has no weight."""
    return Counts(
        canary=VersionCounts(canary, answers(tally, whose, canary), buckets(tally, whose, canary)),
        stable=VersionCounts(stable, answers(tally, whose, stable), buckets(tally, whose, stable)) if stable else None,
        unattributed=_sum_of(tally.gained, _failed_at_nobody),
        before=Sample(_sum_of(tally.before, _ours), _sum_of(tally.before, _failed_at_nobody)),
        without_service=_sum_of(tally.gained, lambda each: each.failed and not each.ours),
    )


def answers(tally: Increase, whose: WorkloadVersions, version: str) -> Sample:
    """The requests to a version, and how many of them failed."""

    def its(series: Answers) -> bool:
        return whose.version_of(series.workload) == version

    requests = _sum_of(tally.gained, its)
    return Sample(requests, _sum_of(tally.gained, lambda series: series.failed and its(series)))


def buckets(tally: Increase, whose: WorkloadVersions, version: str) -> dict[float, int]:
    """How many requests to a version took at most so many milliseconds, by upper edge."""
    found: dict[float, int] = {}
    for series, value in tally.gained.items():
        if isinstance(series, Bucket) and whose.version_of(series.workload) == version:
            found[series.edge] = found.get(series.edge, 0) + value
    return found


def without_endpoint(counters: Counters) -> Sample:
    """All requests to the service, and how many of them failed before any endpoint was chosen."""
    return Sample(_sum_of(counters, _ours), _sum_of(counters, lambda series: series.failed and series.without_endpoint))


def workloads(counters: Counters) -> set[Workload]:
    """Who served requests. Envoy renews its histograms late, so that they may tell of earlier ones."""
    return {series.workload for series, value in counters.items() if value and isinstance(series, Answers)} - {
        NO_WORKLOAD
    }


def _sum(total: dict[Series, int], counters: Counters) -> None:
    for series, value in counters.items():
        total[series] = total.get(series, 0) + value


def _sum_of(counters: Counters, wanted: Callable[[Answers], bool]) -> int:
    return sum(value for series, value in counters.items() if isinstance(series, Answers) and wanted(series))


def _ours(series: Answers) -> bool:
    return series.ours


def _failed_at_nobody(series: Answers) -> bool:
    return series.ours and series.failed and series.workload == NO_WORKLOAD
