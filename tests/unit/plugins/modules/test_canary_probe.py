# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary judged by requests of our own, which a real server on loopback answers as the gateway would."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._watch import providers
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import ApiServer
from istio_mesh import Istio
from pong_mesh import NAMESPACE, weights_of

Call = Callable[..., dict[str, Any]]
Answer = tuple[int, str, dict[str, str]]

SOON = {"success": {"bad_error": 0.3}, "latency": False, "minimum_requests": 20}


class Gateway(ThreadingHTTPServer):
    """Leads each request to a version as the mesh's gateway has its weights, in turn. It says how each answers."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, mesh: Istio) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mesh = mesh
        self.answers: dict[str, Answer] = {"v1": (200, "v1", {}), "v2": (200, "v2", {})}
        self.asked: list[dict[str, str]] = []
        self._turn = itertools.count()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/version"

    def answer(self) -> Answer:
        # 37 and 100 have no common divisor, so that 100 requests in a row are split just as the weights are
        return self.answers["v1" if next(self._turn) * 37 % 100 < self.mesh.gateway.split[0] else "v2"]


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        status, body, headers = self.server.answer()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def gateway(mesh: Istio) -> Iterator[Gateway]:
    with Gateway(mesh) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def call(mesh: Istio, gateway: Gateway, run_module: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(providers.ProbeProvider, "pace", 0.1)
    fixed = {"host": mesh.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "wait_timeout": 0}
    fixed |= {"stable": "v1", "canary": "v2", "state": "advanced", "steps": [50, 100], "interval": 0}

    def run(
        analysis: dict[str, Any] | None = None, probe: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        asked = {"url": gateway.url, "per_second": 100, **(probe or {})}
        judged = {"source": "probe", "deadline": 30, "probe": asked, **(analysis or {})}
        return run_module(canary.main, {**fixed, "analysis": judged, **options})

    return run


def checks(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in result["analysis"]["checks"]}


def test_a_good_canary_passes(server: ApiServer, gateway: Gateway, call: Call) -> None:
    result = call({**SOON, "latency": {"bad_slow": 0.3}})
    assert result["analysis"]["result"] == "pass", result["msg"]
    assert weights_of(server) == {"v1": 50, "v2": 50}
    found = checks(result)
    assert set(found) == {"errors", "worse_than_stable", "latency", "unattributed"}
    assert found["errors"]["requests"] >= 20
    assert result["analysis"]["percentiles"]["v2"]["p99"] > 0
    assert len(gateway.asked) >= 40


def test_failures_that_name_their_version(server: ApiServer, gateway: Gateway, call: Call) -> None:
    gateway.answers["v2"] = (500, "v2 fails", {})
    result = call(interval=60)
    assert result["phase"] == "rolled_back", result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}
    assert checks(result)["errors"]["result"] == "fail"


def test_failures_that_name_none_are_the_canarys_by_the_split(server: ApiServer, gateway: Gateway, call: Call) -> None:
    gateway.answers["v2"] = (503, "no healthy upstream", {})
    result = call(interval=60)
    assert result["phase"] == "rolled_back", result["msg"]
    assert "v2 gave 0 of the" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_a_canary_that_has_all_requests_and_turns_bad(server: ApiServer, gateway: Gateway, call: Call) -> None:
    answers = itertools.chain([(200, "v2", {})] * 100, itertools.repeat((503, "no healthy upstream", {})))
    gateway.answer = lambda: next(answers)  # type: ignore[method-assign]
    call(state="weighted", weight=100, steps=None)
    result = call(interval=60)
    assert result["phase"] == "rolled_back", result
    assert "v2 has all requests" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_failures_of_both_are_held(server: ApiServer, gateway: Gateway, call: Call) -> None:
    gateway.answers = {"v1": (500, "v1", {}), "v2": (500, "v2", {})}
    result = call({"deadline": 0.5})
    assert (result["failed"], result["phase"]) == (True, "held")
    assert "the baseline is bad" in result["msg"]


def test_a_header_may_name_the_version(gateway: Gateway, call: Call) -> None:
    gateway.answers = {name: (200, "hello", {"X-Version": f"shop/{name}"}) for name in ("v1", "v2")}
    probe = {"version_header": "x-version", "version_pattern": "shop/(?P<version>.+)", "headers": {"Host": "shop.test"}}
    result = call(SOON, probe)
    assert result["analysis"]["result"] == "pass", result["msg"]
    assert {asked["Host"] for asked in gateway.asked} == {"shop.test"}


def test_answers_that_name_no_version(gateway: Gateway, call: Call) -> None:
    gateway.answers = {name: (404, "not found", {}) for name in ("v1", "v2")}
    result = call({"deadline": 2})
    assert (result["failed"], result["phase"]) == (True, "held")
    assert f"no answer of {gateway.url} names a version, the last one was 404: not found" in result["msg"]


def test_a_deadline_before_the_first_answer_is_a_failure_too(gateway: Gateway, call: Call) -> None:
    gateway.answers = {name: (404, "not found", {}) for name in ("v1", "v2")}
    result = call({"deadline": 0.001})
    assert (result["failed"], result["phase"]) == (True, "held")
    assert "v2: inconclusive: nothing was counted" in result["msg"]


def test_nobody_answers(gateway: Gateway, call: Call) -> None:
    gateway.server_close()
    result = call({"deadline": 2})
    assert (result["failed"], result["phase"]) == (True, "held")
    assert f"no answer of {gateway.url} names a version, the last one was refused" in result["msg"]


def test_certificates_that_are_not_there(call: Call) -> None:
    result = call({"deadline": 0.5}, {"url": "https://127.0.0.1/", "ca_cert": "/no/such.pem"})
    assert "/no/such.pem, the ca_cert of the probe, cannot be read" in result["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"proof": "none"}, "a probe is judged by the weights that the proxies run"),
        ({"watch": 0}, "watch is 0: then nothing is counted"),
    ],
)
def test_what_a_probe_needs(mesh: Istio, call: Call, options: dict[str, Any], words: str) -> None:
    assert words in call(**options)["msg"]
    assert mesh.writes == 0
