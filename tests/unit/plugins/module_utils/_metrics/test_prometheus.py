# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus that answers, and all the ways in which it does not: against a server that speaks HTTP on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.prometheus import (
    Prometheus,
    PrometheusError,
    PrometheusOptions,
    UnusableQuery,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.promql import Samples
from prometheus_server import Answer, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def client(server: Server, **options: Any) -> Prometheus:
    return Prometheus(PrometheusOptions(server.url, **options))


def failure(ask: Callable[[], object], server: Server | None = None) -> str:
    with pytest.raises(PrometheusError) as caught:
        ask()
    return str(caught.value).replace(server.url if server else "nowhere", "URL")


def test_a_number(server: Server) -> None:
    server.vector("0.25")
    assert client(server).number("a + b") == 0.25
    server.result("scalar", [1.0, "3"])
    assert client(server).number("3") == 3
    assert [(path, fields) for path, fields, _headers in server.asked] == [
        ("/api/v1/query", {"query": "a + b"}),
        ("/api/v1/query", {"query": "3"}),
    ]


def test_samples(server: Server) -> None:
    server.result("matrix", [{"metric": {"pod": "a"}, "values": [[1.5, "3"], [2, "4e+03"]]}])
    assert client(server).samples("up[1m]", 1700000000.1234) == [Samples({"pod": "a"}, [(1.5, 3), (2.0, 4000)])]
    assert server.asked[0][1] == {"query": "up[1m]", "time": "1700000000.123"}


def test_it_says_who_asks_and_keeps_its_connection(server: Server) -> None:
    server.vector("1")
    prometheus = client(server, headers={"X-Scope-OrgID": "shop"}, bearer_token="hush")
    addresses = set()
    for _time in range(3):
        prometheus.number("up")
        headers = server.asked[-1][2]
        addresses.add(headers["Host"])
        assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer hush", "shop")
    assert prometheus._client._pool.connection_from_url(server.url).num_connections == 1


@pytest.mark.parametrize(
    ("kind", "result", "sentence"),
    [
        ("vector", [], "query `up` gave no data"),
        (
            "vector",
            [{"metric": {"pod": name}, "value": [1, "1"]} for name in "abc"],
            'query `up` gave 3 series where one is needed, such as {"pod": "a"} and {"pod": "b"}: sum them, or select '
            "one by its labels",
        ),
        (
            "vector",
            [{"metric": {}, "value": [1, "NaN"]}],
            "query `up` gave NaN, as a division by zero does where nothing was counted",
        ),
        ("vector", [{"metric": {}, "value": [1, "+Inf"]}], "query `up` gave +inf, which is no finite number"),
        ("scalar", [1, "-Inf"], "query `up` gave -inf, which is no finite number"),
        ("matrix", [], "query `up` gave a matrix where one number is needed"),
        ("string", [1, "a"], "query `up` gave a string where one number is needed"),
        (
            "vector",
            [{"metric": {}}],
            "Prometheus at URL does not answer as Prometheus does, is its url right? It said: None",
        ),
        ("vector", ["a"], "Prometheus at URL does not answer as Prometheus does, is its url right? It said: None"),
        (
            "scalar",
            [1, "x"],
            "Prometheus at URL does not answer as Prometheus does, is its url right? It said: [1, 'x']",
        ),
    ],
)
def test_no_number(server: Server, kind: str, result: object, sentence: str) -> None:
    server.result(kind, result)
    assert failure(lambda: client(server).number("up"), server) == sentence


def test_queries_that_never_give_a_number_are_told_from_those_without_data(server: Server) -> None:
    unusable = []
    for answer in (
        {"status": "success", "data": {"resultType": "vector", "result": []}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "1"]}] * 2}},
        {"status": "success", "data": {"resultType": "matrix", "result": []}},
        {"status": "error", "errorType": "bad_data", "error": "parse error"},
        {"status": "error", "errorType": "timeout", "error": "slow"},
    ):
        server.answer = Answer(answer, 200 if answer["status"] == "success" else 400)
        with pytest.raises(PrometheusError) as caught:
            client(server).number("up")
        unusable.append(isinstance(caught.value, UnusableQuery))
    assert unusable == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("kind", "result", "sentence"),
    [
        ("vector", [], "query `up` gave a vector where samples over a time are needed"),
        ("matrix", [{"metric": {}, "values": [[1, "NaN"]]}], "Prometheus at URL does not answer as Prometheus does"),
        ("matrix", [{"metric": {}, "values": [[1, "Inf"]]}], "Prometheus at URL does not answer as Prometheus does"),
        ("matrix", [{"metric": {}, "values": [1]}], "Prometheus at URL does not answer as Prometheus does"),
        ("matrix", [1], "Prometheus at URL does not answer as Prometheus does"),
    ],
)
def test_no_samples(server: Server, kind: str, result: object, sentence: str) -> None:
    server.result(kind, result)
    assert failure(lambda: client(server).samples("up", 0), server).startswith(sentence)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            Answer({"status": "error", "errorType": "bad_data", "error": "1:4: parse error: unclosed left paren"}, 400),
            "query `up` was refused by Prometheus at URL: 1:4: parse error: unclosed left paren (bad_data)",
        ),
        (
            Answer({"status": "error", "errorType": "timeout", "error": "query timed out"}, 503),
            "query `up` was refused by Prometheus at URL: query timed out (timeout)",
        ),
        (Answer("<h1>no\nsuch page</h1>", 404), "Prometheus at URL answered 404: <h1>no such page</h1>"),
        (Answer("", 502), "Prometheus at URL answered 502: no reason given"),
        (Answer("", 401), "Prometheus at URL refuses access (401): set bearer_token or headers"),
        (Answer("no", 403), "Prometheus at URL refuses access (403): set bearer_token or headers"),
        (
            Answer("", 302, {"Location": "https://login/"}),
            "Prometheus at URL sends elsewhere, to https://login/: give that url, or credentials",
        ),
        (
            Answer("<html>welcome</html>"),
            "Prometheus at URL does not answer as Prometheus does, is its url right? It said: <html>welcome</html>",
        ),
        (Answer("[]"), "Prometheus at URL does not answer as Prometheus does, is its url right? It said: []"),
        (Answer(""), "Prometheus at URL does not answer as Prometheus does, is its url right? It said: nothing"),
        (
            Answer({"status": "success", "data": 1}),
            "Prometheus at URL does not answer as Prometheus does, is its url right? It said: {'status': 'success', "
            "'data': 1}",
        ),
    ],
)
def test_no_answer_of_prometheus(server: Server, answer: Answer, sentence: str) -> None:
    server.answer = answer
    assert failure(lambda: client(server).number("up"), server) == sentence
    assert len(server.asked) == 1


def test_it_is_slow(server: Server) -> None:
    server.answer = Answer(delay=5)
    begin = time.monotonic()
    assert failure(lambda: client(server, timeout=0.1).number("up"), server) == (
        "Prometheus at URL cannot be asked: no answer within 0.1 s; is its url right, and is it up?"
    )
    assert time.monotonic() - begin < 4


def test_it_is_down() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    text = failure(lambda: Prometheus(PrometheusOptions(url)).number("up"))
    assert text == (
        f"Prometheus at {url} cannot be asked: [Errno 111] Connection refused; is its url right, and is it up?"
    )


def test_its_name_is_unknown() -> None:
    text = failure(lambda: Prometheus(PrometheusOptions("http://prometheus.invalid", timeout=2)).number("up"))
    assert text.startswith("Prometheus at http://prometheus.invalid cannot be asked: ")
    assert "object at 0x" not in text


def test_it_speaks_no_tls(server: Server) -> None:
    url = server.url.replace("http:", "https:")
    text = failure(lambda: Prometheus(PrometheusOptions(url)).number("up"))
    assert text.startswith(f"Prometheus at {url} cannot be asked: ")
    assert text.endswith("; does ca_cert name its authority?")


def test_a_ca_that_is_not_there() -> None:
    text = failure(lambda: Prometheus(PrometheusOptions("https://p", ca_cert="/no/ca.pem")))
    assert (
        text
        == "/no/ca.pem, the ca_cert for Prometheus at https://p, cannot be read: [Errno 2] No such file or directory"
    )


@pytest.mark.parametrize("status", [200, 302, 400, 500])
def test_credentials_are_never_told(server: Server, status: int) -> None:
    """Even if whoever answers repeats them."""
    said = "you sent Bearer hush-1 and hush-2"
    body: object = {"status": "error", "error": said, "errorType": "x"} if status == 400 else said
    server.answer = Answer(body, status, {"Location": "http://elsewhere/?token=hush-1"})
    prometheus = client(server, bearer_token="hush-1", headers={"X-Key": "hush-2"})
    text = failure(lambda: prometheus.number("up"), server)
    assert "***" in text
    assert "hush" not in text


def test_long_texts_are_cut(server: Server) -> None:
    server.answer = Answer("x" * 5000)
    assert len(failure(lambda: client(server).number("y" * 5000))) < 500
    server.vector()
    assert len(failure(lambda: client(server).number("y" * 5000))) < 200
