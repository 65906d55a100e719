# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scraped samples become the counts since a moment, exactly."""

from __future__ import annotations

from math import inf

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.istio_metrics import Answers, Bucket, Counters
from ansible_collections.progressive.istio.plugins.module_utils._metrics.promql import Samples, increase_of, queries
from ansible_collections.progressive.istio.plugins.module_utils._metrics.workloads import Workload

HOST = "pong.shop.svc.cluster.local"
V1 = Workload("pong-v1", "shop", "v1")
OK, FAILED = Answers(V1, "2xx", "-"), Answers(V1, "5xx", "-")
REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"


def series(*values: int, begin: int = 0, name: str = REQUESTS, **labels: str) -> Samples:
    """A counter of the first gateway pod, scraped every 15 s."""
    told = {
        "__name__": name,
        "reporter": "source",
        "destination_service": HOST,
        "destination_workload": "pong-v1",
        "destination_workload_namespace": "shop",
        "destination_version": "v1",
        "response_code": "200",
        "response_flags": "-",
        "job": "pods",
        "instance": "10.0.0.1:15020",
        **labels,
    }
    return Samples(told, [(begin + 15.0 * number, value) for number, value in enumerate(values)])


def test_queries_of_the_source() -> None:
    assert queries((HOST,), 90, "source", ["istio-ingressgateway", "my.gw"]) == [
        f'istio_requests_total{{reporter="source",destination_service="{HOST}"}}[90000ms]',
        f'istio_request_duration_milliseconds_bucket{{reporter="source",destination_service="{HOST}"}}[90000ms]',
        'istio_requests_total{reporter="source",destination_service=~"|-|unknown",'
        'source_workload=~"istio\\\\-ingressgateway|my\\\\.gw"}[90000ms]',
    ]


def test_several_hosts_are_one_service() -> None:
    hosts = ("cart-v1.shop", "cart-v2.shop")
    asked = queries(hosts, 1, "source")[0]
    assert 'destination_service=~"cart\\\\-v1\\\\.shop|cart\\\\-v2\\\\.shop"}' in asked
    both = [series(1, 3, destination_service=hosts[0]), series(1, 5, destination_service=hosts[1])]
    assert increase_of(both, hosts, "source").since == {OK: 6}


@pytest.mark.parametrize(("reporter", "gateways"), [("destination", ["gw"]), ("source", [])])
def test_only_gateways_count_requests_without_a_service(reporter: str, gateways: list[str]) -> None:
    asked = queries(('a"\\b',), 0.0001, reporter, gateways)
    assert [query.partition("{")[0] for query in asked] == [REQUESTS, BUCKETS]
    assert all('"a\\"\\\\b"}[1ms]' in query for query in asked)


@pytest.mark.parametrize(
    ("answers", "since"),
    [
        ([], {}),
        ([series(100)], {}),
        ([series(100, 103)], {OK: 3}),  # increase() would say 4.0
        ([series(100, 103, 2, 5)], {OK: 8}),  # the proxy restarted
        ([series(100, 103, 106), series(2, begin=30, response_code="503")], {OK: 6, FAILED: 2}),  # absent was 0
        ([series(100, 103), series(80, 81, instance="10.0.0.2:15020")], {OK: 4}),
        ([series(100, 103, 106), series(900, 901, begin=15, instance="10.0.0.2:15020")], {OK: 7}),  # a pod came
        ([series(100, 103, 106), series(80, 81, instance="10.0.0.2:15020")], {OK: 7}),  # a pod went
        ([series(1, 2), series(5, 7, source_workload="other")], {OK: 3}),
        ([series(1, 2), series(5, 7, reporter="destination"), series(5, 7, destination_service="other")], {OK: 1}),
        (
            [series(1, 4, name=BUCKETS, le="250"), series(1, 5, name=BUCKETS, le="+Inf")],
            {Bucket(V1, 250): 3, Bucket(V1, inf): 4},
        ),
    ],
)
def test_the_increase(answers: list[Samples], since: Counters) -> None:
    assert increase_of(answers, (HOST,), "source").since == since


POD = {"namespace": "istio-system", "pod": "gateway-1"}


@pytest.mark.parametrize(
    "labels",
    [
        {"job": "envoy-stats"},
        {"instance": "10.0.0.1:15090"},
        {"instance": "10.0.0.1:15090", "job": "envoy-stats"},
    ],
)
@pytest.mark.parametrize("begin", [0, 7])
def test_a_pod_that_two_jobs_scrape_counts_once(labels: dict[str, str], begin: int) -> None:
    """The job that has more of its series is believed."""
    both = [
        series(100, 103),
        series(5, 6, response_code="503"),
        series(100, 103, begin=begin, **labels),
    ]
    assert increase_of(both, (HOST,), "source").since == {OK: 3, FAILED: 1}
    named = [Samples({**labels_, **POD}, values) for labels_, values in both]
    assert increase_of(named, (HOST,), "source").since == {OK: 3, FAILED: 1}


def test_a_pod_is_known_by_its_name_where_jobs_call_its_instance_differently() -> None:
    both = [series(100, 103, **POD), series(100, 103, **POD, instance="gateway-1")]
    assert increase_of(both, (HOST,), "source").since == {OK: 3}
    assert increase_of([*both, series(7, 8, namespace="other", pod="gateway-1")], (HOST,), "source").since == {OK: 4}


def test_what_was_counted_before() -> None:
    assert increase_of([series(100, 103)], (HOST,), "source").before == {OK: 100}
