# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that are judged: the module `canary` in a mesh whose gateway counts what it answers."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy import reader
from ansible_collections.progressive.istio.plugins.module_utils._watch import providers
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import ApiServer, Request
from istio_mesh import Istio
from loopback_mesh import Envoy
from pong_mesh import NAMESPACE, state_of, weights_of
from prometheus_server import serving

Call = Callable[..., dict[str, Any]]

WELL = {("v1", 200): 90, ("v2", 200): 50}
BAD = {("v1", 200): 90, ("v2", 500): 2}


@pytest.fixture
def call(mesh: Istio, run_module: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(providers.ProxyProvider, "pace", 0.01)
    monkeypatch.setattr(providers, "SERIES_PACE", 0.01)
    fixed = {"host": mesh.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "wait_timeout": 0}
    fixed |= {"stable": "v1", "canary": "v2", "state": "advanced", "steps": [10, 50, 100], "interval": 0}

    def run(analysis: dict[str, Any] | None = None, check: bool = False, **options: Any) -> dict[str, Any]:
        judged = {"latency": False, "deadline": 0.3, **(analysis or {})}
        return run_module(canary.main, {**fixed, "analysis": judged, **options}, check)

    return run


def test_a_good_canary_passes_step_by_step(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = WELL
    for weight in (10, 50, 100):
        result = call({"deadline": 30})
        assert not result.get("failed"), result["msg"]
        assert weights_of(server)["v2"] == weight
    assert result["finished"]
    assert "analysis" not in result  # with all requests on it there is nothing to judge


def test_a_verdict_tells_its_numbers_and_is_kept(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = WELL
    result = call({"deadline": 30})
    assert result["analysis"]["result"] == "pass"
    assert "requests to v2 (0 %) failed, 1 % may" in result["analysis"]["why"]
    assert [check["name"] for check in result["analysis"]["checks"]] == ["errors", "worse_than_stable", "unattributed"]
    assert state_of(server)["verdict"]["result"] == "pass"
    assert state_of(server).get("holder") is None


def test_the_counts_are_returned_as_judged(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = WELL
    result = call({"deadline": 30}, samples=True)
    (judged,) = result["judged"]
    assert {key: judged[key] for key in result["analysis"]} == result["analysis"]
    assert (judged["weights"], judged["since"]) == ({"v1": 90, "v2": 10}, state_of(server)["since"])
    errors = next(check for check in judged["checks"] if check["name"] == "errors")
    assert judged["versions"]["v2"] == {"requests": errors["requests"], "failed": errors["bad"]}
    assert judged["samples"][-1] == {"at": judged["until"], "versions": judged["versions"]}
    assert judged["limits"] == {"minimum_requests": 100, "max_error": 0.01, "bad_error": 0.05}
    assert call(state="held")["judged"] == []


def test_samples_are_returned_where_they_are_asked_for(mesh: Istio, call: Call) -> None:
    mesh.traffic = WELL
    (judged,) = call({"deadline": 30})["judged"]
    assert "samples" not in judged
    assert judged["versions"]["v2"]["requests"] > 0


def test_a_bad_canary_is_rolled_back_and_that_is_live(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = BAD
    result = call({"deadline": 30}, interval=60)
    assert result["failed"]
    assert (weights_of(server), mesh.gateway.split) == ({"v1": 100, "v2": 0}, (100, 0))
    assert [each["event"] for each in result["transitions"]] == ["advanced", "failed"]
    assert "requests to v2 (100 %) failed" in result["msg"]
    assert len(result["live"]) == 1
    assert "set confirm: true to continue anyway" in call()["msg"]


def test_a_bad_canary_may_be_held(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = BAD
    assert call({"deadline": 30}, interval=60, on_failure="hold")["phase"] == "held"
    assert weights_of(server) == {"v1": 90, "v2": 10}


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        ({}, "v2 has answered no request since its weight is live"),
        ({("v1", 500): 90, ("v2", 500): 10}, "the baseline is bad"),
        ({("", 503): 9}, "belong to no version"),
    ],
)
def test_what_stays_unclear_holds(
    mesh: Istio, server: ApiServer, call: Call, traffic: dict[tuple[str, int], int], words: str
) -> None:
    mesh.traffic = traffic
    result = call({"deadline": 2} if traffic else {})  # a busy machine takes its time to count
    assert result["failed"]
    assert (result["phase"], result["analysis"]["result"]) == ("held", "inconclusive")
    assert words in result["msg"]
    assert weights_of(server) == {"v1": 90, "v2": 10}
    assert state_of(server)["verdict"]["result"] == "inconclusive"


def test_what_stays_unclear_may_be_rolled_back(mesh: Istio, server: ApiServer, call: Call) -> None:
    result = call({"on_inconclusive": "rollback"})
    assert (result["failed"], result["phase"]) == (True, "rolled_back")
    assert "on_inconclusive is rollback" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_what_a_gateway_counted_before_does_not_matter(mesh: Istio, call: Call) -> None:
    mesh.counted[("v2", 500)] = 1000
    mesh.traffic = WELL
    assert call({"deadline": 30})["analysis"]["result"] == "pass"


def test_gateways_that_cannot_be_read(mesh: Istio, server: ApiServer, call: Call) -> None:
    """From the moment on when the weight is live."""
    asked = iter([mesh.clusters("")])
    mesh.gateway.server.answers["/clusters"] = lambda _path: next(asked, None)
    result = call()
    assert (result["phase"], weights_of(server)) == ("held", {"v1": 90, "v2": 10})
    assert "no proxy can be read" in result["msg"]


@pytest.mark.parametrize("body", [b"no JSON", b'{"cluster_statuses": [{}]}', b"[1]"])
def test_a_gateway_whose_answer_is_none(mesh: Istio, server: ApiServer, call: Call, body: bytes) -> None:
    asked = iter([mesh.clusters("")] * 1)
    mesh.gateway.server.answers["/clusters"] = lambda _path: next(asked, body)
    result = call()
    assert (result["phase"], weights_of(server)) == ("held", {"v1": 90, "v2": 10}), result["msg"]
    assert "the clusters that gateway gateways/one lists cannot be read" in result["msg"]


def test_a_gateway_that_loses_the_cluster_of_the_canary(mesh: Istio, server: ApiServer, call: Call) -> None:
    """Not a request need be counted, and what other services fail in that gateway does not matter."""
    mesh.traffic = {("v1", 200): 9}
    shown = itertools.count()

    def clusters(path: str) -> bytes:
        if "v1" in path and next(shown) == 5:  # what waits for v2 to be ready asks for that alone
            mesh.gateway.subsets.remove("v2")
        return mesh.clusters(path)

    mesh.gateway.server.answers["/clusters"] = clusters
    result = call({"deadline": 30}, interval=60)
    assert result["phase"] == "rolled_back", result["msg"]
    assert "no healthy endpoint of v2 is left in gateway gateways/one" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_gateways_that_stay_unread_are_reported_early_and_in_the_verdict(
    mesh: Istio, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One of two answers nothing: what the other one counts decides, and both the person and the verdict are told."""
    monkeypatch.setattr(reader, "UNREAD_AFTER", 0.1)
    mesh.traffic = WELL
    two, known = mesh.add(Envoy("two")), iter([mesh.clusters("")])
    two.server.answers |= {"/config_dump": mesh.gateway.routes, "/clusters": lambda _path: next(known, None)}
    run = {"id": "x", "progress": str(tmp_path / "progress")}
    result = call({"deadline": 30}, interval=1, run=run)
    assert result["analysis"]["result"] == "pass", result["msg"]
    gap = "counted in 1 of 2 proxies: gateway gateways/two cannot be read for"
    assert gap in result["analysis"]["why"]
    assert "was answered with 404" in result["analysis"]["why"]
    assert result["judged"][0]["proxies"] == {"read": 1, "of": 2}
    lines = (tmp_path / "progress").read_text().splitlines()
    assert [gap in line for line in lines] == [False, True, True]  # the step, as soon as it is known, the verdict


def test_a_canary_is_judged_by_what_was_counted_before_the_line_was_cut(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    """The port-forward is cut all the time and takes longer to open than an answer does."""
    mesh.traffic = BAD
    mesh.delay = 0.7
    over = threading.Event()

    def cut() -> None:
        while not over.wait(1):
            mesh.cut()

    threading.Thread(target=cut, daemon=True).start()
    begin = time.monotonic()
    result = call({"deadline": 30}, interval=60)
    over.set()
    assert result["phase"] == "rolled_back", result["msg"]
    assert time.monotonic() - begin < 10


def test_no_proxy_is_read_beside_the_proof_of_a_rollback(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = BAD
    asked: list[str] = []

    def push() -> None:
        mesh.holds = False
        mesh.push()

    def written(number: int, request: Request) -> None:
        if request.method == "PATCH" and weights_of(server) == {"v1": 100, "v2": 0} and not asked:
            mesh.holds = True  # so that the proof takes a while
            asked.extend(mesh.gateway.server.asked)
            threading.Timer(0.5, push).start()

    server.after = written
    assert call({"deadline": 30}, interval=60)["phase"] == "rolled_back"
    paths = [path.partition("?")[0] for path in mesh.gateway.server.asked[len(asked) :]]
    proof = paths[paths.index("/config_dump") :]
    assert len(proof) > 2
    assert set(proof) == {"/config_dump"}
    assert not [each for each in threading.enumerate() if each.name == "reader" and each.is_alive()]


def test_a_step_that_was_set_and_not_judged_is_judged_before_the_next(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    """As after a kill: nobody knows what the canary did meanwhile."""
    call(state="weighted", weight=10)
    mesh.traffic = BAD
    result = call({"deadline": 30})
    assert [each["event"] for each in result["transitions"]] == ["failed"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_a_person_may_go_on_without_a_verdict(mesh: Istio, server: ApiServer, call: Call) -> None:
    call()
    mesh.traffic = WELL
    assert call({"deadline": 30}, confirm=True)["weights"]["after"] == {"v1": 50, "v2": 50}


def test_a_flaw_is_not_taken_for_a_good_canary(
    mesh: Istio, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flawed(meter: object) -> None:
        raise ZeroDivisionError("flawed")

    monkeypatch.setattr(providers.ProxyProvider, "counts", flawed)
    result = call(interval=60)
    assert result["failed"]
    assert "ZeroDivisionError (flawed)" in result["msg"]
    assert weights_of(server) == {"v1": 90, "v2": 10}


def test_check_mode_counts_nothing(mesh: Istio, call: Call) -> None:
    mesh.traffic = BAD
    assert "analysis" not in call(check=True)
    assert mesh.counted == {}


def test_all_mistakes_at_once(call: Call) -> None:
    mistakes = call({"deadline": -1, "success": {"max_error": 2}}, steps=[50, 20])["mistakes"]
    assert [mistake.split(" ")[0] for mistake in mistakes] == [
        "steps[1]",
        "analysis.success.max_error",
        "analysis.deadline",
    ]


@pytest.mark.parametrize(("options", "words"), [({"proof": "none"}, "proof is none"), ({"watch": 0}, "watch is 0")])
def test_something_must_count(call: Call, options: dict[str, Any], words: str) -> None:
    assert words in call(**options)["msg"]


def test_queries_that_never_give_a_number_are_refused_before_the_first_write(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    with serving() as prometheus:
        prometheus.vector("1", "2")
        asked = {"queries": [{"name": "orders", "query": "orders", "min": 1}], "prometheus": {"url": prometheus.url}}
        result = call(asked, steps=[50, 20])
        assert [mistake.split(" ")[0] for mistake in result["mistakes"]] == ["steps[1]", "analysis.queries:"]
        assert "gave 2 series where one is needed" in result["msg"]
        assert mesh.writes == 0
        prometheus.result("vector", [])
        assert "gave no data" in call(asked)["msg"]
    assert weights_of(server) == {"v1": 90, "v2": 10}


def test_prometheus_is_asked_for_what_the_gateways_could_not_route_too(mesh: Istio, call: Call) -> None:
    with serving() as prometheus:
        prometheus.result("matrix", [])
        analysis = {"source": "prometheus", "prometheus": {"url": prometheus.url}}
        call(analysis)
        asked = [fields["query"] for _path, fields, _headers in prometheus.asked]
        workload = f'source_workload=~"{mesh.gateway.name}"'
        assert any('destination_service=~"|-|unknown"' in query and workload in query for query in asked)
        prometheus.asked.clear()
        call({**analysis, "unattributed": False}, confirm=True)
        assert not any("source_workload" in fields["query"] for _path, fields, _headers in prometheus.asked)


def test_the_verdict_is_shown_as_it_comes(mesh: Istio, call: Call, tmp_path: Path) -> None:
    mesh.traffic = WELL
    progress = tmp_path / "progress"
    progress.touch()
    call({"deadline": 500}, interval=0.3, run={"id": "r1", "progress": str(progress)})
    step, verdict = progress.read_text().splitlines()
    assert "step 1 of 3" in step
    assert step.endswith("soaks 1 s")
    assert "10 %  pass  " in verdict
    assert verdict.endswith("failed, 1 % may")


def test_prometheus_need_not_know_that_the_cluster_of_the_canary_is_gone(
    mesh: Istio, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails then names no service, so that Prometheus cannot tell whose it is. The proxies can."""
    monkeypatch.setattr(providers.PrometheusProvider, "pace", 0.01)
    shown = itertools.count()

    def clusters(path: str) -> bytes:
        if "v1" in path and next(shown) == 5:  # what waits for v2 to be ready asks for that alone
            mesh.gateway.subsets.remove("v2")
        return mesh.clusters(path)

    mesh.gateway.server.answers["/clusters"] = clusters
    with serving() as prometheus:
        prometheus.result("matrix", [])
        result = call({"source": "prometheus", "prometheus": {"url": prometheus.url}, "deadline": 30}, interval=60)
    assert result["phase"] == "rolled_back", result["msg"]
    assert "no healthy endpoint of v2 is left in gateway gateways/one" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_counting_begins_when_a_weight_is_live_and_not_when_the_state_says_so(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    """The API server is slow to take the note; the canary fails meanwhile."""
    mesh.traffic = BAD
    looks: list[int] = []

    def slow(number: int, request: Request) -> None:
        if request.method == "PATCH" and weights_of(server) == {"v1": 90, "v2": 10} and not looks:
            time.sleep(0.5)
            looks.append(sum(path.startswith("/stats") for path in mesh.gateway.server.asked))

    server.before = slow
    assert call({"deadline": 30}, interval=60)["phase"] == "rolled_back"
    assert looks[0] > 5


def test_options_of_a_wrong_type_are_all_reported(call: Call) -> None:
    wrong = {"source": "promtheus", "minimum_requests": "many", "sucess": {}, "probe": {"per_second": "often"}}
    message = call(wrong)["msg"]
    assert "value of source must be one of: envoy, prometheus, probe, got: promtheus found in analysis" in message
    for words in ("'minimum_requests'", "'per_second'", "analysis.sucess. Supported parameters include: deadline"):
        assert words in message


def test_options_may_come_as_text_and_parts_may_be_off(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.traffic = WELL
    given = {"deadline": "30", "minimum_requests": "10", "success": {"max_error": "1%"}, "unattributed": "false"}
    result = call(given)
    assert [check["name"] for check in result["analysis"]["checks"]] == ["errors", "worse_than_stable"]


def test_a_rollback_needs_no_valid_analysis(mesh: Istio, server: ApiServer, call: Call) -> None:
    call({"deadline": 30}, state="weighted", weight=10)
    assert call({"deadline": -1, "success": {"max_error": 2}}, state="rolled_back")["changed"]
