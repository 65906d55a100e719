# SPDX-License-Identifier: GPL-3.0-or-later
"""A step on the page: its verdict, and the counts of both versions with their limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils._traffic.binomial import acceptance_range
from .numbers import THIN, Number, count, duration, milliseconds, moment, observed, percent, quotient, rate, success

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A count of both versions. stable, canary: None without requests."""

    name: str
    stable: Number | None
    canary: Number | None
    limit: str = ""


@dataclass(frozen=True)
class PageStep:
    """A step that was judged, or only counted (result is empty)."""

    weight: int
    result: str
    why: str
    since: datetime
    until: datetime
    seconds: Number
    rows: tuple[Row, ...]
    checks: tuple[Mapping[str, Any], ...]
    unattributed: int | None


def step_of(judged: Result, stable: str, canary: str) -> PageStep:
    """A step of the modules' result."""
    return PageStep(
        weight=judged["weights"].get(canary, 0),
        result=judged.get("result") or "",
        why=judged.get("why") or "",
        since=moment(judged["since"]),
        until=moment(judged["until"]),
        seconds=Number(judged["seconds"], duration(judged["seconds"])),
        rows=_rows(judged, stable, canary),
        checks=tuple(judged.get("checks") or []),
        unattributed=judged.get("unattributed"),
    )


def _rows(judged: Result, stable: str, canary: str) -> tuple[Row, ...]:
    """The counts of both versions with their limits, without rows that have no value."""
    versions, limits, seconds = judged["versions"], judged.get("limits") or {}, judged["seconds"]

    def row(name: str, of: Callable[[str], Number], limit: str = "") -> Row:
        of_stable, of_canary = (of(each) if each in versions else None for each in (stable, canary))
        return Row(name, of_stable, of_canary, limit)

    def latency(name: str) -> Row:
        return row(name, lambda each: milliseconds(versions[each].get(name)))

    def slow(name: str) -> Number:
        return percent(quotient(versions[name].get("slow", 0), versions[name].get("timed", 0)))

    enough, most, slowest = (limits.get(name) for name in ("minimum_requests", "max_error", "threshold_ms"))
    rows = (
        row("Weight", lambda each: Number(judged["weights"][each], f"{judged['weights'][each]}{THIN}%")),
        row("Seen", lambda each: percent(observed(versions, each)), _range(judged, canary)),
        row("Requests", lambda each: count(versions[each]["requests"]), f"≥{THIN}{enough}" if enough else ""),
        row("Req/s", lambda each: rate(versions[each]["requests"], seconds)),
        row("Failed", lambda each: count(versions[each]["failed"])),
        row(
            "Success",
            lambda each: percent(success(versions[each])),
            _bounds("≥", 1 - most, 1 - limits["bad_error"] if "bad_error" in limits else None)
            if most is not None
            else "",
        ),
        *(latency(name) for name in ("p50", "p95", "p99")),
        row(
            f">{THIN}{slowest or 0:g}{THIN}ms",
            slow,
            _bounds("≤", limits["max_slow"], limits.get("bad_slow")) if "max_slow" in limits else "",
        ),
    )
    return tuple(each for each in rows if any(one and one.value is not None for one in (each.stable, each.canary)))


def _bounds(sign: str, good: float, bad: float | None, shown: Callable[[float], float] = lambda share: share) -> str:
    """What a version may have, and from where on it must not pass; between them either may happen."""
    may = f"{sign}{THIN}{shown(good) * 100:.4g}{THIN}%"
    return may if bad is None else f"{may}, fails at {shown(bad) * 100:.4g}{THIN}%"


def _range(judged: Result, canary: str) -> str:
    """The share of the requests that the canary's weight explains."""
    total = sum(each["requests"] for each in judged["versions"].values())
    weight = judged["weights"].get(canary, 0) / 100
    if not total or not 0 < weight < 1:
        return ""
    likely = acceptance_range(total, weight)
    return f"{likely.low / total * 100:.3g}\N{EN DASH}{likely.high / total * 100:.3g}{THIN}%"
