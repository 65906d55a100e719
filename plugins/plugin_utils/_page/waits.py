# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release waited for between its writes, and where it was stopped. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .charts import SIDE, Shape, Span
from .numbers import duration, moment

Result = Mapping[str, Any]

SHORT = 1.0  # seconds; a shorter time between two steps is no wait
# By kind: what it is called, in the order of the legend.
KINDS = {
    "before": "checks and waits before the first write",
    "proof": "until all proxies ran a weight",
    "soak": "soaking",
    "wait": "waiting for the next step",
    "paused": "paused: waits for a confirmation",
    "held": "held",
}
_STOPPED = {"held": "held", "failed": "held"}  # by event
_OVER = ("promoted", "rolled_back", "superseded", "cleaned")


@dataclass(frozen=True)
class Waited:
    """A time between two events. weight: that of the canary."""

    kind: str
    begin: datetime
    end: datetime
    weight: int

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


def waits_of(result: Result, span: Span, canary: str) -> tuple[Waited, ...]:
    """All of them, in order."""
    written = result.get("transitions") or []
    if not written:
        return ()
    before = (result.get("weights") or {}).get("before") or {}
    found = [Waited("before", span.begin, moment(written[0]["at"]), before.get(canary, 0))]
    ends = [*(moment(each["at"]) for each in written[1:]), span.end]
    following: list[Result | None] = [*written[1:], None]
    for each, then, end in zip(written, following, ends, strict=True):
        found += _after(result, each, then, end, canary)
    return tuple(each for each in found if each.seconds > 0)


def _after(result: Result, written: Result, then: Result | None, end: datetime, canary: str) -> Iterator[Waited]:
    """What followed a write until the next one, or until the end."""
    begin, weight = moment(written["at"]), written["weights"].get(canary, 0)
    if written.get("live") is not None:
        live = min(end, begin + timedelta(milliseconds=written["live"]))
        yield Waited("proof", begin, live, weight)
        begin = live
    if written["event"] in _STOPPED and weight:
        yield Waited("held", begin, end, weight)
    elif written["event"] not in _OVER and 0 < weight < 100:
        soaked = min(end, max(begin, _judged_until(result, begin, end) or end))
        paused = then["event"] == "confirmed" if then else result.get("phase") == "paused"
        left = (end - soaked).total_seconds()
        if paused and soaked == end:
            yield Waited("paused", begin, end, weight)
        else:
            yield Waited("soak", begin, soaked, weight)
            if left > SHORT:
                yield Waited("paused" if paused else "wait", soaked, end, weight)


def _judged_until(result: Result, begin: datetime, end: datetime) -> datetime | None:
    """When the verdict on a step between these times was made."""
    found = [moment(each["until"]) for each in result.get("judged") or []]
    return max((each for each in found if begin < each <= end), default=None)


def bands(waits: Sequence[Waited], span: Span) -> tuple[Shape, ...]:
    """Each wait but a soak as an area of the height of the chart."""
    return tuple(
        Shape(
            f"{each.kind} band",
            f"M{span.x(each.begin):.1f} 0H{span.x(each.end):.1f}V{SIDE:.0f}H{span.x(each.begin):.1f}Z",
            f"{KINDS[each.kind]}, {duration(each.seconds)}",
        )
        for each in waits
        if each.kind != "soak"
    )


def totals(waits: Sequence[Waited]) -> tuple[tuple[str, str, str], ...]:
    """By kind: its class, what it is called, and how long it took in all."""
    seconds = {kind: sum(each.seconds for each in waits if each.kind == kind) for kind in KINDS}
    return tuple((kind, KINDS[kind], duration(took)) for kind, took in seconds.items() if took > 0)
