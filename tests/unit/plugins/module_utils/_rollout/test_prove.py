# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A weight counts when the proxies run it: the module `canary` in a mesh that takes up what is written, or does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pong_mesh
import pytest
from ansible_collections.progressive.istio.plugins.module_utils._rollout import heartbeat, prove
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import ApiServer, Request
from istio_mesh import Istio
from loopback_mesh import Envoy, sidecar
from pong_mesh import HOST, NAMESPACE, state_of, virtual_service, weights_of

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(mesh: Istio, run_module: Call) -> Call:
    fixed = {"host": mesh.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}
    fixed |= {"stable": "v1", "canary": "v2", "watch": 0, "wait_timeout": 0, "interval": 0}

    def run(state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        steps = {"steps": [10, 50, 100]} if state == "advanced" else {}
        patience = {"proof_timeout": 0.3 if mesh.holds else 30}
        return run_module(canary.main, {**fixed, "state": state, **patience, **steps, **options}, check)

    return run


def in_doubt(server: ApiServer) -> bool:
    return bool(state_of(server).get("unverified"))


def test_a_step_is_live_and_soaks_from_then_on(mesh: Istio, server: ApiServer, call: Call) -> None:
    result = call("advanced")
    assert [each["proxy"] for each in result["live"]] == ["gateway gateways/one"]
    after = result["live"][0]["after"]
    assert result["msg"].endswith(f"; now v1 90 %, v2 10 %, live in gateway gateways/one after {after} ms")
    assert (weights_of(server), in_doubt(server), mesh.writes) == ({"v1": 90, "v2": 10}, False, 2)
    assert result["since"] == state_of(server)["since"] > state_of(server)["history"][-1]["at"]
    (written,) = result["transitions"]
    assert (written["live"], written["at"]) == (after, state_of(server)["history"][-1]["at"])
    assert written["by"] == result["run"]["who"]
    assert result["api_requests"] == 9 + mesh.asked("portforward")  # more than one where a proxy answered late


def test_a_step_that_is_not_live_fails_and_no_other_follows_until_it_is(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    mesh.holds = True
    result = call("advanced")
    assert result["failed"]
    assert result["changed"]
    assert "accepted by the API server with v1 90 %, v2 10 %, but that is not live on 1 of 1" in result["msg"]
    assert result["transitions"][0]["live"] is None
    assert in_doubt(server)
    again = call("advanced")
    assert again["msg"].endswith("the weights stay v1 90 %, v2 10 %; state: rolled_back works anyway")
    assert (weights_of(server), mesh.writes) == ({"v1": 90, "v2": 10}, 1)
    mesh.holds = False
    mesh.push()
    since = state_of(server)["since"]
    soaking = call("advanced", interval=60)
    assert (soaking["waits"], in_doubt(server), soaking["since"] > since) == (True, False, True)
    assert call("advanced")["weights"]["after"] == {"v1": 50, "v2": 50}


def test_a_wait_for_proxies_is_shown(mesh: Istio, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.1)
    mesh.holds, shown = True, tmp_path / "shown"
    call("advanced", run={"id": "r1", "progress": str(shown)}, proof_timeout=2)
    lines = shown.read_text().splitlines()
    first = next(each for each in lines if each.startswith("shop/pong  [##..................]  10 %  waits for "))
    assert "waits for 1 of 1 proxy, at most " in first
    assert "gateway gateways/one " in first


def test_weights_in_doubt_are_not_settled_without_a_look(mesh: Istio, call: Call) -> None:
    mesh.holds = True
    call("weighted", weight=20)
    assert "not live" in call("weighted", weight=20)["msg"]


def test_weights_that_others_have_replaced_since_are_not_waited_for(mesh: Istio, server: ApiServer, call: Call) -> None:
    """Another run takes the step between our read and the proof: what was read never gets live any more."""
    before = server.get("virtualservices", "pong", NAMESPACE)
    call("advanced")
    taken = server.get("virtualservices", "pong", NAMESPACE)
    server.put("virtualservices", before)

    def other(_number: int, request: Request) -> None:
        if "/virtualservices" in request.path:
            server.after = lambda number, request: None
            server.put("virtualservices", taken)

    server.after = other
    result = call("advanced", interval=60, proof_timeout=0.3)
    assert not result["changed"]
    assert "v2 at 10 % (step 1 of 3) soaks until" in result["msg"]
    assert weights_of(server) == {"v1": 90, "v2": 10}


def test_what_is_set_must_be_live_before_more_is(mesh: Istio, call: Call) -> None:
    mesh.gateway.split = (70, 30)
    assert "runs v1 70 %, v2 30 %" in call("weighted", weight=20, proof_timeout=0.3)["msg"]
    assert mesh.writes == 0


def test_a_version_without_a_cluster_gets_nothing(mesh: Istio, call: Call) -> None:
    mesh.gateway.subsets = ["v1"]
    assert "subset v2 of shop/pong cannot be routed to yet" in call("weighted", weight=20, proof_timeout=0.3)["msg"]
    assert mesh.writes == 0


@pytest.mark.parametrize(
    ("lack", "broken", "words"),
    [
        ("pods", "gateway_selector_matches", "selects 1 pod by istio=gateway, and none is ready"),
        ("gateway", "gateway_exists", "names Gateway shop/gateway, which does not exist"),
        ("right", "", "fix that first"),
    ],
)
def test_who_cannot_ask_may_go_back_but_not_on(
    mesh: Istio, call: Call, warned: list[str], lack: str, broken: str, words: str
) -> None:
    call("weighted", weight=20)
    if lack == "pods":
        mesh.gateway.ready = False
    elif lack == "gateway":
        mesh.gateways.clear()
    else:
        mesh.gateway.refusal = (403, "pods is forbidden")
    assert words in call("weighted", weight=30)["msg"]
    back = call("rolled_back")
    assert (back.get("failed", False), back["weights"]["after"]) == (False, {"v1": 100, "v2": 0})
    assert any(warning.startswith("the weights are set, but not seen to be live: ") for warning in warned)
    skip = [broken] if broken else []
    assert call("weighted", weight=30, proof="none", skip_checks=skip, confirm=True)["live"] == []


def test_a_way_back_is_written_before_anybody_is_asked(mesh: Istio, server: ApiServer, call: Call) -> None:
    call("weighted", weight=20)
    mesh.holds = True
    mesh.gateway.split = (70, 30)
    back = call("rolled_back")
    assert back["failed"]
    assert weights_of(server) == {"v1": 100, "v2": 0}
    assert "gateway gateways/one runs v1 70 %, v2 30 %" in back["msg"]
    assert "not live" in call("rolled_back")["msg"]


@pytest.mark.parametrize("known", [True, False], ids=["known soon", "never known"])
def test_pods_that_a_rollback_has_waited_for_get_requests_when_the_proxies_know_them(
    mesh: Istio, server: ApiServer, call: Call, warned: list[str], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    call("weighted", weight=100)
    server.delete("pods", "pong-v1-1", NAMESPACE)
    mesh.gateway.subsets = ["v2"]
    monkeypatch.setattr(prove, "REACH", 20.0 if known else 0.3)
    seen: list[dict[str, Any]] = []

    def come() -> None:
        server.put("pods", pong_mesh.pod("v1"))
        time.sleep(0.5 if known else 0.1)
        seen.append(weights_of(server))
        if known:
            mesh.gateway.subsets = ["v1", "v2"]

    coming = iter([threading.Thread(target=come)])
    server.before = lambda number, request: next((each.start() for each in coming), None) if request.watches else None
    back = call("rolled_back", wait_timeout=30)
    assert (seen, weights_of(server)) == ([{"v1": 0, "v2": 100}], {"v1": 100, "v2": 0})
    assert back.get("failed", False) is False
    assert any("before every proxy was seen to know the new pods" in each for each in warned) is not known


def test_a_version_is_removable_when_no_proxy_leads_to_it(mesh: Istio, call: Call) -> None:
    call("weighted", weight=20)
    call("rolled_back")
    mesh.holds = True
    mesh.gateway.split = (80, 20)
    early = call("cleaned", drain=0)
    assert (early["failed"], early["changed"], early["removed"]) == (True, True, None)
    assert "subset v2 of shop/pong cannot be removed yet" in early["msg"]
    mesh.gateway.split = (100, 0)
    assert call("cleaned", drain=0)["removed"] == "v2"


def test_check_mode_asks_nobody(mesh: Istio, call: Call) -> None:
    assert call("advanced", check=True)["live"] == []
    assert mesh.asked("portforward") == 0


def test_a_promotion_that_is_not_live_is_not_finished(mesh: Istio, call: Call) -> None:
    mesh.holds = True
    assert not call("advanced", steps=[100])["finished"]


def test_a_hold_waits_for_nobody_and_leaves_the_doubt(mesh: Istio, server: ApiServer, call: Call) -> None:
    mesh.holds = True
    call("advanced")
    assert call("held")["phase"] == "held"
    assert in_doubt(server)
    assert "not live" in call("weighted", weight=10)["msg"]


@pytest.mark.parametrize(
    "inserted",
    [
        {
            "name": "primary",
            "match": [{"uri": {"prefix": "/x"}}],
            "route": [{"destination": {"host": HOST, "subset": "v1"}}],
        },
        {"name": "moved", "match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
    ],
)
def test_what_is_proven_is_what_was_written_though_others_move_the_rule(
    mesh: Istio, server: ApiServer, call: Call, inserted: dict[str, Any]
) -> None:
    """Somebody puts a rule before ours between read and write: the old number is that of a rule without our weights."""
    mesh.holds = True
    insertions = iter([inserted])

    def insert(number: int, request: Request) -> None:
        if request.method == "PATCH" and (rule := next(insertions, None)):
            service = server.get("virtualservices", "pong", NAMESPACE)
            service["spec"]["http"].insert(1, rule)
            server.put("virtualservices", service)

    server.before = insert
    result = call("weighted", weight=20)
    assert (result["failed"], result["changed"], result["live"]) == (True, True, [])
    assert "with v1 80 %, v2 20 %, but that is not live" in result["msg"]
    weights = [
        entry["weight"] for entry in server.get("virtualservices", "pong", NAMESPACE)["spec"]["http"][2]["route"]
    ]
    assert weights == [80, 20]


def test_the_proxies_are_those_where_the_rule_is_bound_when_it_is_written(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    """Somebody binds the route to another gateway between read and write."""
    mesh.gateways["other"] = {"istio": "other"}
    mesh.add(Envoy("two", 80, 20, labels={"istio": "other"}))
    bindings = iter([["other"]])

    def bind(number: int, request: Request) -> None:
        if request.method == "PATCH" and (gateways := next(bindings, None)):
            service = server.get("virtualservices", "pong", NAMESPACE)
            service["spec"]["gateways"] = gateways
            server.put("virtualservices", service)

    server.before = bind
    mesh.pods[-1].split = (100, 0)
    result = call("weighted", weight=20, proof_timeout=0.5)
    assert "gateway gateways/two runs v1 100 %, v2 0 %" in result["msg"]


def test_a_sample_of_the_sidecars_is_told_in_numbers(mesh: Istio, server: ApiServer, call: Call) -> None:
    server.put("virtualservices", virtual_service(100, 0, gateways=["gateway", "mesh"]))
    for number in range(52):
        mesh.add(sidecar(f"caller-{number}", 100, 0))
    mesh.sidecars = [{"metadata": {"name": "own", "namespace": "web"}, "spec": {"egress": [{"hosts": ["./*"]}]}}]
    mesh.add(sidecar("bystander", 100, 0, namespace="web"))
    result = call("advanced")
    after = max(each["after"] for each in result["live"])
    assert result["msg"].endswith(f"live in 51 proxies (50 of 52 sidecars asked) after {after} ms")
    asked = {"gateways": 1, "sidecars": 52, "sidecars_asked": 50, "sidecars_left_out": 1, "unanswered": []}
    assert result["proxies"] == asked


@pytest.mark.parametrize("fault", ["refused", "silent"])
def test_a_rollback_that_nobody_can_see_is_a_warning_and_takes_no_longer_than_it_may(
    mesh: Istio, server: ApiServer, call: Call, warned: list[str], fault: str
) -> None:
    """Neither the gateway nor istiod can be read: the weights are written, and that is all that is known."""
    call("weighted", weight=20)
    over = threading.Event()
    for pod in mesh.pods:
        if fault == "refused":
            pod.broken = "connection refused"
        else:
            pod.server.answers = dict.fromkeys(
                ("/config_dump", "/debug/syncz"), lambda path: str(over.wait(20)).encode()
            )
    begin = time.monotonic()
    back = call("rolled_back", proof_timeout=1)
    took = time.monotonic() - begin
    over.set()
    assert (back.get("failed", False), back["changed"], weights_of(server)) == (False, True, {"v1": 100, "v2": 0})
    assert took < 10  # the pods answer after 20
    (warning,) = warned
    assert warning.startswith(
        "the weights are set, but not seen to be live, because gateway gateways/one cannot be read"
    )
    assert "not live on" not in warning
    assert not call("rolled_back", proof_timeout=0.5)["changed"]


@pytest.mark.parametrize("interval", [0, 60])
def test_a_canary_that_dies_while_its_weight_is_not_live_yet_is_taken_back(
    mesh: Istio, server: ApiServer, call: Call, interval: int
) -> None:
    """Some proxies may run it already, so nobody waits for the others."""

    def die(number: int, request: Request) -> None:
        if request.method == "PATCH":
            mesh.holds = True
            server.delete("pods", "pong-v2-1", NAMESPACE)
            server.before = lambda number, request: None

    server.before = die
    begin = time.monotonic()
    result = call("advanced", watch=60, interval=interval, proof_timeout=20)
    assert time.monotonic() - begin < 5
    assert [each["event"] for each in result["transitions"]] == ["advanced", "failed"]
    assert (result["failed"], result["phase"]) == (True, "rolled_back")
    assert "v2 has no ready pod left" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}
    assert result["live"]  # the way back is what the gateway had all the time
    assert state_of(server)["holder"] is None


def test_a_canary_that_lives_is_waited_for_as_long_as_the_proof_may_take(
    mesh: Istio, server: ApiServer, call: Call
) -> None:
    mesh.holds = True
    assert "not live on 1 of 1" in call("advanced", watch=60, proof_timeout=1.5)["msg"]
    assert weights_of(server) == {"v1": 90, "v2": 10}
