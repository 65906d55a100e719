# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a proxy becomes counters of one service, whoever made the metrics."""

from __future__ import annotations

import re
import time
from math import inf
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.histogram import EDGES
from ansible_collections.progressive.istio.plugins.module_utils._metrics.istio_metrics import (
    Answers,
    Bucket,
    parse,
    stats_path,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.workloads import NO_WORKLOAD, Workload
from hypothesis import given
from hypothesis import strategies as st

HOST = "pong.shop.svc.cluster.local"
V1, V2 = (Workload(f"pong-{version}", "shop", version) for version in ("v1", "v2"))
OK = Answers(V1, "2xx", "-")
REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"


def line(name: str, value: object, **labels: object) -> str:
    """A line as a gateway tells it; labels replace or add."""
    told = {
        "reporter": "source",
        "source_workload": "istio-ingressgateway",
        "destination_service": HOST,
        "destination_service_name": "pong",
        "destination_workload": "pong-v1",
        "destination_workload_namespace": "shop",
        "destination_version": "v1",
        "response_code": "200",
        "response_flags": "-",
        **labels,
    }
    return f"{name}{{{','.join(f'{key}={chr(34)}{label}{chr(34)}' for key, label in told.items())}}} {value}"


def read(*lines: str, reporter: str = "source") -> dict[object, int]:
    return dict(parse("\n".join(["# TYPE istio_requests_total counter", *lines, ""]).encode(), (HOST,), reporter))


@pytest.mark.parametrize("prefix", ["", "envoy_"])
def test_both_ways_to_name_them(prefix: str) -> None:
    name = f"{prefix}{BUCKETS}"
    assert read(
        line(f"{prefix}{REQUESTS}", 67),
        line(f"{prefix}{REQUESTS}", 13, destination_workload="pong-v2", destination_version="v2"),
        line(name, 10, le="0.5"),
        line(name, 60, le="250"),
        line(name, 67, le="+Inf"),
        line(f"{prefix}istio_request_duration_milliseconds_sum", 900.5),
        line(f"{prefix}istio_request_duration_milliseconds_count", 67),
        line(f"{prefix}istio_request_bytes_bucket", 67, le="250"),
    ) == {
        OK: 67,
        Answers(V2, "2xx", "-"): 13,
        Bucket(V1, 0.5): 10,
        Bucket(V1, 250): 60,
        Bucket(V1, inf): 67,
    }


@pytest.mark.parametrize(
    ("labels", "expected", "failed"),
    [
        ({}, OK, False),
        ({"response_code": "404"}, Answers(V1, "4xx", "-"), False),
        ({"response_code": "503", "response_flags": "UF,URX"}, Answers(V1, "5xx", "UF,URX"), True),
        ({"response_code": "0", "response_flags": "DC"}, Answers(V1, "none", "DC"), True),
        ({"grpc_response_status": "0"}, OK, False),
        ({"grpc_response_status": "5"}, OK, False),
        ({"grpc_response_status": "14"}, Answers(V1, "grpc 14", "-"), True),
        ({"destination_workload": "unknown", "response_code": "503"}, Answers(NO_WORKLOAD, "5xx", "-"), True),
    ],
)
def test_kinds_of_answers(labels: dict[str, str], expected: Answers, failed: bool) -> None:
    assert read(line(REQUESTS, 2, **labels)) == {expected: 2}
    assert expected.failed is failed


@pytest.mark.parametrize("absent", ["", "-", "unknown"])
@pytest.mark.parametrize(("code", "flags"), [("503", "NC"), ("503", "UH"), ("404", "NR"), ("404", "-"), ("200", "-")])
def test_what_names_no_service_is_not_read_from_a_proxy(absent: str, code: str, flags: str) -> None:
    """It may be anybody's."""
    assert read(line(REQUESTS, 3, destination_service=absent, response_code=code, response_flags=flags)) == {}


@pytest.mark.parametrize(
    ("flags", "workload", "expected"),
    [
        ("UH", "unknown", True),
        ("UO", "unknown", True),
        ("URX,UH", "unknown", True),
        ("UF", "unknown", False),  # an endpoint was chosen, and its counters have it
        ("UH", "pong-v1", False),
        ("-", "unknown", False),
    ],
)
def test_which_failures_no_endpoint_has_counted(flags: str, workload: str, expected: bool) -> None:
    (found,) = read(line(REQUESTS, 1, destination_workload=workload, response_code="503", response_flags=flags))
    assert isinstance(found, Answers)
    assert found.without_endpoint is expected


def gateway(**labels: str) -> str:
    """A line as a stock Istio 1.17 and newer tells it at a gateway, with all of its labels in its order."""
    told = {
        "reporter": "source",
        "source_workload": "istio-ingressgateway",
        "source_canonical_service": "istio-ingressgateway",
        "source_canonical_revision": "latest",
        "source_workload_namespace": "istio-system",
        "source_principal": "unknown",
        "source_app": "istio-ingressgateway",
        "source_version": "",
        "source_cluster": "Kubernetes",
        "destination_workload": "unknown",
        "destination_workload_namespace": "unknown",
        "destination_principal": "unknown",
        "destination_app": "unknown",
        "destination_version": "unknown",
        "destination_service": HOST,
        "destination_canonical_service": "unknown",
        "destination_canonical_revision": "latest",
        "destination_service_name": "pong",
        "destination_service_namespace": "shop",
        "destination_cluster": "unknown",
        "request_protocol": "http",
        "response_code": "503",
        "grpc_response_status": "",
        "response_flags": "-",
        "connection_security_policy": "unknown",
        **labels,
    }
    return f"{REQUESTS}{{{','.join(f'{key}={chr(34)}{label}{chr(34)}' for key, label in told.items())}}} 1"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # a Deployment whose pods have no label `version`: its own name for that, which no subset bears
        (
            {
                "destination_workload": "checkout-green",
                "destination_workload_namespace": "shop",
                "destination_version": "unknown",
                "destination_canonical_revision": "latest",
                "response_code": "200",
            },
            Answers(Workload("checkout-green", "shop", "latest"), "2xx", "-"),
        ),
        (
            {
                "destination_workload": "ui",
                "destination_workload_namespace": "cisco",
                "destination_app": "ui",
                "destination_version": "5.35.0-53",
                "destination_canonical_revision": "5.35.0-53",
                "response_code": "200",
            },
            Answers(Workload("ui", "cisco", "5.35.0-53"), "2xx", "-"),
        ),
        # the circuit breaker is open, or no endpoint is healthy: no workload, and a revision all the same
        ({"response_flags": "UO"}, Answers(NO_WORKLOAD, "5xx", "UO")),
        ({"response_flags": "UH"}, Answers(NO_WORKLOAD, "5xx", "UH")),
        # no route: what istiod tells gateways not to guess from the header Host
        (
            {
                "destination_service": "unknown",
                "destination_service_name": "unknown",
                "response_code": "404",
                "response_flags": "NR",
            },
            None,
        ),
    ],
)
def test_lines_of_stock_proxies(labels: dict[str, str], expected: Answers | None) -> None:
    """Labels and values as stock proxies have been seen to write them, with names of of_service."""
    assert read(gateway(**labels)) == ({expected: 1} if expected else {})


def test_where_the_labels_of_the_workload_are_switched_off_the_revision_is_left() -> None:
    found = (
        line(REQUESTS, 3).replace('destination_workload="pong-v1",', "").replace('_workload_namespace="shop"', '_x=""')
    )
    assert read(found) == {Answers(Workload(revision="v1"), "2xx", "-"): 3}


def test_the_path_asks_for_one_service_alone() -> None:
    pattern = parse_qs(urlsplit(stats_path((HOST,))).query)["filter"][0]
    name = "istiocustom.istio_requests_total.reporter.source.destination_service.{}.response_code.200"
    assert re.search(pattern, name.format(HOST))
    assert not re.search(pattern, name.format("pong.other.svc.cluster.local"))
    assert not re.search(pattern, name.format(HOST).replace("requests_total", "request_bytes"))


def test_several_hosts_are_one_service() -> None:
    hosts = (HOST, "cart.shop.svc.cluster.local")
    pattern = parse_qs(urlsplit(stats_path(hosts)).query)["filter"][0]
    name = "istiocustom.istio_requests_total.reporter.source.destination_service.{}.response_code.200"
    assert [bool(re.search(pattern, name.format(each))) for each in (*hosts, "pay.shop")] == [True, True, False]
    text = "\n".join([line(REQUESTS, 3), line(REQUESTS, 4, destination_service=hosts[1]), ""]).encode()
    assert sum(parse(text, hosts).values()) == 7
    assert sum(parse(text, (HOST,)).values()) == 3


@pytest.mark.parametrize(
    "other",
    [
        line(REQUESTS, 5, destination_service="other.shop.svc.cluster.local", response_code="503"),
        line(REQUESTS, 5, reporter="destination"),
        line(REQUESTS, 5).replace('response_code="200"', 'response_code_class="2xx"'),
        line("istio_tcp_sent_bytes_total", 5),
        line(BUCKETS, 5, le="250", destination_workload="unknown"),
        line(BUCKETS, 5),
        line(REQUESTS, "NaN"),
        f"# HELP {line(REQUESTS, 5)}",
        "<html>no such page</html>",
    ],
)
def test_what_is_not_ours_is_left_out(other: str) -> None:
    assert read(other, line(REQUESTS, 1), other) == {OK: 1}


def test_the_other_reporter() -> None:
    lines = [line(REQUESTS, 1), line(REQUESTS, 2, reporter="destination")]
    assert read(*lines, reporter="destination") == {OK: 2}


def test_series_that_differ_in_other_labels_are_summed() -> None:
    callers = [line(REQUESTS, number, source_workload=f"caller-{number}") for number in (1, 2, 3)]
    assert read(*callers) == {OK: 6}


def test_large_numbers_and_times_are_read() -> None:
    assert read(line(REQUESTS, "1.2e+06 1700000000000")) == {OK: 1_200_000}


def test_a_label_with_quotes_and_braces_does_not_end_the_others() -> None:
    assert read(line(REQUESTS, 1, source_app=r"say \"} 9", response_flags="DC")) == {Answers(V1, "2xx", "DC"): 1}


@given(st.binary(max_size=200))
def test_rubbish_counts_nothing(text: bytes) -> None:
    assert parse(text, (HOST,)) == {}


def test_it_is_fast_enough_to_be_asked_ten_times_a_second() -> None:
    """An answer of 2 MB: this service among nineteen others. It takes 3 ms; the bound is that of a busy machine."""
    lines = [
        line(BUCKETS, 7, le=str(edge), destination_version=version, response_code=code, destination_service=host)
        for host in (HOST, *(f"s{number}.shop.svc.cluster.local" for number in range(19)))
        for version in ("v1", "v2")
        for code in ("200", "404", "500", "503")
        for edge in (*EDGES, "+Inf")
    ]
    text = "\n".join(lines).encode()
    assert len(parse(text, (HOST,))) == 40
    begin = time.process_time()
    parse(text, (HOST,))
    assert time.process_time() - begin < 0.05
