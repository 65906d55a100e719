# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From counts to verdicts: what passes, what fails, and what nobody can tell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import (
    Comparison,
    Criteria,
    Latency,
    Limit,
    OnInconclusive,
    Query,
    Unattributed,
)
from ansible_collections.progressive.istio.plugins.module_utils._analysis.judgement import Judgement, judge, undecided
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Counts, Sample, VersionCounts
from ansible_collections.progressive.istio.plugins.module_utils._metrics.histogram import EDGES
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Result
from hypothesis import given
from hypothesis import strategies as st

DEFAULTS = Criteria()
ERRORS = Criteria(worse_than_stable=None, latency=None, unattributed=None)
LATENCY = Criteria(success=None, worse_than_stable=None, latency=Latency(250), unattributed=None)


def version(name: str, requests: int = 0, failed: int = 0, slow: int = 0) -> VersionCounts:
    """Requests that took 30 ms, and slow ones that took 300."""
    edges = {edge: requests if edge >= 500 else requests - slow if edge >= 50 else 0 for edge in (*EDGES, inf)}
    return VersionCounts(name, Sample(requests, failed), edges)


def counts(canary: tuple[int, ...] = (), stable: tuple[int, ...] | None = (), **fields: Any) -> Counts:
    """Each version as (requests, failed, slow)."""
    other = None if stable is None else version("v1", *stable)
    return Counts(version("v2", *canary), other, **fields)


def result(judgement: Judgement, check: str) -> str:
    return next(each.result for each in judgement.checks if each.name == check)


@pytest.mark.parametrize(
    ("canary", "stable", "expected", "why"),
    [
        ((), (), "inconclusive", "v2 has answered no request since its weight is live, and 100 are needed"),
        ((), (500, 500), "inconclusive", "v2 has answered no request since its weight is live, and 100 are needed"),
        ((3, 1), (12,), "inconclusive", "1 of 3 requests to v2 (33.3 %) failed, and 100 requests are needed"),
        ((99,), (400,), "inconclusive", "0 of 99 requests to v2 (0 %) failed, and 100 requests are needed"),
        ((100,), (400,), "pass", "0 of 100 requests to v2 (0 %) failed, 1 % may"),
        ((412, 1), (1650, 5), "pass", "1 of 412 requests to v2 (0.243 %) failed, 1 % may"),
        ((1000,), (), "pass", "0 of 1000 requests to v2 (0 %) failed, 1 % may"),
        (
            (100, 1),
            (400,),
            "inconclusive",
            "1 of 100 requests to v2 (1 %) failed, 1 % may: to pass it takes at least 13 more requests of which none "
            "did",
        ),
        (
            (3, 3),
            (12,),
            "fail",
            "3 of 3 requests to v2 (100 %) failed, 1 % may, and 0 of 12 requests to v1 (0 %) did",
        ),
        (
            (3, 3),
            (3,),
            "inconclusive",
            "3 of 3 requests to v2 (100 %) failed, 1 % may, but v1 is not shown to be better yet: 0 of 3 requests to "
            "v1 (0 %) did",
        ),
        (
            (40, 12),
            (160, 50),
            "inconclusive",
            "the baseline is bad: 12 of 40 requests to v2 (30 %) failed, 1 % may, but 50 of 160 requests to v1 "
            "(31.2 %) did as well: fix what both depend on, or set limits that the service can meet",
        ),
        (
            (100, 40),
            (400, 20),
            "fail",
            "40 of 100 requests to v2 (40 %) failed, 1 % may, and 20 of 400 requests to v1 (5 %) did",
        ),
        (
            (3, 3),
            None,
            "fail",
            "3 of 3 requests to v2 (100 %) failed, 1 % may, and there is no other version to compare with",
        ),
        (
            (99, 99),
            (),
            "inconclusive",
            "99 of 99 requests to v2 (100 %) failed, 1 % may, but v1 is not shown to be better "
            "yet: 0 of 0 requests to v1 (0 %) did",
        ),
        (
            (100, 100),
            (),
            "fail",
            "100 of 100 requests to v2 (100 %) failed, 1 % may, and there is no other version to compare with",
        ),
    ],
)
def test_errors(canary: tuple[int, ...], stable: tuple[int, ...] | None, expected: str, why: str) -> None:
    found = judge(ERRORS, counts(canary, stable))
    assert (found.result, found.why) == (expected, why)


@pytest.mark.parametrize(
    ("canary", "stable", "expected", "why"),
    [
        ((1000,), (4000,), "pass", "v2 is not shown to be worse than v1"),
        ((1000, 8), (4000, 30), "pass", "v2 is not shown to be worse than v1"),
        (
            (2000, 16),
            (8000, 4),
            "fail",
            "v2 is more than 1.5 times worse than v1: 16 of 2000 requests to v2 (0.8 %) failed, and 4 of 8000 requests "
            "to v1 (0.05 %)",
        ),
        ((50,), (200,), "inconclusive", "0 of 50 requests to v2 (0 %) failed, and 100 requests are needed"),
        ((500, 400), None, "pass", "there is no other version to compare with"),
    ],
)
def test_worse_than_stable(canary: tuple[int, ...], stable: tuple[int, ...] | None, expected: str, why: str) -> None:
    criteria = Criteria(success=None, latency=None, unattributed=None)
    found = judge(criteria, counts(canary, stable))
    assert (found.result, found.why) == (expected, why)


def test_a_canary_within_its_limit_may_be_worse_without_the_comparison() -> None:
    seen = counts((2000, 16), (8000, 4))
    assert judge(DEFAULTS, seen).result == "fail"
    assert judge(replace(DEFAULTS, worse_than_stable=None), seen).result == "pass"
    assert judge(replace(DEFAULTS, worse_than_stable=Comparison(max_ratio=20)), seen).result == "pass"


def test_equal_but_for_a_hair_is_no_failure() -> None:
    """At a million requests any difference is no chance, and 0.21 % is as good as 0.2 %."""
    seen = counts((1_000_000, 2_100), (4_000_000, 8_000))
    assert judge(DEFAULTS, seen).result == "pass"


@pytest.mark.parametrize(
    ("canary", "stable", "expected"),
    [
        ((100, 0, 0), (400, 0, 0), "pass"),
        ((100, 0, 20), (400, 0, 0), "fail"),
        ((100, 0, 20), (400, 0, 80), "inconclusive"),
        ((100, 0, 1), (400, 0, 4), "inconclusive"),
        ((10, 0, 0), (40, 0, 0), "inconclusive"),
    ],
)
def test_latency(canary: tuple[int, ...], stable: tuple[int, ...], expected: str) -> None:
    assert judge(LATENCY, counts(canary, stable)).result == expected


def test_a_slow_canary_fails_although_every_answer_is_good() -> None:
    found = judge(replace(DEFAULTS, latency=Latency(250)), counts((100, 0, 20), (400, 0, 0)))
    assert found.result == "fail"
    assert found.why == (
        "20 of 100 requests to v2 (20 %) took longer than 250 ms, 1 % may, and 0 of 400 requests to v1 (0 %) did"
    )
    assert result(found, "errors") == "pass"


def test_buckets_with_other_edges_are_inconclusive() -> None:
    seen = Counts(VersionCounts("v2", Sample(500), {100: 500, inf: 500}), version("v1", 500))
    found = judge(LATENCY, seen)
    assert (found.result, found.why) == (
        "inconclusive",
        "the proxies count no latencies at 250 ms: their buckets are not Envoy's own",
    )


def test_percentiles_are_for_display() -> None:
    found = judge(DEFAULTS, counts((200, 0, 20), (100,)))
    assert found.percentiles["v1"] == {"p50": 37.5, "p95": 48.75, "p99": 49.75}
    assert found.percentiles["v2"] == {"p50": pytest.approx(38.9, abs=0.1), "p95": 375, "p99": 475}
    assert judge(DEFAULTS, counts((), None)).percentiles == {"v2": {}}


@pytest.mark.parametrize(
    ("number", "before", "expected"),
    [
        (0, (0, 0), "pass"),
        (1, (0, 0), "pass"),  # 1 of 1001 is within the limit even if it was the canary's
        (200, (0, 0), "inconclusive"),  # nothing is known of the time before
        (200, (100_000, 0), "fail"),
        (200, (100_000, 3_900), "inconclusive"),  # as it was
        (25, (100_000, 0), "inconclusive"),  # between the limits
    ],
)
def test_failures_that_belong_to_no_version(number: int, before: tuple[int, int], expected: str) -> None:
    found = judge(DEFAULTS, counts((1000,), (4000,), unattributed=number, before=Sample(*before)))
    assert found.result == result(found, "unattributed") == expected
    assert result(found, "errors") == "pass"


def test_a_subset_that_is_not_there_fails_the_canary() -> None:
    found = judge(DEFAULTS, counts((), (12,), unattributed=3, before=Sample(5000)))
    assert (found.result, found.why) == (
        "fail",
        "3 of 15 requests failed and belong to no version, and before v2 had its weight it was 0 of 5000",
    )


@pytest.mark.parametrize(
    ("cut_off", "expected"),
    [(("v2",), "fail"), (("v1",), "inconclusive"), (("v1", "v2"), "inconclusive"), ((), "pass")],
)
def test_a_version_to_which_proxies_have_no_way_any_more(cut_off: tuple[str, ...], expected: str) -> None:
    """Whatever was counted: what is sent there cannot but fail. It accuses the canary only while stable can be had."""
    found = judge(DEFAULTS, counts((1000,), (4000,), cut_off={name: f"no way to {name}" for name in cut_off}))
    assert found.result == result(found, "unattributed") == expected
    assert all(f"no way to {name}" in found.why for name in cut_off)


def test_a_route_that_is_lost_blames_no_version() -> None:
    found = judge(DEFAULTS, counts((1000, 500), None, unrouted="no route", cut_off={"v2": "no way to v2"}))
    assert result(found, "unattributed") == "inconclusive"
    assert judge(DEFAULTS, counts((1000,), (4000,), unrouted="no route")).why.startswith("no route: all requests to it")


def test_a_canary_with_all_requests_to_which_proxies_have_no_way() -> None:
    assert judge(DEFAULTS, counts((1000,), None, cut_off={"v2": "no way to v2"})).result == "fail"


def test_failures_of_no_service_are_reported_and_decide_nothing() -> None:
    found = judge(DEFAULTS, counts((1000,), (4000,), without_service=100_000))
    assert found.result == "pass"
    assert "100000 in these proxies that name no service and may be of any" in found.why


@pytest.mark.parametrize(("untimed", "words"), [("nobody counts", "nobody counts"), ("", "have not counted it yet")])
def test_latencies_that_are_not_counted_are_unknown_and_not_zero(untimed: str, words: str) -> None:
    canary = VersionCounts("v2", Sample(1000))
    stable = VersionCounts("v1", Sample(4000))
    found = judge(DEFAULTS, Counts(canary, stable, untimed=untimed))
    assert (found.result, result(found, "latency")) == ("inconclusive", "inconclusive")
    assert "how long 1000 requests to v2 took is unknown" in found.why
    assert words in found.why
    bad = judge(DEFAULTS, Counts(VersionCounts("v2", Sample(1000, 500)), stable, untimed=untimed))
    assert bad.result == "fail"  # errors are judged all the same


def test_latencies_of_stable_that_are_not_counted_fail_no_canary() -> None:
    slow = version("v2", 1000, 0, 500)
    assert judge(LATENCY, Counts(slow, version("v1", 4000))).result == "fail"
    assert judge(LATENCY, Counts(slow, VersionCounts("v1", Sample(4000)))).result == "inconclusive"


@pytest.mark.parametrize(
    ("canary", "stable", "number", "expected"),
    [
        ((400,), (1600,), 2, "pass"),  # within the limit even if they were the canary's
        ((), (80,), 20, "fail"),  # nothing is heard of it, and as many failed as would have been its own
        ((200, 200), (1600,), 0, "fail"),  # they name their version, so another check has them
        ((320,), (1280,), 400, "inconclusive"),  # each is heard of as its share has it
        ((380,), (1520,), 100, "inconclusive"),
    ],
)
def test_failures_without_a_version_among_our_own_requests(
    canary: tuple[int, ...], stable: tuple[int, ...], number: int, expected: str
) -> None:
    found = judge(DEFAULTS, replace(counts(canary, stable, unattributed=number), share=0.2))
    assert found.result == expected


@pytest.mark.parametrize(("good", "number", "expected"), [(400, 0, "pass"), (400, 2, "pass"), (400, 60, "fail")])
def test_failures_without_a_version_are_the_canarys_where_it_has_all_requests(
    good: int, number: int, expected: str
) -> None:
    found = judge(DEFAULTS, replace(counts((good,), None, unattributed=number), share=1.0))
    assert result(found, "unattributed") == expected


def test_probes_attribute_failures_by_the_split() -> None:
    found = judge(DEFAULTS, replace(counts((), (80,), unattributed=20), share=0.2))
    assert found.why == (
        "20 of 100 requests failed and belong to no version, and v2 gave 0 of the 80 other answers, "
        "where its share is 20 %"
    )
    numbers = next(check.numbers for check in found.checks if check.name == "unattributed")
    assert numbers["evidence_against_split"] >= numbers["fails_at"]


@pytest.mark.parametrize(
    ("found", "seconds", "otherwise", "expected"),
    [
        ("fail", 0, "hold", "fail"),
        ("pass", 59, "hold", None),
        ("pass", 60, "hold", "pass"),
        ("inconclusive", 659, "rollback", None),
        ("inconclusive", 660, "hold", "inconclusive"),
        ("inconclusive", 660, "rollback", "fail"),
    ],
)
def test_when_a_verdict_counts(found: Result, seconds: int, otherwise: OnInconclusive, expected: str | None) -> None:
    """Of a weight that soaks for 60 s, and has 600 s more for its verdict."""
    start = datetime(2026, 1, 31, tzinfo=UTC)
    soaked, deadline = start + timedelta(seconds=60), start + timedelta(seconds=660)
    verdict = Judgement(found, "why").verdict(start + timedelta(seconds=seconds), soaked, deadline, otherwise)
    assert (verdict and verdict.result) == expected


@pytest.mark.parametrize(
    ("query", "answer", "expected", "why"),
    [
        (Query("lag", "", max=5.0), 5.0, "pass", "lag is 5"),
        (Query("lag", "", max=5.0), 5.1, "fail", "lag is 5.1, above its max of 5"),
        (Query("orders", "", min=1.0), 0.25, "fail", "orders is 0.25, below its min of 1"),
        (Query("lag", "", max=5.0), "query `x` gave no data", "inconclusive", "lag is unknown: query `x` gave no data"),
        (Query("lag", "", max=5.0), None, "inconclusive", "lag is unknown: it has no value yet"),
        (Query("lag", "", max=5.0), nan, "inconclusive", "lag is unknown: it has no value yet"),
    ],
)
def test_custom_queries(query: Query, answer: float | str | None, expected: str, why: str) -> None:
    answers = {} if answer is None else {query.name: answer}
    found = judge(replace(ERRORS, success=None, queries=(query,)), counts(), answers)
    assert (found.result, found.why) == (expected, why)
    spoilt = judge(replace(DEFAULTS, queries=(query,)), counts((500,), (2000,)), answers)
    assert spoilt.result == expected


BAD = counts((200, 100, 190), (800,), unattributed=300, before=Sample(9000))


def test_one_failure_is_enough_and_all_are_reported() -> None:
    found = judge(DEFAULTS, BAD)
    assert found.result == "fail"
    assert [check.name for check in found.checks if check.result == "fail"] == [
        "errors",
        "worse_than_stable",
        "unattributed",
    ]
    assert all(check.why in found.why for check in found.checks if check.result == "fail")


def test_a_dry_run_is_reported_and_decides_nothing() -> None:
    criteria = Criteria(
        success=Limit(dry_run=True),
        worse_than_stable=Comparison(dry_run=True),
        latency=Latency(250, Limit(dry_run=True)),
        unattributed=Unattributed(dry_run=True),
        queries=(Query("lag", "", max=1.0, dry_run=True),),
    )
    found = judge(criteria, BAD, {"lag": 2.0})
    assert (found.result, found.why) == ("pass", "all checks are dry runs")
    assert [check.result for check in found.checks] == ["fail"] * 5
    decided = judge(replace(criteria, success=Limit()), counts((100,), (400,)), {"lag": 2.0})
    assert (decided.result, decided.why) == ("pass", "0 of 100 requests to v2 (0 %) failed, 1 % may")


def test_facts_are_plain_data_with_all_numbers() -> None:
    facts = judge(DEFAULTS, BAD).facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    errors = facts["checks"][0]
    assert errors.items() >= {"name": "errors", "result": "fail", "requests": 200, "bad": 100, "share": 0.5}.items()
    assert errors.items() >= {"limit": 0.01, "stable_requests": 800, "stable_bad": 0, "stable_share": 0.0}.items()
    assert errors["evidence"] > errors["fails_at"] > 4.6 > -2.9 > errors["passes_at"]


def test_nothing_counted_is_undecided() -> None:
    assert undecided("Prometheus is down") == Judgement("inconclusive", "Prometheus is down")


ORDER = ["fail", "inconclusive", "pass"]
numbers = st.integers(0, 3000)


@given(numbers, numbers, numbers, numbers, numbers, st.integers(0, 40))
def test_what_is_worse_is_judged_no_better(
    good: int, failed: int, stable_good: int, stable_failed: int, slow: int, lost: int
) -> None:
    """One more failure, slow request or lost request never helps; one to stable never harms."""

    def verdict(more: int = 0, to_stable: int = 0, slower: int = 0, more_lost: int = 0) -> int:
        requests, others = good + failed, stable_good + stable_failed
        took = min(requests, slow + slower)
        seen = counts(
            (requests, min(requests, failed + more), took),
            (others, min(others, stable_failed + to_stable)),
            unattributed=lost + more_lost,
            before=Sample(1000, 1),
        )
        return ORDER.index(judge(DEFAULTS, seen).result)

    assert max(verdict(more=1), verdict(slower=1), verdict(more_lost=1)) <= verdict() <= verdict(to_stable=1)


@given(st.integers(0, 71), st.integers(0, 3000), st.integers(0, 100))
def test_too_few_requests_never_pass(requests: int, stable: int, percent: int) -> None:
    found = judge(DEFAULTS, counts((requests, requests * percent // 100), (stable, stable * percent // 100)))
    assert found.result != "pass"
