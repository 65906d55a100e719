# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check by itself: its result and its reason."""

from __future__ import annotations

from math import inf, nan

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis import checks
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import (
    Comparison,
    Latency,
    Limit,
    Query,
    Unattributed,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Counts, Sample, VersionCounts
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Result

GOOD, BAD = Sample(1000), Sample(1000, 300)


def counts(canary: Sample, stable: Sample | None = GOOD, **fields: object) -> Counts:
    other = VersionCounts("v1", stable) if stable else None
    return Counts(VersionCounts("v2", canary), other, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("canary", "stable", "result"),
    [(GOOD, GOOD, "pass"), (BAD, GOOD, "fail"), (BAD, BAD, "inconclusive"), (BAD, None, "fail")],
)
def test_errors(canary: Sample, stable: Sample | None, result: Result) -> None:
    assert checks.errors(Limit(), counts(canary, stable), 100).result == result


@pytest.mark.parametrize(
    ("canary", "result"), [(GOOD, "pass"), (Sample(1000, 30), "fail"), (Sample(9), "inconclusive")]
)
def test_worse_than_stable(canary: Sample, result: Result) -> None:
    assert checks.worse_than_stable(Comparison(), counts(canary), 100).result == result


def test_latencies_that_are_not_counted_are_unknown() -> None:
    found = checks.latency(Latency(), counts(GOOD, untimed="Telemetry is off"), 100)
    assert (found.result, found.why) == (
        "inconclusive",
        "how long 1000 requests to v2 took is unknown: Telemetry is off",
    )


@pytest.mark.parametrize(
    ("timed", "slow", "result", "why"),
    [
        (31, 0, "inconclusive", "how long 969 of 1000 requests to v2 took is unknown: Telemetry is off"),
        (31, 31, "fail", "31 of 31 requests to v2 (100 %) took longer than 500 ms"),
        (499, 0, "pass", "0 of 499 requests to v2 (0 %) took longer than 500 ms"),
        (500, 14, "inconclusive", "14 of 500 requests to v2 (2.8 %) took longer than 500 ms"),
    ],
)
def test_a_few_late_latencies_are_not_the_reason(timed: int, slow: int, result: Result, why: str) -> None:
    canary = VersionCounts("v2", GOOD, {500: timed - slow, inf: timed})
    found = checks.latency(Latency(500), Counts(canary, None, untimed="Telemetry is off"), 20)
    assert found.result == result
    assert why in found.why


def test_latencies_between_two_edges_are_unknown() -> None:
    slow = VersionCounts("v2", GOOD, {100: 900, inf: 1000})
    assert "count no latencies at 250 ms" in checks.latency(Latency(250), Counts(slow, None), 100).why


@pytest.mark.parametrize(
    ("fields", "result", "why"),
    [
        ({}, "pass", "every failure belongs to a version"),
        ({"unattributed": 500, "before": GOOD}, "fail", "before v2 had its weight it was 0 of 1000"),
        ({"unattributed": 60, "before": Sample(1000, 60)}, "inconclusive", "if they are v2's it must not pass"),
        ({"unattributed": 60, "share": 1.0}, "fail", "v2 has all requests"),
        ({"unrouted": "shop/pong has no route"}, "inconclusive", "are its Gateway and hosts there?"),
        ({"cut_off": {"v2": "no endpoint"}}, "fail", "what is sent to v2 fails there"),
        ({"cut_off": {"v1": "no endpoint"}}, "inconclusive", "v2 cannot be judged until that is fixed"),
    ],
)
def test_failures_of_no_version(fields: dict[str, object], result: Result, why: str) -> None:
    found = checks.unattributed(Unattributed(), Limit(), counts(GOOD, **fields))
    assert found.result == result
    assert why in found.why


@pytest.mark.parametrize(
    ("answer", "result", "why"),
    [
        (1.0, "pass", "orders is 1"),
        (0.5, "fail", "orders is 0.5, below its min of 1"),
        (3.0, "fail", "orders is 3, above its max of 2"),
        (nan, "inconclusive", "orders is unknown: it has no value yet"),
        (None, "inconclusive", "orders is unknown: it has no value yet"),
        ("gave no data", "inconclusive", "orders is unknown: gave no data"),
    ],
)
def test_a_custom_query(answer: float | str | None, result: Result, why: str) -> None:
    found = checks.custom(Query("orders", "up", 1, 2), answer)
    assert (found.result, found.why) == (result, why)
