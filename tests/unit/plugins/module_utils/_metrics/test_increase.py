# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is counted twice, nothing is negative, nothing from before the first look counts."""

from __future__ import annotations

from functools import reduce
from math import inf

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Counts, Sample, VersionCounts
from ansible_collections.progressive.istio.plugins.module_utils._metrics.increase import (
    Increase,
    add,
    counts,
    increase_between,
    without_endpoint,
    workloads,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.istio_metrics import Answers, Bucket, Counters
from ansible_collections.progressive.istio.plugins.module_utils._metrics.workloads import (
    NO_WORKLOAD,
    Workload,
    WorkloadVersions,
)
from hypothesis import given
from hypothesis import strategies as st

V1, V2, OTHER = (Workload(f"pong-{name}", "shop", name) for name in ("v1", "v2", "canary"))
OK, BROKEN = Answers(V1, "2xx", "-"), Answers(V1, "5xx", "UF")
GOOD2, BROKEN2 = Answers(V2, "2xx", "-"), Answers(OTHER, "5xx", "-")
LOST, NOT_ROUTED = Answers(NO_WORKLOAD, "5xx", "UH"), Answers(NO_WORKLOAD, "4xx", "NR")
STRANGERS = Answers(NO_WORKLOAD, "5xx", "NC", of_service=False)
WHOSE = WorkloadVersions({"v1": frozenset({V1}), "v2": frozenset({V2, OTHER})})  # a version may have two Deployments


def increase(*readings: dict[str, Counters]) -> Increase:
    return reduce(add, readings, Increase())


@pytest.mark.parametrize(
    ("readings", "since"),
    [
        ([], {}),
        ([{"a": {OK: 100}}], {}),
        ([{"a": {OK: 100}}, {"a": {OK: 107, BROKEN: 2}}], {OK: 7, BROKEN: 2}),
        ([{"a": {OK: 100}, "b": {OK: 50}}, {"a": {OK: 101}, "b": {OK: 52}}], {OK: 3}),
        ([{"a": {OK: 100}}, {"a": {OK: 4}}], {OK: 4}),  # the proxy restarted
        ([{"a": {OK: 100}}, {"a": {OK: 4}}, {"a": {OK: 9}}], {OK: 9}),
        ([{"a": {OK: 100, BROKEN: 5}}, {"a": {OK: 104}}, {"a": {OK: 105, BROKEN: 5}}], {OK: 5, BROKEN: 0}),  # dropped
        ([{"a": {OK: 100, BROKEN: 5}}, {"a": {OK: 104}}, {"a": {OK: 105, BROKEN: 1}}], {OK: 5, BROKEN: 1}),
        ([{"a": {OK: 100}}, {"a": {OK: 101}, "new": {OK: 80}}, {"a": {OK: 102}, "new": {OK: 81}}], {OK: 3}),
        ([{"a": {OK: 1}, "b": {OK: 1}}, {"a": {OK: 2}}, {"a": {OK: 3}}], {OK: 2}),  # b went
        ([{"a": {OK: 1}}, {}, {"a": {OK: 5}}], {OK: 4}),  # one read failed
        ([{"a": {}}, {"a": {OK: 5}}], {OK: 5}),  # a proxy without a request before
    ],
)
def test_the_increase(readings: list[dict[str, Counters]], since: Counters) -> None:
    assert increase(*readings).since == since


counters = st.dictionaries(st.sampled_from([OK, BROKEN, LOST, Bucket(V1, inf)]), st.integers(0, 50))


@given(counters, counters)
def test_a_gain_is_never_negative_nor_more_than_what_is_shown(last: Counters, now: Counters) -> None:
    since = increase_between(last, now)
    assert since.keys() == now.keys()
    assert all(0 <= since[series] <= now[series] for series in now)


events = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["count", "read", "restart", "go"])), max_size=60)


@given(events)
def test_everything_between_two_readings_is_counted_once(happenings: list[tuple[str, str]]) -> None:
    """Proxies count, restart, come and go. What one counts before its first look, or since the last before it restarts
    or goes, is not seen; all else is.
    """
    found = Increase()
    shown: dict[str, int] = {}
    unseen: dict[str, int] = {}
    expected = 0
    for proxy, happening in happenings:
        if happening == "count":
            shown[proxy] = shown.get(proxy, 0) + 1
            unseen[proxy] = unseen.get(proxy, 0) + 1
        elif happening == "read":
            known = proxy in found.last
            found = add(found, {proxy: {OK: shown.get(proxy, 0)}})
            expected += unseen.get(proxy, 0) if known else 0
            unseen[proxy] = 0
        elif happening == "restart":
            shown[proxy] = unseen[proxy] = 0
            found = add(found, {proxy: {OK: 0}}) if proxy in found.last else found
    assert found.since.get(OK, 0) == expected


def test_counts_of_both_versions() -> None:
    edges = {Bucket(V2, 250.0): 3, Bucket(OTHER, 250.0): 1, Bucket(V2, inf): 4, Bucket(OTHER, inf): 1}
    unnamed = {Answers(NO_WORKLOAD, "2xx", "-"): 7, Answers(Workload("sparrow", "shop", "v1"), "5xx", "-"): 9}
    now = {OK: 1040, BROKEN: 2, GOOD2: 9, BROKEN2: 1, LOST: 4, STRANGERS: 60, **edges, **unnamed}
    found = increase({"a": {OK: 1000, LOST: 1, STRANGERS: 9}}, {"a": now})
    assert counts(found, WHOSE, "v2", "v1") == Counts(
        canary=VersionCounts("v2", Sample(10, 1), {250: 4, inf: 5}),
        stable=VersionCounts("v1", Sample(42, 2), {}),
        unattributed=3,
        before=Sample(1001, 1),
        without_service=51,
    )
    assert counts(found, WHOSE, "v2", None).stable is None


def test_failures_that_name_the_service_and_no_pod_are_its_own() -> None:
    found = increase({"a": {}}, {"a": {LOST: 4, NOT_ROUTED: 2, Answers(NO_WORKLOAD, "5xx", "UF"): 1, STRANGERS: 60}})
    assert counts(found, WHOSE, "v2", "v1").unattributed == 7


def test_those_that_no_endpoint_has_counted() -> None:
    """Where endpoints count too, a connection that failed is theirs."""
    since = {OK: 90, LOST: 4, NOT_ROUTED: 2, Answers(NO_WORKLOAD, "5xx", "UF"): 1, STRANGERS: 60}
    assert without_endpoint(since) == Sample(97, 6)


def test_who_served_requests() -> None:
    assert workloads({OK: 1, LOST: 4, GOOD2: 1, BROKEN2: 0, Bucket(OTHER, inf): 1}) == {V1, V2}
