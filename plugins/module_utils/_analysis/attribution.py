# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Whose the failures are that name no version, as far as the split of all other answers tells. Pure.

Nobody sees from outside which version has failed. But Envoy draws the version of each request by the weights, without
knowing how it will end. So with the canary's share w of the requests, of which it fails a part c and the other versions
a part s of theirs without a name, a request is

    an answer of the canary       with probability  w (1 - c)
    an answer of another version  with probability  (1 - w) (1 - s)
    a failure without a name      with probability  w c + (1 - w) s

and a canary that is heard of less often than its share accuses itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import exp, inf, log

# What the two parts are taken to be before anything is seen: value and weight. They change how soon a verdict comes,
# never how often it is wrong: most versions fail seldom, and a canary fails as seldom or at any rate.
_CANARY = (
    *((0.0, 0.3), (0.001, 0.1), (0.005, 0.1), (0.02, 0.06), (0.05, 0.06)),
    *((0.1, 0.06), (0.2, 0.06), (0.4, 0.06), (0.7, 0.06), (1.0, 0.14)),
)
_OTHERS = ((0.0, 0.5), (0.001, 0.15), (0.005, 0.15), (0.02, 0.1), (0.1, 0.05), (0.3, 0.03), (1.0, 0.02))


@dataclass(frozen=True)
class Attribution:
    """Answers of the canary and of others, failures without a name, and the canary's share of all: 0 < share < 1."""

    canary: int
    others: int
    failed: int
    share: float

    @property
    def requests(self) -> int:
        """All of them."""
        return self.canary + self.others + self.failed


def log_evidence_by_split(seen: Attribution) -> float:
    """The log e-value against: the canary fails no larger part of its requests than the other versions of theirs.

    By universal inference, as in _evidence: the likelihood under a mixture of rates, divided by the highest that the
    hypothesis allows. It holds at any time, and for rates that change while all versions share them.
    """
    return _mixed(seen) - _likelihood(seen, *_likeliest(seen)) if seen.requests else 0.0


def _likeliest(seen: Attribution) -> tuple[float, float]:
    """The rates with the highest likelihood that the hypothesis allows. It is concave, so they are the best of all, or
    lie on the border: both the same, or the canary's 0.
    """
    canary = 1 - seen.canary / (seen.share * seen.requests)
    others = 1 - seen.others / ((1 - seen.share) * seen.requests)
    if canary > others:
        return seen.failed / seen.requests, seen.failed / seen.requests
    if canary < 0:
        return 0.0, seen.failed / ((seen.failed + seen.others) or 1)
    return canary, others


def _mixed(seen: Attribution) -> float:
    """The log likelihood under the mixture."""
    terms = [
        log(weight * other_weight) + _likelihood(seen, rate, other)
        for (rate, weight), (other, other_weight) in product(_CANARY, _OTHERS)
    ]
    top = max(terms)
    return top + log(sum(exp(term - top) for term in terms))


def _likelihood(seen: Attribution, canary: float, others: float) -> float:
    chances = (
        (seen.canary, seen.share * (1 - canary)),
        (seen.others, (1 - seen.share) * (1 - others)),
        (seen.failed, seen.share * canary + (1 - seen.share) * others),
    )
    return sum(_times_log(number, chance) for number, chance in chances)


def _times_log(number: int, chance: float) -> float:
    if not number:
        return 0.0
    return number * log(chance) if chance > 0 else -inf
