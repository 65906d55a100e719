# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from bisect import bisect_left
from math import inf

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Sample
from ansible_collections.progressive.istio.plugins.module_utils._metrics.histogram import EDGES, quantile, slower_than
from hypothesis import given
from hypothesis import strategies as st


def buckets(latencies: list[float]) -> dict[float, int]:
    """As Envoy would count them."""
    return {edge: sum(latency <= edge for latency in latencies) for edge in (*EDGES, inf)}


@pytest.mark.parametrize(
    ("latencies", "threshold", "expected"),
    [
        ([], 250, Sample(0, 0)),
        ([1, 240, 250, 251, 9e6], 250, Sample(5, 2)),
        ([1, 240], 3600000, Sample(2, 0)),
        ([1, 240], 0.5, Sample(2, 2)),
        ([1, 240], 300, None),
    ],
)
def test_slower_than(latencies: list[float], threshold: float, expected: Sample | None) -> None:
    assert slower_than(buckets(latencies), threshold) == expected


@pytest.mark.parametrize(
    ("latencies", "share", "expected"),
    [
        ([], 0.5, None),
        ([30] * 10, 0.5, 37.5),
        ([30] * 10, 1, 50),
        ([30] * 50 + [90] * 50, 0.5, 50),
        ([30] * 50 + [90] * 50, 0.75, 75),
        ([1e7] * 3, 0.5, 3600000),
        ([30] * 99 + [1e7], 0.99, 50),
    ],
)
def test_quantile(latencies: list[float], share: float, expected: float | None) -> None:
    assert quantile(buckets(latencies), share) == expected


@given(st.lists(st.floats(0.1, 3_000_000), min_size=1, max_size=60), st.integers(1, 100))
def test_a_quantile_lies_in_the_bucket_of_the_latency_it_stands_for(latencies: list[float], percent: int) -> None:
    ranked = sorted(latencies)[-(-percent * len(latencies) // 100) - 1]
    upper = bisect_left(EDGES, ranked)
    found = quantile(buckets(latencies), percent / 100)
    assert found is not None
    assert (EDGES[upper - 1] if upper else 0) <= found <= EDGES[upper] * (1 + 1e-9)
