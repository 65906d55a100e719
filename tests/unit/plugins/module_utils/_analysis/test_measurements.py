# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which measurements of a step are kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import Criteria
from ansible_collections.progressive.istio.plugins.module_utils._analysis.judgement import judge, undecided
from ansible_collections.progressive.istio.plugins.module_utils._analysis.measurements import (
    MAX_KEPT,
    Measurement,
    Measurements,
    add,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Counts, Sample, VersionCounts

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CRITERIA = Criteria()


def measurement(seconds: float, requests: int = 0, *, known: bool = True) -> Measurement:
    at = NOW + timedelta(seconds=seconds)
    if not known:
        return Measurement(at, undecided("Prometheus is down"), None)
    buckets = {100.0: requests, 500.0: requests, inf: requests}
    stable = VersionCounts("v1", Sample(4 * requests, requests // 10), buckets)
    counts = Counts(VersionCounts("v2", Sample(requests, 0), buckets), stable)
    return Measurement(at, judge(CRITERIA, counts), counts)


def measurements(*measured: Measurement) -> Measurements:
    found = Measurements({"v1": 80, "v2": 20}, NOW, CRITERIA, measured[0], ())
    for each in measured:
        found = add(found, each)
    return found


@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_however_long_it_takes_few_measurements_are_kept_evenly(seconds: int) -> None:
    found = measurements(*(measurement(number / 10, number) for number in range(0, seconds * 10)))
    samples = found.facts(samples=True)["samples"]
    moments = [datetime.fromisoformat(each["at"]) for each in samples]
    gaps = [(then - before).total_seconds() for before, then in pairwise(moments[:-1])]
    assert len(samples) <= MAX_KEPT + 1
    assert moments[0] == NOW
    assert moments[-1] == found.last.at
    assert max(gaps, default=1) <= 2 * min(gaps, default=1)
    assert seconds < 60 or len(samples) >= MAX_KEPT // 2


def test_the_facts_are_those_of_the_last_measurement() -> None:
    facts = measurements(measurement(0), measurement(10, 200), measurement(10.1, 210)).facts(samples=True)
    assert (facts["since"], facts["until"]) == ("2026-01-01T12:00:00Z", "2026-01-01T12:00:10.100Z")
    assert (facts["seconds"], facts["weights"], facts["source"]) == (10.1, {"v1": 80, "v2": 20}, "envoy")
    assert (facts["result"], facts["why"].split(",")[0]) == ("pass", "0 of 210 requests to v2 (0 %) failed")
    assert facts["versions"]["v1"] == {
        "requests": 840,
        "failed": 21,
        "timed": 210,
        "slow": 0,
        "p50": 50.0,
        "p95": 95.0,
        "p99": 99.0,
    }
    assert facts["limits"] == {
        "minimum_requests": 100,
        "max_error": 0.01,
        "bad_error": 0.05,
        "threshold_ms": 500,
        "max_slow": 0.01,
        "bad_slow": 0.05,
    }
    assert [each["versions"]["v2"]["requests"] for each in facts["samples"]] == [0, 200, 210]
    json.dumps(facts)


def test_what_could_not_be_counted_is_no_number() -> None:
    facts = measurements(measurement(0, 10), measurement(5, known=False)).facts(samples=True)
    assert (facts["versions"], facts["unattributed"]) == ({}, None)
    assert (facts["result"], facts["why"]) == ("inconclusive", "Prometheus is down")
    assert len(facts["samples"]) == 1


def test_parts_that_are_switched_off_have_no_limit() -> None:
    criteria = Criteria(success=None, latency=None)
    found = Measurements({"v2": 100}, NOW, criteria, measurement(0, 10), (measurement(0, 10),)).facts(samples=True)
    assert found["limits"] == {"minimum_requests": 100}
    assert "slow" not in found["versions"]["v2"]
