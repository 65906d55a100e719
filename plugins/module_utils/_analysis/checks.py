# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a version: each takes counts and returns a result with its numbers. Pure.

Each may be evaluated at any time and as often as needed, see `sequential`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, isnan, log
from typing import Any

from .._common.text import plural
from .._metrics.counts import Counts, Sample, VersionCounts
from .._metrics.histogram import slower_than
from .._release.state import Result
from .attribution import Attribution, log_evidence_by_split
from .criteria import Comparison, Latency, Limit, Query, Unattributed
from .sequential import log_evidence_over_limit, log_evidence_worse


@dataclass(frozen=True)
class Check:
    """The result of one check. why: a clause; numbers: its basis; dry_run: it is only reported."""

    name: str
    result: Result
    why: str
    dry_run: bool = False
    numbers: Mapping[str, Any] = field(default_factory=dict)


def errors(limit: Limit, counts: Counts, minimum: int) -> Check:
    """Whether more requests to the canary fail than the limit allows."""
    stable = counts.stable.answers if counts.stable else None
    return _within("errors", "failed", limit, counts, counts.canary.answers, stable, minimum)


def latency(options: Latency, counts: Counts, minimum: int) -> Check:
    """Whether more requests to the canary are slow than the limit allows."""
    threshold, limit = options.threshold_ms, options.limit
    canary = slower_than(counts.canary.buckets, threshold)
    stable = slower_than(counts.stable.buckets, threshold) if counts.stable else None
    if canary is None or (stable is None and counts.stable):
        why = f"the proxies count no latencies at {threshold:g} ms: their buckets are not Envoy's own"
        return Check("latency", "inconclusive", why, limit.dry_run)
    found = _within("latency", f"took longer than {threshold:g} ms", limit, counts, canary, stable, minimum)
    for version, timed in ((counts.canary, canary), (counts.stable, stable)):
        if not version or not timed or version.answers.requests < minimum:
            continue
        # The proxies count latencies seconds late, so a few may be those of requests from before the weight.
        few = found.result == "inconclusive" and timed.requests < version.answers.requests / 2
        if few or not timed.requests:
            return replace(found, result="inconclusive", why=_untimed(version, timed, counts.untimed), numbers={})
    return found


def _untimed(version: VersionCounts, timed: Sample, why: str) -> str:
    answered = version.answers.requests
    number = f"{answered - timed.requests} of {answered} requests" if timed.requests else plural(answered, "request")
    return f"how long {number} to {version.name} took is unknown: {why or 'the proxies have not counted it yet'}"


def worse_than_stable(options: Comparison, counts: Counts, minimum: int) -> Check:
    """Whether more requests to the canary fail than to stable, even within the limit."""
    name, canary, stable = "worse_than_stable", counts.canary, counts.stable
    if stable is None:
        return Check(name, "pass", "there is no other version to compare with", options.dry_run)
    evidence = log_evidence_worse(stable.answers, canary.answers, options.max_ratio)
    numbers = {"evidence": evidence, "fails_at": options.fails_at, "max_ratio": options.max_ratio}
    if evidence >= options.fails_at:
        failed = f"{_of(canary.answers, canary.name)} failed, and {_of(stable.answers, stable.name)}"
        times = f" more than {options.max_ratio:g} times" if options.max_ratio > 1 else ""
        why = f"{canary.name} is{times} worse than {stable.name}: {failed}"
        return Check(name, "fail", why, options.dry_run, numbers)
    if canary.answers.requests < minimum:
        why = _too_few("failed", canary, canary.answers, minimum)
        return Check(name, "inconclusive", why, options.dry_run, numbers)
    return Check(name, "pass", f"{canary.name} is not shown to be worse than {stable.name}", options.dry_run, numbers)


def unattributed(options: Unattributed, limit: Limit, counts: Counts) -> Check:
    """Whether failures that belong to no version could be the canary's.

    They pass if the canary would be within its limit even if all of them were its own. They fail it if it would not,
    and there is evidence that they are, see _evidence_against. Where the proxies have endpoints of stable but none of
    the canary any more, it fails without counts.
    """
    if counts.unrouted:
        why = f"{counts.unrouted}: all requests to it fail, for whichever version; are its Gateway and hosts there?"
        return Check("unattributed", "inconclusive", why, options.dry_run)
    if counts.cut_off:
        return _cut_off(options, counts)
    name, canary, number = "unattributed", counts.canary, counts.unattributed
    own = Sample(canary.answers.requests + number, canary.answers.bad + number)
    others = counts.stable.answers.requests if counts.stable else 0
    now = Sample(own.requests + others, number)
    evidence = log_evidence_over_limit(own, limit.good, limit.bad)
    name_of_evidence, against, basis = _evidence_against(counts, now, others, evidence)
    numbers = {
        "failures": number,
        "evidence": evidence,
        "fails_at": limit.fails_at,
        "passes_at": limit.passes_at,
        name_of_evidence: against,
    }
    if counts.without_service:
        numbers["without_service"] = counts.without_service
    if not number:
        why = "every failure belongs to a version"
        if counts.without_service:
            why = f"{why}, but for {counts.without_service} in these proxies that name no service and may be of any"
        return Check(name, "pass", why, options.dry_run, numbers)
    failed = f"{_count(now)} requests failed and belong to no version"
    if evidence <= limit.passes_at:
        why = f"{failed}, and {canary.name} is within its limit even with them"
        return Check(name, "pass", why, options.dry_run, numbers)
    if min(evidence, against) >= limit.fails_at:
        return Check(name, "fail", f"{failed}, and {basis}", options.dry_run, numbers)
    why = f"{failed}: if they are {canary.name}'s it must not pass; see the logs of the gateways"
    return Check(name, "inconclusive", why, options.dry_run, numbers)


def _cut_off(options: Unattributed, counts: Counts) -> Check:
    """Where proxies have no healthy endpoint of a version any more, all its requests fail."""
    canary, stable = counts.canary.name, counts.stable.name if counts.stable else ""
    where = "; ".join(counts.cut_off.values())
    if canary in counts.cut_off and stable not in counts.cut_off:
        why = f"{where}: what is sent to {canary} fails there and belongs to no version"
        return Check("unattributed", "fail", why, options.dry_run)
    why = f"{where}: {canary} cannot be judged until that is fixed; are the subsets in their DestinationRule?"
    return Check("unattributed", "inconclusive", why, options.dry_run)


def custom(query: Query, answer: float | str | None) -> Check:
    """Whether a number is in its range. answer: text if there is no number, says why; None if not queried yet."""
    if not isinstance(answer, float) or isnan(answer):
        why = answer if isinstance(answer, str) else "it has no value yet"
        return Check(query.name, "inconclusive", f"{query.name} is unknown: {why}", query.dry_run)
    numbers = {"value": answer}
    if query.min <= answer <= query.max:
        return Check(query.name, "pass", f"{query.name} is {answer:g}", query.dry_run, numbers)
    bound = f"below its min of {query.min:g}" if answer < query.min else f"above its max of {query.max:g}"
    return Check(query.name, "fail", f"{query.name} is {answer:g}, {bound}", query.dry_run, numbers)


def _evidence_against(counts: Counts, now: Sample, others: int, all_its_own: float) -> tuple[str, float, str]:
    """The log evidence that failures without a version are the canary's: its name, its value and its basis.

    For probes it is that the canary answers less often than its known share; a canary that has all requests is the only
    one that can have failed. For users' requests it is that there were fewer such failures before it had its weight.
    all_its_own: the evidence against the canary if all of these failures are its own.
    """
    canary = counts.canary
    if counts.share is None:
        before = f"before {canary.name} had its weight it was {_count(counts.before)}"
        return "evidence_against_before", log_evidence_worse(counts.before, now), before
    if counts.share >= 1:
        return "evidence_against_split", all_its_own, f"{canary.name} has all requests"
    own = canary.answers.requests
    evidence = log_evidence_by_split(Attribution(own, others, now.bad, counts.share))
    answers = f"{canary.name} gave {own} of the {own + others} other answers"
    return "evidence_against_split", evidence, f"{answers}, where its share is {_percent(counts.share)}"


def _within(
    name: str, what: str, limit: Limit, counts: Counts, canary: Sample, stable: Sample | None, minimum: int
) -> Check:
    """Whether the bad requests of the canary are within a limit.

    It fails only if stable is shown to be better too, since both may fail by a shared dependency. Without requests to
    stable the limit alone decides, once the canary has had `minimum`.
    """
    evidence = log_evidence_over_limit(canary, limit.good, limit.bad)
    numbers: dict[str, Any] = {
        "requests": canary.requests,
        "bad": canary.bad,
        "share": canary.share,
        "limit": limit.good,
        "evidence": evidence,
        "fails_at": limit.fails_at,
        "passes_at": limit.passes_at,
    }
    found = f"{_of(canary, counts.canary.name)} {what}, {_percent(limit.good)} may"

    def check(result: Result, why: str) -> Check:
        return Check(name, result, why, limit.dry_run, numbers)

    if evidence >= limit.fails_at:
        if stable is None or counts.stable is None or (not stable.requests and canary.requests >= minimum):
            return check("fail", f"{found}, and there is no other version to compare with")
        against = _of(stable, counts.stable.name)
        numbers |= {"stable_requests": stable.requests, "stable_bad": stable.bad, "stable_share": stable.share}
        numbers["evidence_against_stable"] = log_evidence_worse(stable, canary)
        if numbers["evidence_against_stable"] >= limit.fails_at:
            return check("fail", f"{found}, and {against} did")
        if log_evidence_over_limit(stable, limit.good, limit.bad) >= limit.fails_at:
            remedy = "fix what both depend on, or set limits that the service can meet"
            return check("inconclusive", f"the baseline is bad: {found}, but {against} did as well: {remedy}")
        return check("inconclusive", f"{found}, but {counts.stable.name} is not shown to be better yet: {against} did")
    if canary.requests < minimum:
        return check("inconclusive", _too_few(what, counts.canary, canary, minimum))
    if evidence <= limit.passes_at:
        return check("pass", found)
    more = ceil((evidence - limit.passes_at) / log((1 - limit.good) / (1 - limit.bad)))
    return check("inconclusive", f"{found}: to pass it takes at least {plural(more, 'more request')} of which none did")


def _too_few(what: str, version: VersionCounts, sample: Sample, minimum: int) -> str:
    if not sample.requests:
        return f"{version.name} has answered no request since its weight is live, and {minimum} are needed"
    return f"{_of(sample, version.name)} {what}, and {minimum} requests are needed"


def _of(sample: Sample, version: str) -> str:
    return f"{_count(sample)} requests to {version} ({_percent(sample.share)})"


def _count(sample: Sample) -> str:
    return f"{sample.bad} of {sample.requests}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
