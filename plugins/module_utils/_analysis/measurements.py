# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements of one weight while it soaks, thinned so that their number stays bounded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .._common.clock import stamp
from .._common.shares import Share, numbers
from .._metrics.histogram import slower_than

if TYPE_CHECKING:  # a call that judges nothing need not compile them
    from .._metrics.counts import Counts, Coverage, VersionCounts
    from .criteria import Criteria
    from .judgement import Judgement

MAX_KEPT = 30  # measurements
CURVES = ("p50", "p99")
SPACING = timedelta(seconds=0.5)  # between two kept measurements at first


@dataclass(frozen=True)
class Measurement:
    """A judgement with its counts. counts: None if nothing could be counted; coverage: None if no proxies count."""

    at: datetime
    judgement: Judgement
    counts: Counts | None
    coverage: Coverage | None = None


@dataclass(frozen=True)
class Measurements:
    """The measurements of one weight. weights: percent by subset; since: when it was live; kept: thinned ones."""

    weights: Mapping[str, Share]
    since: datetime
    criteria: Criteria
    last: Measurement
    kept: tuple[Measurement, ...]
    spacing: timedelta = SPACING

    @property
    def judgement(self) -> Judgement:
        """The last judgement."""
        return self.last.judgement

    def facts(self, samples: bool) -> dict[str, Any]:
        """For a module's result: the last measurement in full. samples: also the counts of those that are kept."""
        threshold = self.criteria.latency.threshold_ms if self.criteria.latency else None
        return {
            "weights": numbers(self.weights),
            "since": stamp(self.since),
            "until": stamp(self.last.at),
            "seconds": round((self.last.at - self.since).total_seconds(), 3),
            **self.last.judgement.facts(),
            "source": self.criteria.source,
            "limits": _limits(self.criteria),
            "versions": {each.name: _version(each, threshold, self.last) for each in _counted(self.last)},
            "proxies": {"read": coverage.read, "of": coverage.of} if (coverage := self.last.coverage) else None,
            "unattributed": self.last.counts.unattributed if self.last.counts else None,
            **({"samples": [_sample(each) for each in self._moments() if each.counts]} if samples else {}),
        }

    def _moments(self) -> tuple[Measurement, ...]:
        return self.kept if self.kept[-1:] == (self.last,) else (*self.kept, self.last)


def add(measurements: Measurements, last: Measurement) -> Measurements:
    """Add a measurement. Beyond the maximum every other one is dropped and the spacing doubled."""
    kept, spacing = measurements.kept, measurements.spacing
    if not kept or last.at - kept[-1].at >= spacing:
        kept = (*kept, last)
    if len(kept) > MAX_KEPT:
        kept, spacing = kept[::2], 2 * spacing
    return replace(measurements, last=last, kept=kept, spacing=spacing)


def _counted(measurement: Measurement) -> list[VersionCounts]:
    counts = measurement.counts
    return [each for each in (counts.stable, counts.canary) if each] if counts else []


def _version(counted: VersionCounts, threshold: float | None, measurement: Measurement) -> dict[str, Any]:
    """The counts of a version since the weight is live, with its latencies if known."""
    slow = slower_than(counted.buckets, threshold) if threshold is not None else None
    return {
        "requests": counted.answers.requests,
        "failed": counted.answers.bad,
        **({"timed": slow.requests, "slow": slow.bad} if slow else {}),
        **measurement.judgement.percentiles.get(counted.name, {}),
    }


def _sample(measurement: Measurement) -> dict[str, Any]:
    """A moment of the curves on the run page."""
    versions = {counted.name: _point(counted, measurement) for counted in _counted(measurement)}
    return {"at": stamp(measurement.at), "versions": versions}


def _point(counted: VersionCounts, measurement: Measurement) -> dict[str, Any]:
    percentiles = measurement.judgement.percentiles.get(counted.name, {})
    return {
        "requests": counted.answers.requests,
        "failed": counted.answers.bad,
        **{name: round(percentiles[name], 2) for name in CURVES if name in percentiles},
    }


def _limits(criteria: Criteria) -> dict[str, Any]:
    """The limits that are judged by; a part that is switched off is left out."""
    success, latency = criteria.success, criteria.latency
    found: dict[str, Any] = {"minimum_requests": criteria.minimum_requests}
    if success:
        found |= {"max_error": success.good, "bad_error": success.bad}
    if latency:
        found |= {"threshold_ms": latency.threshold_ms, "max_slow": latency.limit.good, "bad_slow": latency.limit.bad}
    return found
