# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What was counted while a weight soaked, look by look, thinned so that it stays small however long it takes. Pure."""

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

MOST = 30  # looks that are kept
CURVES = ("p50", "p99")
SPACING = timedelta(seconds=0.5)  # between them at first


@dataclass(frozen=True)
class Measurement:
    """What was known at a moment. counts: None where nothing could be counted; coverage: where proxies count."""

    at: datetime
    judgement: Judgement
    counts: Counts | None
    coverage: Coverage | None = None


@dataclass(frozen=True)
class Measurements:
    """The looks at one weight. weights: percent by subset; since: when it was live; last: the look that counts."""

    weights: Mapping[str, Share]
    since: datetime
    criteria: Criteria
    last: Measurement
    looks: tuple[Measurement, ...]
    spacing: timedelta = SPACING

    @property
    def judgement(self) -> Judgement:
        """The last one."""
        return self.last.judgement

    def facts(self) -> dict[str, Any]:
        """As part of a module's result: the last look in full, and of all that are kept what was counted."""
        looks = self.looks if self.looks[-1:] == (self.last,) else (*self.looks, self.last)
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
            "samples": [
                {"at": stamp(look.at), "versions": {each.name: _sample(each, look) for each in _counted(look)}}
                for look in looks
                if look.counts
            ],
        }


def add(record: Measurements, look: Measurement) -> Measurements:
    """The record with one more look. If there are too many, every other one goes, and later ones come half as often."""
    record = replace(record, last=look)
    if record.looks and look.at - record.looks[-1].at < record.spacing:
        return record
    looks, spacing = (*record.looks, look), record.spacing
    if len(looks) > MOST:
        looks, spacing = looks[::2], 2 * spacing
    return replace(record, looks=looks, spacing=spacing)


def _counted(look: Measurement) -> list[VersionCounts]:
    counts = look.counts
    return [each for each in (counts.stable, counts.canary) if each] if counts else []


def _version(counted: VersionCounts, threshold: float | None, look: Measurement) -> dict[str, Any]:
    """The counts of a version since the weight is live; its latencies where there are some."""
    slow = slower_than(counted.buckets, threshold) if threshold is not None else None
    return {
        "requests": counted.answers.requests,
        "failed": counted.answers.bad,
        **({"timed": slow.requests, "slow": slow.bad} if slow else {}),
        **look.judgement.percentiles.get(counted.name, {}),
    }


def _sample(counted: VersionCounts, look: Measurement) -> dict[str, Any]:
    """What a curve is drawn of."""
    percentiles = look.judgement.percentiles.get(counted.name, {})
    return {
        "requests": counted.answers.requests,
        "failed": counted.answers.bad,
        **{name: round(percentiles[name], 2) for name in CURVES if name in percentiles},
    }


def _limits(criteria: Criteria) -> dict[str, Any]:
    """What the canary was held against; a part that is switched off is left out."""
    success, latency = criteria.success, criteria.latency
    return {
        "minimum_requests": criteria.minimum_requests,
        **({"max_error": success.good} if success else {}),
        **({"threshold_ms": latency.threshold_ms, "max_slow": latency.limit.good} if latency else {}),
    }
