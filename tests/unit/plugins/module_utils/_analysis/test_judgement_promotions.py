# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand promotions of a good version, of a bad one, and of one that shares its failures, looked at all the time.

The seed is fixed: these tests fail for a change of the code, never by chance.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import Criteria
from ansible_collections.progressive.istio.plugins.module_utils._analysis.judgement import Judgement, judge
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Counts, Sample, VersionCounts

CRITERIA = Criteria(latency=None)

Rate = Callable[[int], float]  # of the failures at a moment, by the number of the request


def promote(dice: random.Random, weight: float, requests: int, stable: Rate, canary: Rate) -> tuple[Judgement, bool]:
    """The verdict of a step with so many requests to the canary, and whether it would have passed at any time.

    Each failure of the canary is looked at before and after: there the evidence is at its lowest and its highest, so
    these judgements see all that one at each request would.
    """
    sent, failed = [0, 0], [0, 0]
    passed = False
    for number in range(round(requests / weight)):
        version = dice.random() < weight
        broke = dice.random() < (canary if version else stable)(number)
        if broke and version:
            passed = passed or judged(sent, failed).result == "pass"
        sent[version] += 1
        failed[version] += broke
        if broke and version:
            found = judged(sent, failed)
            if found.result == "fail":
                return found, passed
    found = judged(sent, failed)
    return found, passed or found.result == "pass"


def judged(sent: list[int], failed: list[int]) -> Judgement:
    stable, canary = (VersionCounts(name, Sample(sent[i], failed[i])) for i, name in enumerate(("v1", "v2")))
    return judge(CRITERIA, Counts(canary, stable))


def outcomes(promotions: int, weight: float, requests: int, stable: Rate, canary: Rate) -> dict[str, float]:
    """How many promotions of a hundred came out so."""
    dice = random.Random(20260131)
    found: Counter[str] = Counter(fail=0)
    for _promotion in range(promotions):
        verdict, passed = promote(dice, weight, requests, stable, canary)
        found[verdict.result] += 1
        found["ever passed"] += passed
        found["baseline"] += "the baseline is bad" in verdict.why
    return {name: 100 * number / promotions for name, number in found.items()}


def always(rate: float) -> Rate:
    return lambda _number: rate


def outage(number: int) -> float:
    """What both depend on is away for a while: nearly all requests fail, then none, then nearly all."""
    return 0.9 if number % 400 < 60 else 0.001


def test_a_good_version_is_rarely_rolled_back() -> None:
    """Just within the limit, where it is hardest: each of the two checks that may fail it may do so in 1 %."""
    assert outcomes(1000, 0.2, 300, always(0.01), always(0.01))["fail"] <= 2


def test_a_usual_version_passes() -> None:
    found = outcomes(1000, 0.2, 200, always(0.002), always(0.002))
    assert found["fail"] <= 0.2
    assert found["pass"] >= 95


def test_a_bad_version_is_rarely_missed() -> None:
    """At the limit where it is bad, and even if the soak ends at the moment that is best for it."""
    found = outcomes(1000, 0.2, 400, always(0.002), always(0.05))
    assert found["ever passed"] <= 5
    assert found["fail"] >= 95


@pytest.mark.parametrize("weight", [0.2, 0.5])
def test_what_both_share_is_not_put_to_the_canarys_account(weight: float) -> None:
    found = outcomes(200, weight, 150, always(0.1), always(0.1))
    assert found["fail"] <= 2
    assert found["baseline"] >= 90


def test_nor_is_what_comes_and_goes_for_both() -> None:
    assert outcomes(200, 0.2, 120, outage, outage)["fail"] <= 2


def test_three_failures_in_a_row_can_fail_a_good_version() -> None:
    """One pod of a canary that is good on the whole: the error rates are those of independent requests."""
    assert [judged([12, number], [0, number]).result for number in (2, 3)] == ["inconclusive", "fail"]
