# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers over time as shapes of a chart. Pure.

A plot is a square of 1000 by 1000 with its origin at the top left. The page stretches it, so text is outside of it and
keeps its size on every screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor, log10

SIDE = 1000.0
MOST_TICKS = 5
_SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_FLOORS = (0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)

Point = tuple[datetime, float]
Place = Callable[[float], float]


@dataclass(frozen=True)
class Tick:
    """A label of an axis. at: percent of the way from its beginning."""

    at: float
    text: str


@dataclass(frozen=True)
class Shape:
    """A line, a filled area or a dot. kind: its class in the page; tip: its tooltip."""

    kind: str
    path: str
    tip: str = ""


@dataclass(frozen=True)
class Plot:
    """One chart. name, says: for screen readers."""

    name: str
    says: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Span:
    """The time that a chart shows."""

    begin: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        """The coordinate of a moment."""
        whole = (self.end - self.begin).total_seconds()
        at = (moment - self.begin).total_seconds() / whole if whole > 0 else 0.0
        return SIDE * min(1.0, max(0.0, at))

    def ticks(self) -> tuple[Tick, ...]:
        """A few round times."""
        seconds = (self.end - self.begin).total_seconds()
        span = next((each for each in _SPANS if seconds / each < MOST_TICKS), _SPANS[-1])
        first = ceil(self.begin.timestamp() / span) * span
        moments = [datetime.fromtimestamp(first + span * number, UTC) for number in range(MOST_TICKS)]
        pattern = "%d %b %H:%M" if seconds > 86400 else "%H:%M" if span % 60 == 0 else "%H:%M:%S"
        return tuple(Tick(self.x(each) / SIDE * 100, each.strftime(pattern)) for each in moments if each <= self.end)


def span_of(moments: Iterable[datetime]) -> Span | None:
    """The time that holds all of them, at least a second."""
    found = sorted(moments)
    return Span(found[0], max(found[-1], found[0] + timedelta(seconds=1))) if found else None


def linear(low: float, high: float) -> Place:
    """The coordinate of a value on a linear axis."""
    return lambda value: SIDE * (1 - (min(high, max(low, value)) - low) / (high - low))


def logarithmic(low: float, high: float) -> Place:
    """The same on a logarithmic axis."""
    place = linear(log10(low), log10(high))
    return lambda value: place(log10(max(low, value)))


def steps(points: Sequence[Point], until: datetime, span: Span, y: Place) -> str:
    """A line that stays at each value until the next."""
    (first, value), *others = points
    path = f"M{span.x(first):.1f} {y(value):.1f}"
    for moment, following in others:
        path += f"H{span.x(moment):.1f}V{y(following):.1f}"
    return f"{path}H{span.x(until):.1f}"


def line(points: Sequence[Point], span: Span, y: Place) -> str:
    """A line through points."""
    return "M" + "L".join(f"{span.x(moment):.1f} {y(value):.1f}" for moment, value in points)


def band(points: Sequence[tuple[datetime, float, float]], span: Span, y: Place) -> str:
    """The area between a lower and an upper value."""
    upper = [(moment, high) for moment, _low, high in points]
    lower = [(moment, low) for moment, low, _high in reversed(points)]
    return f"{line([*upper, *lower], span, y)}Z"


def dot(moment: datetime, value: float, span: Span, y: Place) -> str:
    """A line without length, which round ends make a dot."""
    return f"M{span.x(moment):.1f} {y(value):.1f}h0"


def level(value: float, y: Place) -> str:
    """A line across."""
    return f"M0 {y(value):.1f}H{SIDE:.0f}"


def floor_below(share: float) -> float:
    """A round share to begin an axis with that ends at 1."""
    return next((each for each in _FLOORS if each < share), 0.0)


def decades(values: Iterable[float]) -> tuple[float, float]:
    """The powers of ten around positive values."""
    found = [value for value in values if value > 0] or [1.0]
    low, high = floor(log10(min(found))), ceil(log10(max(found)))
    return 10.0**low, 10.0 ** max(high, low + 1)
