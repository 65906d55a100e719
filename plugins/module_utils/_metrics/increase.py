# SPDX-License-Identifier: GPL-3.0-or-later
"""The increase of counters since the first reading of each proxy, summed over all proxies. Pure.

A proxy counts from its own start, so its first reading is the baseline, even if the proxy appears later: what it had
counted by then may be older than the weight that is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from .counts import Counts, Sample, VersionCounts
from .istio_metrics import Answers, Bucket, Counters, Series
from .workloads import NO_WORKLOAD, Workload, WorkloadVersions


@dataclass(frozen=True)
class Increase:
    """last: the last reading of each proxy. since: the sum since the first readings. before: the sum until then."""

    last: Mapping[Hashable, Counters] = field(default_factory=dict)
    since: Counters = field(default_factory=dict)
    before: Counters = field(default_factory=dict)


def add(increase: Increase, readings: Mapping[Hashable, Counters]) -> Increase:
    """Add further readings. The counts of a proxy that is not read are kept."""
    last, since, before = dict(increase.last), dict(increase.since), dict(increase.before)
    for proxy, now in readings.items():
        if proxy in last:
            _sum(since, increase_between(last[proxy], now))
            last[proxy] = {**last[proxy], **now}
        else:
            _sum(before, now)
            last[proxy] = now
    return Increase(last, since, before)


def increase_between(last: Counters, now: Counters) -> Counters:
    """The increase of one proxy's counters between two readings, never negative.

    A counter that fell was reset, by a restart of the proxy or because Istio dropped an idle series, so its increase is
    its value. A counter that was reset and has passed its old value already is counted too low by the old value.
    """
    return {series: value - old if value >= (old := last.get(series, 0)) else value for series, value in now.items()}


def counts(increase: Increase, versions: WorkloadVersions, canary: str, stable: str | None) -> Counts:
    """The counts of both versions from these series alone. stable: None if it has no weight."""

    def of_version(name: str) -> VersionCounts:
        return VersionCounts(name, answers(increase, versions, name), buckets(increase, versions, name))

    return Counts(
        canary=of_version(canary),
        stable=of_version(stable) if stable else None,
        unattributed=_sum_of(increase.since, lambda each: each.unattributed),
        before=Sample(
            _sum_of(increase.before, lambda each: each.of_service),
            _sum_of(increase.before, lambda each: each.unattributed),
        ),
        without_service=_sum_of(increase.since, lambda each: each.failed and not each.of_service),
    )


def answers(increase: Increase, versions: WorkloadVersions, version: str) -> Sample:
    """The requests to a version, and how many of them failed."""
    own = {series: value for series, value in increase.since.items() if versions.version_of(series.workload) == version}
    return Sample(_sum_of(own, lambda _each: True), _sum_of(own, lambda each: each.failed))


def buckets(increase: Increase, versions: WorkloadVersions, version: str) -> dict[float, int]:
    """The cumulative histogram of a version's latencies, by upper edge in milliseconds."""
    found: dict[float, int] = {}
    for series, value in increase.since.items():
        if isinstance(series, Bucket) and versions.version_of(series.workload) == version:
            found[series.edge] = found.get(series.edge, 0) + value
    return found


def without_endpoint(counters: Counters) -> Sample:
    """All requests to the service, and how many of them failed before an endpoint was chosen."""
    return Sample(
        _sum_of(counters, lambda each: each.of_service),
        _sum_of(counters, lambda each: each.failed and each.without_endpoint),
    )


def workloads(counters: Counters) -> set[Workload]:
    """The workloads that served requests. Histograms do not count: Envoy updates them late."""
    found = {series.workload for series, value in counters.items() if value and isinstance(series, Answers)}
    return found - {NO_WORKLOAD}


def _sum(total: dict[Series, int], counters: Counters) -> None:
    for series, value in counters.items():
        total[series] = total.get(series, 0) + value


def _sum_of(counters: Counters, wanted: Callable[[Answers], bool]) -> int:
    return sum(value for series, value in counters.items() if isinstance(series, Answers) and wanted(series))
