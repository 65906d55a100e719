# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on counts, with its numbers and one sentence why. Pure.

    judge(criteria, counts, answers) -> Judgement

A verdict may be asked for at any time. If requests fail independently, the chance that a good version fails at one
weight, however often it is judged, is at most the sum of the checks' alphas, and the chance that a bad one passes the
check that it violates at most that check's beta. Each weight is a test of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._metrics.counts import Counts
from .._metrics.histogram import quantile
from .._release.state import Result, Verdict
from . import checks
from .checks import Check
from .criteria import Criteria, Limit, OnInconclusive

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Judgement:
    """A verdict. why: one sentence; percentiles: p50, p95 and p99 in milliseconds by version, for display."""

    result: Result
    why: str
    checks: tuple[Check, ...] = ()
    percentiles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def verdict(self, now: datetime, soaked: datetime, deadline: datetime, otherwise: OnInconclusive) -> Verdict | None:
        """The final verdict; None while it may still change.

        A failure is final at once, a pass once the weight has soaked, and an inconclusive judgement at the deadline,
        when it is treated as `otherwise` says.
        """
        if self.result == "fail" or (self.result == "pass" and now >= soaked):
            return Verdict(self.result, self.why, now)
        if self.result == "pass" or now < deadline:
            return None
        if otherwise == "rollback":
            return Verdict("fail", f"inconclusive: {self.why}; on_inconclusive is rollback", now)
        return Verdict("inconclusive", self.why, now)

    def facts(self) -> dict[str, Any]:
        """For a module's result."""
        return {
            "result": self.result,
            "why": self.why,
            "checks": [
                {"name": each.name, "result": each.result, "why": each.why, "dry_run": each.dry_run, **each.numbers}
                for each in self.checks
            ],
            "percentiles": {version: dict(found) for version, found in self.percentiles.items()},
        }


def judge(criteria: Criteria, counts: Counts, answers: Mapping[str, float | str] | None = None) -> Judgement:
    """Judge the canary: it fails if one check fails, and passes if all pass. A dry run never decides.

    counts: since its weight is live. answers: to the custom queries, by name; text says why there is no number.
    """
    return _combined(_checked(criteria, counts, answers or {}), _percentiles(counts))


def undecided(why: str) -> Judgement:
    """The judgement where nothing could be counted."""
    return Judgement("inconclusive", why)


def _checked(criteria: Criteria, counts: Counts, answers: Mapping[str, float | str]) -> tuple[Check, ...]:
    minimum = criteria.minimum_requests
    found: list[Check] = []
    if criteria.success:
        found.append(checks.errors(criteria.success, counts, minimum))
    if criteria.worse_than_stable:
        found.append(checks.worse_than_stable(criteria.worse_than_stable, counts, minimum))
    if criteria.latency:
        found.append(checks.latency(criteria.latency, counts, minimum))
    if criteria.unattributed:
        found.append(checks.unattributed(criteria.unattributed, criteria.success or Limit(), counts))
    return (*found, *(checks.custom(query, answers.get(query.name)) for query in criteria.queries))


def _combined(found: tuple[Check, ...], percentiles: Mapping[str, Mapping[str, float]]) -> Judgement:
    deciding = [check for check in found if not check.dry_run]
    for result in ("fail", "inconclusive"):
        reasons = [check.why for check in deciding if check.result == result]
        if reasons:
            return Judgement(result, "; ".join(dict.fromkeys(reasons)), found, percentiles)
    passed = "; ".join(check.why for check in deciding) or "all checks are dry runs"
    return Judgement("pass", passed, found, percentiles)


def _percentiles(counts: Counts) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for version in (counts.stable, counts.canary):
        if version:
            quantiles = {f"p{each}": quantile(version.buckets, each / 100) for each in PERCENTILES}
            found[version.name] = {name: value for name, value in quantiles.items() if value is not None}
    return found
