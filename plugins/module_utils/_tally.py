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

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ._counters import NO_VERSION, NOT_ROUTED, Answers, Bucket, Counters, Series
from ._counts import Counts, Sample, VersionCounts


@dataclass(frozen=True)
class Tally:
    """last: the last look at each proxy. gained: all counts since the first ones. before: all counts until then."""

    last: Mapping[Hashable, Counters] = field(default_factory=dict)
    gained: Counters = field(default_factory=dict)
    before: Counters = field(default_factory=dict)


class Label(NamedTuple):
    """A version, and the values that the metrics' label for it may have: of Istio's own it is the pods' label."""

    name: str
    values: frozenset[str]


def add(tally: Tally, looks: Mapping[Hashable, Counters]) -> Tally:
    """The tally with one more look. A proxy that is not looked at keeps its place, and loses no count."""
    last, gained, before = dict(tally.last), dict(tally.gained), dict(tally.before)
    for proxy, now in looks.items():
        if proxy in last:
            _sum(gained, gain(last[proxy], now))
            last[proxy] = {**last[proxy], **now}
        else:
            _sum(before, now)
            last[proxy] = now
    return Tally(last, gained, before)


def gain(last: Counters, now: Counters) -> Counters:
    """What one proxy has counted between two looks: never negative, and nothing twice.

    A counter that fell began anew, because the proxy did or because Istio had dropped it while it was idle, so it
    gained what it shows. One that began anew and has overtaken its old value already is counted too low by that much.
    """
    return {series: value - old if value >= (old := last.get(series, 0)) else value for series, value in now.items()}


def counts(tally: Tally, canary: Label, stable: Label | None) -> Counts:
    """What a verdict rests on. stable: None if it has no weight."""
    usual = _not_routed(tally.before) / (_requests(tally.before) or 1)
    not_routed = _not_routed(tally.gained)
    unusual = max(0.0, not_routed - usual * _requests(tally.gained))
    return Counts(
        canary=_version(tally.gained, canary),
        stable=_version(tally.gained, stable) if stable else None,
        unattributed=_lost(tally.gained) + round(unusual),
        before=Sample(_requests(tally.before), _lost(tally.before)),
    )


def _sum(total: dict[Series, int], counters: Counters) -> None:
    for series, value in counters.items():
        total[series] = total.get(series, 0) + value


def _version(counters: Counters, label: Label) -> VersionCounts:
    answers = [
        (series, value)
        for series, value in counters.items()
        if isinstance(series, Answers) and series.version in label.values
    ]
    buckets: dict[float, int] = {}
    for series, value in counters.items():
        if isinstance(series, Bucket) and series.version in label.values:
            buckets[series.edge] = buckets.get(series.edge, 0) + value
    failed = sum(value for series, value in answers if series.failed)
    return VersionCounts(label.name, Sample(sum(value for _series, value in answers), failed), buckets)


def _answers(counters: Counters) -> Iterable[tuple[Answers, int]]:
    return ((series, value) for series, value in counters.items() if isinstance(series, Answers))


def _requests(counters: Counters) -> int:
    return sum(value for _series, value in _answers(counters))


def _lost(counters: Counters) -> int:
    """Failures without a version, but for requests that no route matched."""
    return sum(
        value
        for series, value in _answers(counters)
        if series.version == NO_VERSION and series.failed and NOT_ROUTED not in series.flags
    )


def _not_routed(counters: Counters) -> int:
    """Requests that no route matched. Strangers send those to every public gateway, and no weight makes any."""
    return sum(value for series, value in _answers(counters) if NOT_ROUTED in series.flags)
