# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the page with their units, and quotients of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

UNKNOWN = "\N{EN DASH}"
THIN = "\N{NARROW NO-BREAK SPACE}"  # between a number and its unit, and between its thousands


@dataclass(frozen=True)
class Number:
    """A number and its text. value: None if it is not known."""

    value: float | None
    text: str


def moment(text: str) -> datetime:
    """A timestamp of the modules."""
    return datetime.fromisoformat(text)


def percent(share: float | None) -> Number:
    """A share of 0 to 1, formatted as in the modules' messages."""
    return Number(share, UNKNOWN if share is None else f"{share * 100:.3g}{THIN}%")


def milliseconds(value: float | None) -> Number:
    """A time in milliseconds."""
    if value is None:
        return Number(None, UNKNOWN)
    return Number(value, f"{value / 1000:.3g}{THIN}s" if value >= 1000 else f"{value:.3g}{THIN}ms")


def count(value: int) -> Number:
    """A number of requests."""
    return Number(value, f"{value:,}".replace(",", THIN))


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{THIN}s" if whole >= 10 else f"{seconds:.1f}{THIN}s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number}{THIN}{unit}" for number, unit in parts if number)


def quotient(part: float, whole: float) -> float | None:
    """A quotient; None if the whole is 0."""
    return part / whole if whole else None


def observed(versions: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    """The share of the requests that a version received."""
    return quotient(versions.get(name, {}).get("requests", 0), sum(each["requests"] for each in versions.values()))


def success(counted: Mapping[str, Any]) -> float | None:
    """The share of a version's requests that did not fail."""
    failed = quotient(counted["failed"], counted["requests"])
    return None if failed is None else 1 - failed


def rate(requests: int, seconds: float) -> Number:
    """Requests per second."""
    found = quotient(requests, seconds)
    return Number(found, UNKNOWN if found is None else f"{found:.3g}")
