# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts of a run: weights and shares over time, success and latency with their limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import log10
from typing import Any

from ...module_utils._traffic.binomial import acceptance_range
from . import charts
from .charts import Place, Plot, Shape, Span, Tick
from .numbers import milliseconds, moment, observed, percent, success
from .waits import Waited, bands, totals

Result = Mapping[str, Any]
Curve = list[tuple[datetime, float]]

RANGES = 12  # moments of a step for which the range of its share is drawn


@dataclass(frozen=True)
class Axis:
    """The axes of a kind of chart. say: a value with its unit; limits: in the unit of the values."""

    span: Span
    place: Place
    ticks: tuple[Tick, ...]
    say: Callable[[float], str]
    limits: Sequence[float]


def timeline(result: Result, span: Span, canary: str, waits: Sequence[Waited] = ()) -> Plot:
    """The weight over time, when it was live, the observed share, and what was waited for."""
    y = charts.linear(0, 100)
    written = result["transitions"]
    before = (result["weights"].get("before") or {}).get(canary)
    points = [(moment(each["at"]), float(each["weights"].get(canary, 0))) for each in written]
    if before is not None:
        points = [(span.begin, float(before)), *points]
    shapes = [*bands(waits, span), *(Shape("grid", charts.level(each, y)) for each in (0, 25, 50, 75, 100))]
    for each in _watched(result):
        shapes += _seen(each, canary, span, y)
    shapes.append(Shape("weight", charts.steps(points, span.end, span, y)))
    for each in written:
        if each.get("live") is not None:
            at, weight = moment(each["at"]) + timedelta(milliseconds=each["live"]), each["weights"].get(canary, 0)
            tip = f"{weight} % live in {where_live(result)} {milliseconds(each['live']).text} after the write"
            shapes.append(Shape("live", charts.dot(at, weight, span, y), tip))
    writes = [f"{each['weights'].get(canary, 0)} % at {moment(each['at']):%H:%M:%S}" for each in written]
    says = f"Weight of {canary} over time, UTC: {', '.join(writes) or 'nothing was written'}."
    says += "".join(f" {what}: {took}." for _kind, what, took in totals(waits))
    up = tuple(Tick(100.0 - each, f"{each} %") for each in (0, 25, 50, 75, 100))
    return Plot(f"Share of {canary}", says, span.ticks(), up, tuple(shapes))


def where_live(result: Result) -> str:
    """The proxies in which the weights were live."""
    extent = result.get("proxies") or {}
    asked, known = extent.get("sidecars_asked", 0), extent.get("sidecars", 0)
    return f"all proxies asked ({asked} of {known} sidecars)" if asked < known else "all proxies"


def _seen(judged: Result, canary: str, span: Span, y: Place) -> list[Shape]:
    """The share of the canary at each sample, and the range that its weight explains."""
    samples, weight = judged["samples"], judged["weights"].get(canary, 0) / 100
    totals = [(moment(each["at"]), sum(one["requests"] for one in each["versions"].values())) for each in samples]
    every = max(1, len(totals) // RANGES)
    chosen = [each for each in (*totals[:-1:every], totals[-1]) if each[1]]
    ranges = [(at, acceptance_range(total, weight), total) for at, total in chosen]
    area = [(at, found.low / total * 100, found.high / total * 100) for at, found, total in ranges]
    shares = [(moment(each["at"]), observed(each["versions"], canary)) for each in samples]
    points = [(at, share * 100) for at, share in shares if share is not None]
    if not points:
        return []
    tip = f"{points[-1][1]:.3g} % of {totals[-1][1]} requests went to {canary}, whose weight was {weight * 100:.3g} %"
    return [
        Shape("range", charts.band(area, span, y), "what this weight explains, 99.9 %"),
        Shape("seen", charts.line(points, span, y)),
        Shape("at seen", charts.dot(*points[-1], span, y), tip),
    ]


def comparisons(result: Result, span: Span, stable: str, canary: str) -> tuple[tuple[str, Plot], ...]:
    """Success and latency of both versions in one chart each, as (what, plot); without what has no value."""
    judged = _watched(result)
    names = {stable: "stable", canary: "canary"}
    kinds = {"Success rate": _rates, "Latency": _latencies} if judged else {}
    found = ((what, chart(judged, span, names)) for what, chart in kinds.items())
    return tuple((what, plot) for what, plot in found if plot is not None)


def _rates(judged: Sequence[Result], span: Span, names: Mapping[str, str]) -> Plot | None:
    """Success rates, and the rates that the canary may have and must not have."""
    curves = {name: _curves(judged, name, success) for name in names}
    limits = [1 - most for most in _limits(judged, "max_error", "bad_error")]
    low = charts.floor_below(min([*_values(curves), *limits], default=1.0))
    place = charts.linear(low, 1.0)
    ticks = tuple(Tick(place(each) / charts.SIDE * 100, f"{each * 100:.4g} %") for each in (low, (low + 1) / 2, 1.0))
    return _plot("Success rate", names, curves, Axis(span, place, ticks, lambda value: percent(value).text, limits))


def _latencies(judged: Sequence[Result], span: Span, names: Mapping[str, str]) -> Plot | None:
    """The 99th percentile of each version, its median, and the time from which on a request is slow."""
    curves = {name: _curves(judged, name, lambda counted: counted.get("p99")) for name in names}
    halves = {name: _curves(judged, name, lambda counted: counted.get("p50")) for name in names}
    limits = _limits(judged, "threshold_ms")
    low, high = charts.decades([*_values(curves), *_values(halves), *limits])
    place = charts.logarithmic(low, high)
    powers = [low * 10**power for power in range(round(log10(high / low)) + 1)]
    ticks = tuple(Tick(place(each) / charts.SIDE * 100, milliseconds(each).text) for each in powers)
    plot = _plot("Latency p99", names, curves, Axis(span, place, ticks, lambda value: milliseconds(value).text, limits))
    if plot is None:
        return None
    medians = (Shape(f"half {names[name]}", charts.line(each, span, place)) for name in names for each in halves[name])
    return replace(plot, shapes=(*plot.shapes, *medians))


def _watched(result: Result) -> list[Result]:
    """The steps with samples."""
    return [each for each in result.get("judged") or [] if each.get("samples")]


def _limits(judged: Sequence[Result], *names: str) -> list[float]:
    """Limits of the last step; all steps of a run have the same."""
    limits = judged[-1].get("limits") or {}
    return [limits[name] for name in names if name in limits]


def _curves(judged: Sequence[Result], name: str, of: Callable[[Mapping[str, Any]], float | None]) -> list[Curve]:
    """A number of one version at each sample; a curve per step, for each counts from zero."""
    curves = []
    for each in judged:
        samples = [one for one in each["samples"] if name in one["versions"]]
        values = [(moment(one["at"]), of(one["versions"][name])) for one in samples]
        curves.append([(at, value) for at, value in values if value is not None])
    return [curve for curve in curves if curve]


def _values(curves: Mapping[str, Sequence[Curve]]) -> list[float]:
    return [value for lines in curves.values() for curve in lines for _at, value in curve]


def _plot(name: str, names: Mapping[str, str], curves: Mapping[str, Sequence[Curve]], axis: Axis) -> Plot | None:
    """The curves of each version with a dot at the end of each, and the limits. names: by version its role."""
    shapes = [Shape("grid", f"M0 {tick.at * charts.SIDE / 100:.1f}H{charts.SIDE:.0f}") for tick in axis.ticks]
    shapes += [Shape("limit", charts.level(each, axis.place), f"limit {axis.say(each)}") for each in axis.limits]
    says = []
    for version, role in names.items():
        shapes += [Shape(f"line {role}", charts.line(each, axis.span, axis.place)) for each in curves[version]]
        ends = [(curve[-1], axis.say(curve[-1][1])) for curve in curves[version]]
        shapes += [
            Shape(f"at line {role}", charts.dot(at, value, axis.span, axis.place), f"{version}: {text}")
            for (at, value), text in ends
        ]
        says += [f"{version} {', '.join(text for _end, text in ends)}"] if ends else []
    if not says:
        return None
    against = f"; limits: {', '.join(map(axis.say, axis.limits))}" if axis.limits else ""
    return Plot(
        name,
        f"{name} at the end of each step: {'; '.join(says)}{against}.",
        axis.span.ticks(),
        axis.ticks,
        tuple(shapes),
    )
