# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact binomial distribution: which counts a weight explains, and how unlikely an observed count is.

Envoy draws a version for each request independently, so of n requests Binomial(n, p) reach a version of weight p. A
normal approximation is wrong where a canary starts: at a small weight with few requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, takewhile
from math import fsum
from operator import add, mul

_NEGLIGIBLE = 1e-300  # relative to the likeliest count; bounds the work to 37 standard deviations on each side


@dataclass(frozen=True)
class Range:
    """The counts from low to high, both included."""

    low: int
    high: int

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


def acceptance_range(n: int, p: float, confidence: float = 0.999) -> Range:
    """The central acceptance range of Binomial(n, p): each tail outside it holds at most (1 - confidence) / 2.

    Low is the smallest count k with P(X <= k) > alpha / 2, high the largest with P(X >= k) > alpha / 2, where alpha is
    1 - confidence: the counts with a p_value above alpha. The Clopper-Pearson interval answers the inverse question,
    which weights explain a count.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, and is {confidence}")
    first, probabilities = _probabilities(n, p)
    tail = (1 - confidence) / 2
    below = next(i for i, total in enumerate(accumulate(probabilities)) if total > tail)
    above = next(i for i, total in enumerate(accumulate(reversed(probabilities))) if total > tail)
    return Range(first + below, first + len(probabilities) - 1 - above)


def tails(count: int, n: int, p: float) -> tuple[float, float]:
    """P(X <= count) and P(X >= count) of Binomial(n, p)."""
    first, probabilities = _probabilities(n, p)
    at = count - first
    below = probabilities[: max(0, at + 1)]
    above = probabilities[max(0, at) :]
    return reduce(add, below, 0.0), reduce(add, reversed(above), 0.0)


def p_value(count: int, n: int, p: float) -> float:
    """The probability of a count at least as far out, on either side: twice the smaller tail, at most 1."""
    return min(1.0, 2 * min(tails(count, n, p)))


def _probabilities(n: int, p: float) -> tuple[int, list[float]]:
    """The first count with a probability that is not negligible, and the probabilities from there on.

    They are built outward from the likeliest count by the ratio of neighbours and then divided by their sum, so nothing
    can overflow or cancel for any n.
    """
    if n < 0 or not 0 <= p <= 1:
        raise ValueError(f"a binomial distribution needs n >= 0 and 0 <= p <= 1, and got n = {n} and p = {p}")
    if p in (0, 1):
        return n * round(p), [1.0]
    mode = min(n, int((n + 1) * p))
    odds = p / (1 - p)
    upward = _products((n - k + 1) / k * odds for k in range(mode + 1, n + 1))
    downward = _products((k + 1) / (n - k) / odds for k in range(mode - 1, -1, -1))
    relative = [*reversed(downward), 1.0, *upward]
    total = fsum(relative)
    return mode - len(downward), [term / total for term in relative]


def _products(ratios: Iterable[float]) -> list[float]:
    """The running product of the ratios, while it is not negligible."""
    return list(takewhile(lambda term: term > _NEGLIGIBLE, accumulate(ratios, mul)))
