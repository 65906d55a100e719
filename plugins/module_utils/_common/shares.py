# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact shares of the requests in percent: weights of 2 and 1 are two thirds and one third. Pure.

Envoy splits requests by weight / sum for any sum. A whole percentage is an `int`, any other one a `Percent`, which
calculates as a fraction and prints as 66.67.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

DIGITS = 2  # after the point; more where it would read 0 or 100 otherwise
LARGEST = 1_000_000  # the sum of weights up to which a share can be read from its text


class Percent(Fraction):
    """A share that is not a whole percentage."""

    def __str__(self) -> str:
        return f"{number(self):.10g}"

    def __format__(self, spec: str) -> str:
        return format(number(self), spec or ".10g")


Share: TypeAlias = "int | Percent"


def share_of(weight: int, whole: int) -> Share:
    """The percentage of a weight in a sum, which is not 0."""
    return exact(Fraction(100 * weight, whole))


def exact(value: float | Fraction) -> Share:
    """The share for a number that was written as a decimal of full length."""
    fraction = Fraction(value).limit_denominator(LARGEST)
    return fraction.numerator if fraction.denominator == 1 else Percent(fraction)


def rest_of(share: Share) -> Share:
    """The share of all other requests."""
    return exact(Fraction(100) - share)


def number(share: Share) -> int | float:
    """The share for users and JSON: rounded, but 0 and 100 only if it is exactly that."""
    if isinstance(share, int):
        return share
    digits = DIGITS
    while round(float(share), digits) in (0, 100) and digits < 10:
        digits += 1
    return round(float(share), digits)


def numbers(shares: Mapping[str, Share]) -> dict[str, int | float]:
    """Shares for JSON."""
    return {name: number(share) for name, share in shares.items()}


def said(shares: Mapping[str, Share] | Mapping[str, float]) -> str:
    """Shares for a message."""
    return ", ".join(f"{name} {share:.10g} %" for name, share in shares.items())
