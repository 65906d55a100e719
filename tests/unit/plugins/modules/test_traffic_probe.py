# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.modules import traffic_probe


class Handler(BaseHTTPRequestHandler):
    """Answers v1 four times, then v2 once: exactly 20 % when one worker asks."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"] or "")
        body = b"v2" if len(self.asked) % 5 == 0 else b"v1"
        self.send_response(503 if self.path == "/sick" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def call(run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module(traffic_probe.main, options, check)

    return run


def test_documentation_and_arguments_agree() -> None:
    documented = yaml.safe_load(traffic_probe.DOCUMENTATION)["options"]
    assert set(documented) == set(traffic_probe.ARGUMENTS)
    for name, argument in traffic_probe.ARGUMENTS.items():
        keys = ("type", "default", "required", "elements")
        assert [documented[name].get(key) for key in keys] == [argument.get(key) for key in keys], name


def test_expected_split(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=f"{url}/version", concurrency=1, expect={"v1": 80, "v2": "20"})
    assert not result.get("failed")
    assert result["ok"] is True
    assert (
        result["versions"]["v2"].items() >= {"requests": 10, "share": 0.2, "weight": 0.2, "low": 2, "high": 20}.items()
    )
    assert result["versions"]["v1"].items() >= {"requests": 40, "ok": True, "p_value": 1.0}.items()
    assert (result["statuses"], result["errors"], result["error_count"]) == ({"200": 50}, {}, 0)
    assert set(result["latency_ms"]) == {"p50", "p95", "p99", "max"}
    assert result["msg"].endswith("v1 40 (80.0 %), v2 10 (20.0 %), 0 errors")
    assert len(Handler.asked) == 50


def test_results_are_those_documented(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=url, requests=1, expect={"v1": 1})
    documented = yaml.safe_load(traffic_probe.RETURN)
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert set(documented["versions"]["sample"]["v2"]) == set(result["versions"]["v1"])


def test_wrong_split_fails_with_all_numbers(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=f"{url}/version", requests=200, concurrency=1, expect={"v1": 50, "v2": 50})
    assert result["failed"] is True
    assert "v2 answered 40 of 200 (20.0 %), outside 77-123" in result["msg"]
    assert "progressive.istio.doctor" in result["msg"]
    assert result["versions"]["v1"]["requests"] == 160
    assert "WRONG" in result["table"]


def test_errors_fail_or_are_allowed(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=f"{url}/sick", requests=3)
    assert (result["failed"], result["errors"]) == (True, {"http_503": 3})
    assert "3 errors (3 http_503; the first: http_503: v1) with max_errors 0" in result["msg"]
    assert not call(url=f"{url}/sick", requests=3, max_errors=3).get("failed")
    assert not call(url=f"{url}/sick", requests=3, expect_status=[503]).get("failed")


def test_answers_of_further_destinations_are_no_errors(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=f"{url}/version", concurrency=1, expect={"v1": 80}, others={"ads": 10, "pong": 10})
    assert (result["ok"], result["error_count"]) == (True, 0)
    assert {name: each["requests"] for name, each in result["versions"].items()} == {"v1": 40, "ads and pong": 10}


def test_without_expectation_nothing_is_judged(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=url, requests=5, concurrency=1)
    assert result["versions"]["v1"] == {
        "requests": 4,
        "share": 0.8,
        "weight": None,
        "low": None,
        "high": None,
        "p_value": None,
        "ok": True,
    }


def test_wait_is_not_counted(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=url, requests=5, wait_timeout=5)
    assert (result["statuses"], len(Handler.asked)) == ({"200": 5}, 6)


def test_wait_in_vain(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=f"{url}/sick", requests=5, wait_timeout=0.3)
    assert result["failed"] is True
    assert "gave no good answer within" in result["msg"]
    assert "http_503: v1" in result["msg"]


def test_check_mode_sends_the_requests(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(check=True, url=url, requests=10, concurrency=1, expect={"v1": 80, "v2": 20})
    assert (result["ok"], result["statuses"]) == (True, {"200": 10})


@pytest.mark.parametrize("wait_timeout", [0, 5])
def test_check_mode_does_not_fail_on_what_is_not_deployed_yet(
    call: Callable[..., dict[str, Any]], wait_timeout: float
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    result = call(check=True, url=f"http://127.0.0.1:{port}/", wait_timeout=wait_timeout, expect={"v1": 1})
    assert not result.get("failed")
    assert (result["ok"], result["errors"]) == (False, {"refused": 1})
    assert result["waited"] < 4
    assert result["msg"].startswith("check mode, so no failure: ")


def test_check_mode_does_not_fail_on_weights_that_are_not_written_yet(
    url: str, call: Callable[..., dict[str, Any]]
) -> None:
    result = call(check=True, url=url, requests=200, concurrency=1, expect={"v1": 100, "v2": 0})
    assert not result.get("failed")
    assert result["ok"] is False


def test_secret_headers_are_not_shown(url: str, call: Callable[..., dict[str, Any]]) -> None:
    result = call(url=url, requests=1, headers={"Authorization": "Bearer s3cret", "X-Try": "1"})
    assert Handler.asked == ["Bearer s3cret"]
    assert "s3cret" not in json.dumps(result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "ftp://a"}, "url must look like"),
        ({"requests": 0}, "requests must be between 1 and 100000, and is 0"),
        ({"requests": 100_001}, "requests must be"),
        ({"concurrency": 101}, "concurrency must be between 1 and 100, and is 101"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"deadline": 0}, "deadline must be"),
        ({"max_errors": -1}, "max_errors must be"),
        ({"wait_timeout": -1}, "wait_timeout must be"),
        ({"confidence": 99.9}, "confidence must be between 0 and 1, and is 99.9"),
        ({"expect": {"v1": -1}}, "expect: the weight of v1 must be a number >= 0, and is -1"),
        ({"expect": {"v1": 1}, "others": {"ads": "x"}}, "others: the weight of ads must be a number >= 0, and is 'x'"),
        ({"others": {"ads": 20}}, "others: give the weights of the versions too, as expect"),
        ({"expect": {"v1": "20%"}}, "is '20%'"),
        ({"expect": {"v1": True}}, "is True"),
        ({"expect": {"v1": [1]}}, "is [1]"),
        ({"expect": {"v1": 0, "v2": 0}}, "at least one weight must be greater than 0"),
        ({"headers": {"a b": "x"}}, "'a b' is not a header name"),
        ({"version_pattern": "("}, "version_pattern is no regular expression"),
        ({"url": "https://a", "ca_path": "/nonexistent.pem"}, "ca_path /nonexistent.pem cannot be used"),
    ],
)
def test_bad_input(call: Callable[..., dict[str, Any]], options: dict[str, Any], words: str) -> None:
    result = call(**{"url": "http://127.0.0.1:9/", **options})
    assert result["failed"] is True
    assert words in result["msg"]


def test_all_mistakes_at_once(call: Callable[..., dict[str, Any]]) -> None:
    assert call(url="x", requests=0, confidence=2, expect={"v1": -1})["msg"].count("; ") == 3
