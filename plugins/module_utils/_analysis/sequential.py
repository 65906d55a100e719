# SPDX-License-Identifier: GPL-3.0-or-later
"""Log evidence against a version that stays valid however often it is evaluated (sequential tests). Pure.

Both functions return the logarithm of an e-value: a quantity whose mean is at most 1 when the hypothesis that it speaks
against is true, at any time and under any stopping rule. By Ville's inequality the chance that it *ever*
reaches 1 / alpha is then at most alpha (Ramdas, Gruenwald, Vovk, Shafer: Game-theoretic statistics and safe
anytime-valid inference, Statistical Science 38, 2023). A p-value has no such bound: evaluated ten times a second
it rejects every hypothesis in the end.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p, sqrt

from .._metrics.counts import Sample

# Weighted Beta(a, b) priors of the rates. They change how soon a verdict comes, never how often it is wrong: stable
# rarely fails, and a canary fails as rarely or at any rate.
_STABLE = ((1.0, 0.5, 50.0),)
_CANARY = ((0.5, 0.5, 50.0), (0.5, 0.5, 0.5))


def log_evidence_over_limit(sample: Sample, good: float, bad: float) -> float:
    """Wald's log-likelihood ratio of a rate `bad` against a rate `good`, 0 < good < bad < 1.

    It reaches ln(1 / alpha) with a chance of at most alpha if the rate is `good` or less, and falls to ln(beta) with a
    chance of at most beta if it is `bad` or more. Wald's own bounds, ln((1 - beta) / alpha) and ln(beta / (1 - alpha)),
    are slightly tighter (Sequential Tests of Statistical Hypotheses, 1945), but hold only for a test that stops at the
    first bound it reaches; these also hold for a test that continues after a pass, as a soak does.
    """
    return sample.bad * log(bad / good) + (sample.requests - sample.bad) * log((1 - bad) / (1 - good))


def log_evidence_worse(stable: Sample, canary: Sample, ratio: float = 1.0) -> float:
    """The log e-value against the hypothesis that the canary's rate is at most `ratio` (1 or more) times stable's.

    By universal inference (Wasserman, Ramdas, Balakrishnan: Universal inference, PNAS 117, 2020): the likelihood of
    the counts under a mixture of rates, divided by the highest that the hypothesis allows. It needs neither the weights
    nor the number of requests in advance, and stays valid for rates that change in both versions alike, since Envoy
    chooses the version before the result is known. So failures of a shared dependency are not held against the canary.
    """
    return _mixed(stable, _STABLE) + _mixed(canary, _CANARY) - _highest(stable, canary, ratio)


def _mixed(sample: Sample, priors: tuple[tuple[float, float, float], ...]) -> float:
    """The log likelihood of a sample whose rate is drawn from these priors."""
    good = sample.requests - sample.bad
    terms = [log(weight) + _beta(a + sample.bad, b + good) - _beta(a, b) for weight, a, b in priors]
    top = max(terms)
    return top + log(sum(exp(term - top) for term in terms))


def _beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _highest(stable: Sample, canary: Sample, ratio: float) -> float:
    """The highest log likelihood with a canary's rate of at most `ratio` times that of stable.

    If the observed rates violate that, it lies where the canary's rate is just `ratio` times that of stable, at the
    smaller root of a quadratic (Miettinen, Nurminen: Comparative analysis of two rates, Statistics in Medicine 4,
    1985).
    """
    if canary.bad * stable.requests <= ratio * stable.bad * canary.requests:
        return _likelihood(stable, stable.share) + _likelihood(canary, canary.share)
    requests, bad = stable.requests + canary.requests, stable.bad + canary.bad
    middle = stable.requests + canary.bad + ratio * (canary.requests + stable.bad)
    rate = 2 * bad / (middle + sqrt(max(0.0, middle * middle - 4 * ratio * requests * bad)))
    return _likelihood(stable, rate) + _likelihood(canary, min(1.0, ratio * rate))


def _likelihood(sample: Sample, rate: float) -> float:
    good = sample.requests - sample.bad
    return (sample.bad * log(rate) if sample.bad else 0.0) + (good * log1p(-rate) if good else 0.0)
