# SPDX-License-Identifier: GPL-3.0-or-later
"""Values from a play, in which templating makes text of numbers. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 31_536_000  # seconds in a year; keeps sums of times within the range of datetime
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def whole(value: object, low: int, high: int) -> int | None:
    """The whole number if it is in the range: of 10, 10.0 and "10", but not of true or "10%"."""
    number: int | None = None
    if isinstance(value, str) and re.fullmatch("[+-]?[0-9]{1,9}", value.strip()):
        number = int(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    return number if number is not None and low <= number <= high else None


def number(value: object) -> float | None:
    """The number, which may be infinite, but not nan or true."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(found) else found


def share(value: object) -> float | None:
    """The number, which may be given in percent: 0.01, "0.01" and "1 %" are the same."""
    percent = isinstance(value, str) and value.rstrip().endswith("%")
    found = number(value.rstrip()[:-1] if percent and isinstance(value, str) else value)
    return found / 100 if percent and found is not None else found


def seconds(value: object) -> float | None:
    """The number of seconds, at most a year."""
    found = number(value)
    return found if found is not None and 0 <= found <= LONGEST else None


def truth(value: object) -> bool | None:
    """Whether it is true or false."""
    if isinstance(value, str):
        return _TRUTH.get(value.lower())
    return value if isinstance(value, bool) else None


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also for one that is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Read foreign data; data of another form than `what` raises ValueError, as invalid JSON does."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"it is no {what} as expected: {type(error).__name__} ({error})") from error


def show(value: object) -> str:
    """The value for a message."""
    if value is None:
        return "missing"
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        text = f"a {type(value).__name__} that is too large to be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."
