# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a proxy becomes counters of one service, whoever made the metrics."""

from __future__ import annotations

import time
from math import inf

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._counters import Answers, Bucket, parse
from ansible_collections.progressive.istio.plugins.module_utils._histogram import EDGES
from hypothesis import given
from hypothesis import strategies as st

HOST = "pong.shop.svc.cluster.local"
OK = Answers("v1", "2xx", "-")
REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"


def line(name: str, value: object, **labels: object) -> str:
    """A line as a gateway tells it; labels replace or add."""
    told = {
        "reporter": "source",
        "source_workload": "istio-ingressgateway",
        "destination_service": HOST,
        "destination_service_name": "pong",
        "destination_version": "v1",
        "workload": "pong-v1;shop;pong;v1;Kubernetes",
        "response_code": "200",
        "response_flags": "-",
        **labels,
    }
    return f"{name}{{{','.join(f'{key}={chr(34)}{label}{chr(34)}' for key, label in told.items())}}} {value}"


def read(*lines: str, reporter: str = "source") -> dict[object, int]:
    return dict(parse("\n".join(["# TYPE istio_requests_total counter", *lines, ""]).encode(), HOST, reporter))


@pytest.mark.parametrize("prefix", ["", "envoy_"])
def test_both_ways_to_name_them(prefix: str) -> None:
    name = f"{prefix}{BUCKETS}"
    assert read(
        line(f"{prefix}{REQUESTS}", 67),
        line(f"{prefix}{REQUESTS}", 13, destination_version="v2"),
        line(name, 10, le="0.5"),
        line(name, 60, le="250"),
        line(name, 67, le="+Inf"),
        line(f"{prefix}istio_request_duration_milliseconds_sum", 900.5),
        line(f"{prefix}istio_request_duration_milliseconds_count", 67),
        line(f"{prefix}istio_request_bytes_bucket", 67, le="250"),
    ) == {
        OK: 67,
        Answers("v2", "2xx", "-"): 13,
        Bucket("v1", 0.5): 10,
        Bucket("v1", 250): 60,
        Bucket("v1", inf): 67,
    }


@pytest.mark.parametrize(
    ("labels", "expected", "failed"),
    [
        ({}, OK, False),
        ({"response_code": "404"}, Answers("v1", "4xx", "-"), False),
        ({"response_code": "503", "response_flags": "UF,URX"}, Answers("v1", "5xx", "UF,URX"), True),
        ({"response_code": "0", "response_flags": "DC"}, Answers("v1", "none", "DC"), True),
        ({"grpc_response_status": "0"}, OK, False),
        ({"grpc_response_status": "5"}, OK, False),
        ({"grpc_response_status": "14"}, Answers("v1", "grpc 14", "-"), True),
        ({"destination_version": "unknown", "response_code": "503"}, Answers("", "5xx", "-"), True),
    ],
)
def test_kinds_of_answers(labels: dict[str, str], expected: Answers, failed: bool) -> None:
    assert read(line(REQUESTS, 2, **labels)) == {expected: 2}
    assert expected.failed is failed


@pytest.mark.parametrize("absent", ["", "-", "unknown"])
@pytest.mark.parametrize(
    ("code", "flags", "counted"),
    [("503", "NC", True), ("503", "UH", True), ("404", "NR", True), ("404", "-", False), ("200", "-", False)],
)
def test_failures_that_found_no_service(absent: str, code: str, flags: str, counted: bool) -> None:
    """They count; what else has no service is not ours."""
    lost = line(REQUESTS, 3, destination_service=absent, response_code=code, response_flags=flags)
    assert read(lost) == ({Answers("", f"{code[0]}xx", flags): 3} if counted else {})


@pytest.mark.parametrize(
    "other",
    [
        line(REQUESTS, 5, destination_service="other.shop.svc.cluster.local", response_code="503"),
        line(REQUESTS, 5, reporter="destination"),
        line(REQUESTS, 5).replace('response_code="200"', 'response_code_class="2xx"'),
        line("istio_tcp_sent_bytes_total", 5),
        line(BUCKETS, 5, le="250", destination_version="unknown"),
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
    assert read(line(REQUESTS, 1, source_app=r"say \"} 9", response_flags="DC")) == {Answers("v1", "2xx", "DC"): 1}


@given(st.binary(max_size=200))
def test_rubbish_counts_nothing(text: bytes) -> None:
    assert parse(text, HOST) == {}


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
    assert len(parse(text, HOST)) == 40
    begin = time.process_time()
    parse(text, HOST)
    assert time.process_time() - begin < 0.05
