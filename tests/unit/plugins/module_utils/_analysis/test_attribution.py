# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures without a name accuse the canary only if it is heard of too seldom, and rightly so with a known chance."""

from __future__ import annotations

import random
from math import comb, exp, inf, log

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.attribution import (
    Attribution,
    _likeliest,
    _likelihood,
    log_evidence_by_split,
)
from hypothesis import given
from hypothesis import strategies as st

FAILED = log(100)  # what fails a version at an alpha of 0.01
SHARES = (0.05, 0.2, 0.5, 0.8)


@st.composite
def blends(draw: st.DrawFn, most: int = 300) -> Attribution:
    counts = [draw(st.integers(0, most)) for _count in range(3)]
    return Attribution(*counts, draw(st.sampled_from(SHARES)))


@pytest.mark.parametrize(("share", "requests"), [(0.05, 140), (0.2, 40), (0.5, 20), (0.8, 25)])
def test_how_soon_a_canary_without_answers_fails(share: float, requests: int) -> None:
    def evidence(number: int) -> float:
        failed = round(number * share)
        return log_evidence_by_split(Attribution(0, number - failed, failed, share))

    even = range(0, 200, round(1 / min(share, 1 - share)))  # numbers of which the share is a whole one
    assert next(number for number in even if evidence(number) >= FAILED) == requests


@pytest.mark.parametrize("share", SHARES)
def test_failures_of_both_are_held_against_neither(share: float) -> None:
    for requests in (20, 200, 2000):
        canary, others = round(requests * share * 0.9), round(requests * (1 - share) * 0.9)
        assert log_evidence_by_split(Attribution(canary, others, requests - canary - others, share)) < 0


@given(blends())
def test_the_hypothesis_is_given_its_best(seen: Attribution) -> None:
    if not seen.requests:
        assert log_evidence_by_split(seen) == 0
        return
    rates = _likeliest(seen)
    assert 0 <= rates[0] <= rates[1] <= 1
    allowed = [(a / 20, b / 20) for a in range(21) for b in range(a, 21)]
    assert _likelihood(seen, *rates) >= max(_likelihood(seen, *each) for each in allowed) - 1e-9


@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 1.0])
def test_the_mean_of_the_evidence_is_at_most_one_under_the_hypothesis(share: float, rate: float) -> None:
    """The sum over all outcomes of 14 requests: what makes it an e-value."""
    n, mean = 14, 0.0
    chances = (share * (1 - rate), (1 - share) * (1 - rate), rate)
    for canary in range(n + 1):
        for others in range(n + 1 - canary):
            failed = n - canary - others
            ways = comb(n, canary) * comb(n - canary, others)
            chance = ways * chances[0] ** canary * chances[1] ** others * chances[2] ** failed
            mean += chance * exp(log_evidence_by_split(Attribution(canary, others, failed, share)))
    assert mean <= 1 + 1e-9


def test_a_good_canary_rarely_fails_however_often_it_is_judged() -> None:
    """Both fail alike, 3 %: of 100 runs of 1,000 requests, looked at after every 10, at most 1 % may accuse it."""
    draws = random.Random(20261124)
    accused = 0
    for _run in range(100):
        counts = [0, 0, 0]
        evidence = -inf
        for _look in range(100):
            for _request in range(10):
                failed, canary = draws.random() < 0.03, draws.random() < 0.2
                counts[2 if failed else 1 - canary] += 1
            evidence = max(evidence, log_evidence_by_split(Attribution(counts[0], counts[1], counts[2], 0.2)))
        accused += evidence >= FAILED
    assert accused <= 1
