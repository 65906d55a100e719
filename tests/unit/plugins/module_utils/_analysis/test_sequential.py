# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence is that of exact arithmetic, blames nobody whom the counts do not accuse, and grows with what is bad."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product
from math import comb, exp, log

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.sequential import (
    log_evidence_over_limit,
    log_evidence_worse,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Sample
from hypothesis import given
from hypothesis import strategies as st

FAILED = log(100)  # what fails a version at an alpha of 0.01


@st.composite
def samples(draw: st.DrawFn, most: int = 5000) -> Sample:
    requests = draw(st.integers(0, most))
    return Sample(requests, draw(st.integers(0, requests)))


@pytest.mark.parametrize(("bad", "requests"), [(1, 0), (-1, 3), (0, -1)])
def test_a_sample_has_no_more_bad_requests_than_requests(bad: int, requests: int) -> None:
    with pytest.raises(ValueError, match=f"{bad} of {requests} requests cannot be bad"):
        Sample(requests, bad)


@pytest.mark.parametrize(
    ("good", "bad", "failures", "clean"),
    [(0.005, 0.02, 4, 198), (0.01, 0.05, 3, 73), (0.001, 0.01, 2, 332)],
)
def test_how_soon_a_limit_decides(good: float, bad: float, failures: int, clean: int) -> None:
    """Failures in a row that fail a version, and requests without any that pass it, at alpha 0.01 and beta 0.05."""
    reached = [number for number in range(9) if log_evidence_over_limit(Sample(number, number), good, bad) >= FAILED]
    assert reached[0] == failures
    passed = [number for number in range(400) if log_evidence_over_limit(Sample(number), good, bad) <= log(0.05)]
    assert passed[0] == clean


@given(samples(), st.sampled_from([(0.01, 0.05), (0.001, 0.5)]))
def test_a_limit_is_a_likelihood_ratio(sample: Sample, rates: tuple[float, float]) -> None:
    logs = [sample.bad * log(rate) + (sample.requests - sample.bad) * log(1 - rate) for rate in rates]
    assert log_evidence_over_limit(sample, *rates) == pytest.approx(logs[1] - logs[0], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("weight", "failures"), [(0.01, 2), (0.05, 2), (0.2, 3), (0.5, 5), (0.8, 11), (0.95, 33)])
def test_how_soon_a_canary_that_always_fails_is_worse_than_a_clean_stable(weight: float, failures: int) -> None:
    def evidence(number: int) -> float:
        return log_evidence_worse(Sample(round(number * (1 - weight) / weight)), Sample(number, number))

    assert evidence(failures - 1) < FAILED <= evidence(failures)


@given(samples(), samples(), st.floats(1, 5))
def test_no_evidence_against_a_canary_that_is_no_worse(stable: Sample, canary: Sample, ratio: float) -> None:
    if canary.bad * stable.requests <= ratio * stable.bad * canary.requests:
        assert log_evidence_worse(stable, canary, ratio) <= 1e-6


@given(samples(), samples(), st.floats(1, 5))
def test_evidence_grows_with_what_is_bad(stable: Sample, canary: Sample, ratio: float) -> None:
    """It never falls while a tenth of the canary's requests succeed. Where nearly all fail it may, by 1 - ln 2 at most:
    the mixture expects half a success or failure more than was seen, and the hypothesis may fit the counts as they are.
    """
    evidence = log_evidence_worse(stable, canary, ratio)
    assert log_evidence_worse(stable, canary, ratio + 0.5) <= evidence + 1e-6
    if evidence > 0 and canary.bad < canary.requests:
        more = log_evidence_worse(stable, Sample(canary.requests, canary.bad + 1), ratio)
        nearly_all = canary.bad + 1 > 0.9 * canary.requests
        assert more >= evidence - (1 - log(2) if nearly_all else 0) - 1e-6
    if evidence > 0 and stable.bad < stable.requests:
        assert log_evidence_worse(Sample(stable.requests, stable.bad + 1), canary, ratio) <= evidence + 1e-6


def test_evidence_falls_by_almost_that_much_where_nearly_all_fail() -> None:
    stable = Sample(13)
    fall = log_evidence_worse(stable, Sample(5000, 4999), 3) - log_evidence_worse(stable, Sample(5000, 5000), 3)
    assert 0.3 < fall < 1 - log(2)


@pytest.mark.parametrize("ratio", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_the_mean_of_the_evidence_is_at_most_one_under_the_hypothesis(ratio: float, rate: float) -> None:
    """The sum over all outcomes of 9 requests to each version: what makes it an e-value."""
    n = 9

    def chance(k: int, p: float) -> float:
        return comb(n, k) * p**k * (1 - p) ** (n - k)

    mean = sum(
        chance(one, rate) * chance(two, rate * ratio) * exp(log_evidence_worse(Sample(n, one), Sample(n, two), ratio))
        for one, two in product(range(n + 1), repeat=2)
    )
    assert mean <= 1


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_hypothesis_is_given_its_best(ratio: int) -> None:
    """No rate that it allows explains the counts better than the one that it is judged by."""
    stable, canary = Sample(40, 2), Sample(20, 9)

    def mixed(sample: Sample, priors: list[tuple[Fraction, int]]) -> Fraction:
        """The mean of the likelihood over Beta(1/2, b - 1/2 or b) priors, in exact arithmetic."""
        total = Fraction(0)
        for weight, twice in priors:
            term = weight
            for each in range(sample.bad):
                term *= (Fraction(1, 2) + each) / (Fraction(1 + twice, 2) + each)
            for each in range(sample.requests - sample.bad):
                term *= (Fraction(twice, 2) + each) / (Fraction(1 + twice, 2) + sample.bad + each)
            total += term
        return total

    half = Fraction(1, 2)
    alternative = mixed(stable, [(Fraction(1), 100)]) * mixed(canary, [(half, 100), (half, 1)])
    best = max(
        (p**stable.bad * (1 - p) ** (stable.requests - stable.bad))
        * ((ratio * p) ** canary.bad * (1 - ratio * p) ** (canary.requests - canary.bad))
        for p in (step / 20000 for step in range(1, 20000 // ratio))
    )
    assert exp(log_evidence_worse(stable, canary, ratio)) == pytest.approx(float(alternative) / best, rel=1e-4)


def test_a_canary_that_turns_bad_after_a_long_good_time_is_soon_worse() -> None:
    before, stable = Sample(10_000, 20), Sample(40_000, 80)
    failures = next(
        number
        for number in range(1000)
        if log_evidence_worse(stable, Sample(before.requests + number, before.bad + number)) >= FAILED
    )
    assert failures <= 30


def test_the_limit_alone_rarely_fails_a_version_just_within_it() -> None:
    """A thousand of 1 % errors, looked at after each of 2 000 requests, with a fixed seed."""
    dice = random.Random(20260131)

    def ever_fails() -> bool:
        failures = [number for number in range(2000) if dice.random() < 0.01]
        return any(
            log_evidence_over_limit(Sample(at + 1, bad), 0.01, 0.05) >= FAILED for bad, at in enumerate(failures, 1)
        )

    assert sum(ever_fails() for _trial in range(1000)) <= 10
