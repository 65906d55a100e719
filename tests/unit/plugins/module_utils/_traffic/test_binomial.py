# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import (
    Range,
    acceptance_range,
    p_value,
    tails,
)
from hypothesis import given
from hypothesis import strategies as st

# The acceptance counts of the canary: weight, confidence, then one range for each number of requests.
REQUESTS = (50, 200, 500, 1000, 2000)
TABLE = (
    (0.01, 0.95, "0-2 0-5 1-10 4-17 12-29"),
    (0.01, 0.999, "0-4 0-8 0-14 2-22 7-36"),
    (0.05, 0.95, "0-6 4-16 16-35 37-64 81-120"),
    (0.05, 0.999, "0-9 2-21 11-42 29-74 69-133"),
    (0.10, 0.95, "1-9 12-29 37-64 82-119 174-227"),
    (0.10, 0.999, "0-13 8-35 29-73 70-132 157-245"),
    (0.20, 0.95, "5-16 29-51 83-118 176-225 365-435"),
    (0.20, 0.999, "2-20 22-59 72-130 159-243 342-460"),
    (0.50, 0.95, "18-32 86-114 228-272 469-531 956-1044"),
    (0.50, 0.999, "14-36 77-123 213-287 448-552 926-1074"),
)
CASES = [
    (p, confidence, n, text) for p, confidence, row in TABLE for n, text in zip(REQUESTS, row.split(), strict=True)
]


@pytest.mark.parametrize(("p", "confidence", "n", "expected"), CASES)
def test_acceptance_range_table(p: float, confidence: float, n: int, expected: str) -> None:
    assert str(acceptance_range(n, p, confidence)) == expected


@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [
        (0, 0.2, Range(0, 0)),
        (50, 0.0, Range(0, 0)),
        (50, 1.0, Range(50, 50)),
        (1, 0.5, Range(0, 1)),
        (1_000_000, 0.2, Range(198_685, 201_317)),
        (1_000_000, 1e-9, Range(0, 1)),
        (1_000_000, 1 - 1e-9, Range(999_999, 1_000_000)),
    ],
)
def test_acceptance_range_edges(n: int, p: float, expected: Range) -> None:
    assert acceptance_range(n, p) == expected


@given(n=st.integers(0, 120), percent=st.integers(0, 100), count=st.integers(-2, 122))
def test_tails_are_those_of_exact_arithmetic(n: int, percent: int, count: int) -> None:
    p = Fraction(percent, 100)
    exact = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    below, above = tails(count, n, float(p))
    assert below == pytest.approx(float(sum(exact[: max(0, count + 1)])), rel=1e-9, abs=1e-300)
    assert above == pytest.approx(float(sum(exact[max(0, count) :])), rel=1e-9, abs=1e-300)


@given(n=st.integers(0, 3000), p=st.floats(0, 1), confidence=st.sampled_from((0.5, 0.9, 0.95, 0.99, 0.999, 0.999999)))
def test_range_holds_exactly_the_counts_whose_p_value_exceeds_alpha(n: int, p: float, confidence: float) -> None:
    accepted = acceptance_range(n, p, confidence)
    for count in {accepted.low - 1, accepted.low, accepted.high, accepted.high + 1} & set(range(n + 1)):
        assert (count in accepted) == (p_value(count, n, p) > 1 - confidence)


@given(n=st.integers(0, 3000), percent=st.integers(0, 100))
def test_two_versions_mirror_each_other(n: int, percent: int) -> None:
    canary, stable = acceptance_range(n, percent / 100), acceptance_range(n, (100 - percent) / 100)
    assert (stable.low, stable.high) == (n - canary.high, n - canary.low)


def test_p_value_of_far_counts_keeps_its_digits() -> None:
    assert p_value(50, 50, 0.2) == pytest.approx(2 * 0.2**50, rel=1e-9)
    assert p_value(10, 50, 0.2) == 1.0


@pytest.mark.parametrize(("n", "p"), [(-1, 0.5), (10, -0.1), (10, 1.1)])
def test_no_such_distribution(n: int, p: float) -> None:
    with pytest.raises(ValueError, match=f"n = {n} and p = {p}"):
        acceptance_range(n, p)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        acceptance_range(10, 0.5, confidence)
