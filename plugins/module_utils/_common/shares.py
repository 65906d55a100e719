# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Percent of the requests, exact: weights of 2 and 1 are two thirds and one third. Pure.

Envoy splits requests by weight / sum, whatever the sum is. A share that is a whole percentage is an `int`, any other
one a `Percent`, which calculates as the fraction that it is and reads as 66.67.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

DIGITS = 2  # after the point, where that does not make 0 or 100 of what is neither
LARGEST = 1_000_000  # a sum of weights up to which a share is found again in its text


class Percent(Fraction):
    """A share that is no whole percentage."""

    def __str__(self) -> str:
        return f"{number(self):.10g}"

    def __format__(self, spec: str) -> str:
        return format(number(self), spec or ".10g")


Share: TypeAlias = "int | Percent"


def share_of(weight: int, whole: int) -> Share:
    """The percentage that a weight is of a whole, which is not 0."""
    return exact(Fraction(100 * weight, whole))


def exact(value: float | Fraction) -> Share:
    """The share that a number stands for which was written as a decimal of full length."""
    fraction = Fraction(value).limit_denominator(LARGEST)
    return fraction.numerator if fraction.denominator == 1 else Percent(fraction)


def rest_of(share: Share) -> Share:
    """What it leaves of all requests."""
    return exact(Fraction(100) - share)


def number(share: Share) -> int | float:
    """The share as people and JSON have it: rounded, but 0 and 100 are only what is exactly that."""
    if isinstance(share, int):
        return share
    digits = DIGITS
    while round(float(share), digits) in (0, 100) and digits < 10:
        digits += 1
    return round(float(share), digits)


def numbers(shares: Mapping[str, Share]) -> dict[str, int | float]:
    """Shares as JSON has them."""
    return {name: number(share) for name, share in shares.items()}


def said(shares: Mapping[str, Share]) -> str:
    """Shares as people read them."""
    return ", ".join(f"{name} {share} %" for name, share in shares.items())
