# SPDX-License-Identifier: GPL-3.0-or-later
"""Latencies as Envoy counts them: cumulative buckets with fixed edges. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import inf

from .counts import Sample

# Envoy's default edges in milliseconds; Istio does not change them.
EDGES = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000)


def slower_than(buckets: Mapping[float, int], threshold: float) -> Sample | None:
    """The requests, and those slower than a threshold in milliseconds; None unless the threshold is an edge."""
    if not buckets.get(inf):
        return Sample()
    if threshold not in buckets:
        return None
    return Sample(buckets[inf], buckets[inf] - buckets[threshold])


def quantile(buckets: Mapping[float, int], share: float) -> float | None:
    """The latency in milliseconds of this quantile (0 to 1), for display only; None without requests.

    Interpolated within a bucket as by Prometheus' histogram_quantile; the last edge counts for everything slower.
    """
    if not buckets.get(inf):
        return None
    rank = share * buckets[inf]
    for (low, below), (high, upto) in pairwise([(0.0, 0), *sorted(buckets.items())]):
        if upto >= rank and upto > below and high < inf:
            return low + (high - low) * (rank - below) / (upto - below)
    return max((edge for edge in buckets if edge < inf), default=None)
