# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether failures that name no version are the canary's, from the split of all other answers. Pure.

The client does not see which version failed. But Envoy chooses the version of each request by the weights, before the
result is known. With the canary's share w of the requests, its unnamed failure rate c and that of the other versions s,
a request is

    an answer of the canary       with probability  w (1 - c)
    an answer of another version  with probability  (1 - w) (1 - s)
    a failure without a name      with probability  w c + (1 - w) s

so a canary that answers less often than its share is failing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import exp, inf, log

# Priors of the two rates: value and weight. They change how soon a verdict comes, never how often it is wrong: most
# versions rarely fail, and a canary fails as rarely or at any rate.
_CANARY = (
    *((0.0, 0.3), (0.001, 0.1), (0.005, 0.1), (0.02, 0.06), (0.05, 0.06)),
    *((0.1, 0.06), (0.2, 0.06), (0.4, 0.06), (0.7, 0.06), (1.0, 0.14)),
)
_OTHERS = ((0.0, 0.5), (0.001, 0.15), (0.005, 0.15), (0.02, 0.1), (0.1, 0.05), (0.3, 0.03), (1.0, 0.02))


@dataclass(frozen=True)
class Attribution:
    """Answers of the canary and of others, unnamed failures, and the canary's share of all requests: 0 < share < 1."""

    canary: int
    others: int
    failed: int
    share: float

    @property
    def requests(self) -> int:
        """All requests."""
        return self.canary + self.others + self.failed


def log_evidence_by_split(seen: Attribution) -> float:
    """The log e-value against the hypothesis that the canary's failure rate is no higher than that of the others.

    By universal inference, as in `sequential`: the likelihood under a mixture of rates, divided by the highest that the
    hypothesis allows. It holds at any time, and for rates that change in all versions alike.
    """
    return _mixed(seen) - _likelihood(seen, *_likeliest(seen)) if seen.requests else 0.0


def _likeliest(seen: Attribution) -> tuple[float, float]:
    """The rates with the highest likelihood that the hypothesis allows: as it is concave, the maximum itself, or a
    point on the border, where both are equal or the canary's is 0.
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
