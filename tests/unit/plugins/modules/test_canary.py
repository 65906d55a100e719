# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary`, against an API server that others write to as well and that fails on demand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.doc_fragments import target
from ansible_collections.progressive.istio.plugins.module_utils._canary import call as calls
from ansible_collections.progressive.istio.plugins.module_utils._canary.options import ARGUMENTS
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import load
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import process_here
from ansible_collections.progressive.istio.plugins.module_utils._rollout import pods
from ansible_collections.progressive.istio.plugins.modules import canary
from ansible_core import patch_module_args
from api_server import Answer, ApiServer, Drop, Request
from canary_steps import STEPS, advanced, agree, edit, events, meanwhile, set_weights
from pong_mesh import (
    ANNOTATION,
    NAMESPACE,
    deployment,
    destination_rule,
    made_by,
    pod,
    populate,
    state_of,
    virtual_service,
    weights_of,
)

Call = Callable[..., dict[str, Any]]


class TestWeighted:
    """A weight by hand."""

    def test_exactly_the_weights_and_the_annotation_change(self, server: ApiServer, call: Call) -> None:
        before = server.get("virtualservices", "pong", NAMESPACE)
        result = call(weight=20)
        after = server.get("virtualservices", "pong", NAMESPACE)
        assert result["changed"]
        assert result["weights"] == {"before": {"v1": 100, "v2": 0}, "after": {"v1": 80, "v2": 20}}
        assert weights_of(server) == {"v1": 80, "v2": 20}
        assert agree(server)
        for thing in (before, after):
            del thing["metadata"]["resourceVersion"]
            thing["metadata"].pop("annotations", None)
            for entry in thing["spec"]["http"][1]["route"]:
                del entry["weight"]
        assert before == after

    def test_it_takes_six_requests(self, server: ApiServer, call: Call) -> None:
        assert call(weight=20)["api_requests"] == 6
        assert len(server.sent("PATCH")) == 1

    def test_the_second_time_nothing_changes(self, server: ApiServer, call: Call) -> None:
        call(weight=20)
        version = server.get("virtualservices", "pong", NAMESPACE)["metadata"]["resourceVersion"]
        result = call(weight="20")
        assert (result["changed"], result["msg"].split("; ")[-1]) == (False, "now v1 80 %, v2 20 %")
        assert server.get("virtualservices", "pong", NAMESPACE)["metadata"]["resourceVersion"] == version

    def test_check_mode_writes_nothing_and_predicts(self, server: ApiServer, call: Call) -> None:
        result = call(check=True, weight=20, _ansible_diff=True)
        assert weights_of(server) == {"v1": 100, "v2": 0}
        assert state_of(server) == {}
        assert [request.query.get("dryRun") for request in server.sent("PATCH")] == ["All"]
        assert result["diff"]["after"] == "route: primary\nweights:\n  v1: 80\n  v2: 20\n"
        assert result["diff"]["before"] == "route: primary\nweights:\n  v1: 100\n  v2: 0\n"
        real = call(weight=20)
        assert {key: real[key] for key in ("changed", "weights", "phase")} == {
            key: result[key] for key in ("changed", "weights", "phase")
        }

    def test_what_is_returned_is_documented(self, call: Call) -> None:
        assert call(weight=20).keys() - yaml.safe_load(canary.RETURN).keys() <= {"changed", "failed", "invocation"}

    def test_the_access_is_told(self, server: ApiServer, call: Call) -> None:
        result = call(weight=20)
        assert (result["context"], result["server"]) == (server.url, server.url)


class TestRefusals:
    """Bad input: all mistakes at once, before the first write."""

    @pytest.mark.parametrize(
        ("options", "mistakes"),
        [
            ({"weight": -1}, ["weight is -1: it must be a whole number from 0 to 100"]),
            ({"weight": 101}, ["weight is 101: it must be a whole number from 0 to 100"]),
            ({"weight": "abc"}, ["weight is 'abc': it must be a whole number from 0 to 100"]),
            ({"weight": "10%"}, ["weight is '10%': it must be a whole number from 0 to 100"]),
            ({"weight": 5, "canary": "v1"}, ["stable and canary are both v1: they must be two different subsets"]),
            ({"weight": 5, "canary": "v9"}, ["subset v9 is not in DestinationRule shop/pong; its subsets: v1, v2, v3"]),
            ({"weight": 5, "route": "nah"}, ["has no HTTP route nah; its HTTP routes: static, primary"]),
            ({"weight": 5, "name": "nah"}, ["VirtualService shop/nah does not exist in http://127.0.0.1:"]),
            ({"weight": 5, "namespace": "nah"}, ["namespace nah does not exist in http://127.0.0.1:"]),
            (
                {"weight": "x", "canary": "v9", "interval": -3},
                ["weight is 'x'", "interval is -3", "subset v9 is not in DestinationRule shop/pong"],
            ),
            (
                {"weight": 101, "min_ready": 0, "wait_timeout": -1, "drain": -1, "watch": -1},
                [
                    "weight is 101",
                    "watch is -1: it must be at least 0",
                    "drain is -1: it must be at least 0",
                    "wait_timeout is -1: it must be at least 0",
                    "min_ready is 0: it must be at least 1, since shop/pong is a Service of this cluster",
                ],
            ),
            (
                advanced(steps=[], stable="v2"),
                ["stable and canary are both v2", "steps is empty"],
            ),
            (
                advanced(steps="50,10,10,101,x"),
                ["steps[1] falls", "steps[2] repeats", "steps[3] is '101'", "steps[4] is 'x'"],
            ),
        ],
    )
    def test_bad_input(self, server: ApiServer, call: Call, options: dict[str, Any], mistakes: list[str]) -> None:
        result = call(**options)
        assert result["failed"]
        assert len(result["mistakes"]) == len(mistakes)
        for found, mistake in zip(result["mistakes"], mistakes, strict=True):
            assert mistake in found
            assert found in result["msg"]
        assert server.sent("PATCH") == []

    def test_a_mistake_is_told_even_where_no_server_answers(self, call: Call) -> None:
        result = call(weight=200, kubeconfig="/nowhere", host=None, api_key=None)
        assert result["mistakes"][0] == "weight is 200: it must be a whole number from 0 to 100"
        assert "kubeconfig /nowhere does not exist" in result["mistakes"][1]

    @pytest.mark.parametrize("options", [{"weight": 200}, {"weight": 5, "canary": "v9"}, {"weight": 5, "force": True}])
    def test_a_refusal_names_the_objects_that_were_read(self, server: ApiServer, call: Call, options: Any) -> None:
        server.delete("pods", "pong-v2-1", NAMESPACE)  # v2 cannot take requests
        result = call(**options)
        assert result["failed"]
        named = (result["routes"], result["destination_host"], result["gateways"])
        assert named == (["primary"], "pong.shop.svc.cluster.local", ["mesh"])

    def test_without_istio(self, server: ApiServer, call: Call) -> None:
        server.missing.update({"virtualservices", "destinationrules"})
        assert "is Istio (1.22 or newer) installed?" in call(weight=5)["msg"]

    def test_without_a_destination_rule(self, server: ApiServer, call: Call) -> None:
        server.delete("destinationrules", "pong", NAMESPACE)
        assert call(weight=5)["mistakes"] == [
            f"subset {name} is not in any DestinationRule for host pong.shop.svc.cluster.local; its subsets: none"
            for name in ("v1", "v2")
        ]

    def test_without_the_service(self, server: ApiServer, call: Call) -> None:
        server.delete("services", "pong", NAMESPACE)
        assert "Service shop/pong, the host of HTTP route primary" in call(weight=5)["msg"]

    def test_a_host_that_is_no_service(self, server: ApiServer, call: Call) -> None:
        def misname(service: dict[str, Any]) -> None:
            for entry in service["spec"]["http"][1]["route"]:
                entry["destination"]["host"] = "pong.shop"

        edit(server, misname)
        assert "host pong.shop of HTTP route primary in VirtualService shop/pong is no Service" in call(weight=5)["msg"]

    def test_what_may_not_be_read_is_not_looked_for(self, server: ApiServer, call: Call) -> None:
        forbidden = Answer(403, "Forbidden", "no")
        server.before = lambda number, request: forbidden if request.path == "/api/v1/namespaces/shop" else None
        assert "VirtualService shop/nah does not exist" in call(weight=5, name="nah")["msg"]

    def test_the_webhook_has_the_last_word(self, server: ApiServer, call: Call) -> None:
        refusal = Answer(422, "Invalid", "admission webhook denied: total weight")
        server.before = lambda number, request: refusal if request.method == "PATCH" else None
        assert "admission webhook denied: total weight (422 Invalid)" in call(weight=5)["msg"]

    def test_a_release_on_another_route(self, server: ApiServer, call: Call) -> None:
        service = server.get("virtualservices", "pong", NAMESPACE)
        beta = {**service["spec"]["http"][1], "name": "beta", "match": [{"uri": {"prefix": "/beta"}}]}
        service["spec"]["http"].insert(0, beta)
        server.put("virtualservices", service)
        call(**advanced(interval=60, watch=0, routes=["primary"]))
        result = call(weight=5, routes=["beta"])
        assert "v2 is progressing on HTTP route primary, not on HTTP route beta alone" in result["msg"]
        assert "only one release of a service at a time" in result["msg"]


class TestConflicts:
    """Others write at the same moment."""

    def test_their_edit_survives_and_ours_is_made_on_top(self, server: ApiServer, call: Call) -> None:
        edits = iter([1, 2])

        def interfere(number: int, request: Request) -> None:
            if request.method == "PATCH" and next(edits, None):
                edit(server, lambda service: service["spec"]["http"][1].update(retries={"attempts": 9}))

        server.before = interfere
        assert call(weight=20)["changed"]
        assert weights_of(server) == {"v1": 80, "v2": 20}
        assert server.get("virtualservices", "pong", NAMESPACE)["spec"]["http"][1]["retries"] == {"attempts": 9}
        assert len(server.sent("PATCH")) == 3

    def test_their_weights_are_not_overwritten(self, server: ApiServer, call: Call) -> None:
        call(**advanced())

        def interfere(number: int, request: Request) -> None:
            if request.method == "PATCH" and weights_of(server)["v2"] == 10:
                edit(server, set_weights(70, 30))

        server.before = interfere
        assert "another writer changed the weights: v1 70 %, v2 30 % now, v1 90 %, v2 10 %" in call(**advanced())["msg"]
        assert weights_of(server) == {"v1": 70, "v2": 30}

    def test_somebody_who_never_stops_is_given_up(self, server: ApiServer, call: Call) -> None:
        def interfere(number: int, request: Request) -> None:
            if request.method == "PATCH":
                edit(server, lambda service: None)

        server.before = interfere
        assert "another writer changed the VirtualService 6 times in a row" in call(weight=20)["msg"]
        assert weights_of(server) == {"v1": 100, "v2": 0}

    def test_a_write_whose_answer_was_lost_counts(self, server: ApiServer, call: Call) -> None:
        lost = iter([True])

        def lose(number: int, request: Request) -> None:
            if request.method == "PATCH" and next(lost, False):
                raise Drop

        server.after = lose
        result = call(weight=20)
        assert (result["changed"], events(server)) == (True, [("weighted", 20)])

    def test_a_write_whose_answer_is_lost_for_good_counts_once_it_can_be_read(
        self, server: ApiServer, call: Call, impatient: None
    ) -> None:
        server.after = lambda number, request: _drop() if request.method == "PATCH" else None
        result = call(weight=20)
        assert (result.get("failed", False), result["changed"], weights_of(server)["v2"]) == (False, True, 20)

    def test_a_write_that_nobody_can_see_is_told_as_such(self, server: ApiServer, call: Call, impatient: None) -> None:
        """The API server goes away with the answer: the weights are set, and nobody knows."""

        def go_away(number: int, request: Request) -> None:
            if request.method == "PATCH":
                server.before = lambda number, request: _drop()
                raise Drop

        server.after = go_away
        result = call(weight=20)
        assert (result["failed"], result["changed"], weights_of(server)["v2"]) == (True, True, 20)
        assert "the weights of VirtualService shop/pong may have been written or not" in result["msg"]
        assert "`kubectl get virtualservice -n shop pong -o yaml`" in result["msg"]
        assert "cannot be reached" in result["msg"]

    def test_a_write_that_did_not_come_through_is_no_doubt(
        self, server: ApiServer, call: Call, impatient: None
    ) -> None:
        server.before = lambda number, request: _drop() if request.method == "PATCH" else None
        result = call(weight=20)
        assert (result["failed"], result["changed"]) == (True, False)
        assert "may have been written" not in result["msg"]

    @pytest.mark.parametrize("later", ["pods", "outage"])
    def test_a_refusal_after_a_write_reports_the_write(
        self, server: ApiServer, call: Call, impatient: None, later: str
    ) -> None:
        """The weights of others are taken on first, and the step that was to follow is refused."""
        call(**advanced())
        edit(server, set_weights(80, 20))
        if later == "pods":
            server.put("pods", pod("v2", ready=False))
        else:
            server.after = lambda number, request: _lose_pods(server) if request.method == "PATCH" else None
        result = call(**advanced(adopt=True))
        assert (result["failed"], result["changed"]) == (True, True)
        assert [each["event"] for each in result["transitions"]] == ["adopted"]
        assert result["weights"] == {"before": {"v1": 80, "v2": 20}, "after": {"v1": 80, "v2": 20}}
        (mistake,) = result["mistakes"]
        assert ("v2 cannot take 50 % yet" if later == "pods" else "503 Down") in mistake
        assert state_of(server)["phase"] == "weighted"


def _drop() -> Answer:
    raise Drop


def _lose_pods(server: ApiServer) -> None:
    """From now on nobody can write, for the API server is down."""
    server.before = lambda number, request: Answer(503, "Down", "later") if request.method == "PATCH" else None


class TestSteps:
    """One step a call."""

    def test_step_by_step_to_the_end(self, server: ApiServer, call: Call) -> None:
        results = [call(**advanced()) for _time in range(4)]
        assert [result["weights"]["after"]["v2"] for result in results] == [10, 50, 100, 100]
        assert [result["changed"] for result in results] == [True, True, True, False]
        assert [result["phase"] for result in results] == ["progressing", "progressing", "promoted", "promoted"]
        assert [result["next_weight"] for result in results] == [50, 100, None, None]
        assert [result["finished"] for result in results] == [False, False, True, True]
        assert state_of(server)["holder"] is None

    def test_too_early_changes_nothing(self, server: ApiServer, call: Call) -> None:
        call(**advanced(interval=60, watch=0))
        result = call(**advanced(interval=60, watch=0))
        assert (result["changed"], result["waits"], weights_of(server)["v2"]) == (False, True, 10)
        assert "soaks until" in result["msg"]

    def test_a_pause_waits_for_a_person(self, server: ApiServer, call: Call) -> None:
        steps = [{"weight": 10, "pause": True}, 100]
        assert call(**advanced(steps=steps))["phase"] == "paused"
        waiting = call(**advanced(steps=steps))
        assert (waiting["changed"], waiting["next_weight"]) == (False, None)
        assert "set confirm: true" in waiting["msg"]
        pasted = call(**advanced(steps=steps), playbook_options="--limit pong")["msg"]
        assert pasted.endswith(
            "continue: ansible-playbook progressive.istio.advance --limit pong -e canary_confirm=true"
        )
        assert call(**advanced(steps=steps, confirm=True))["phase"] == "promoted"

    def test_steps_are_remembered(self, call: Call) -> None:
        call(**advanced())
        assert call(state="advanced")["weights"]["after"] == {"v1": 50, "v2": 50}

    def test_a_promoted_call_of_the_module_alone_is_one_step(self, call: Call) -> None:
        assert call(state="promoted", step_weight=40, max_weight=80)["weights"]["after"] == {"v1": 60, "v2": 40}

    def test_hold_and_go_on(self, server: ApiServer, call: Call) -> None:
        call(**advanced())
        assert call(state="held", reason="lunch")["phase"] == "held"
        assert not call(state="held")["changed"]
        assert "held at 10 % since" in call(**advanced())["msg"]
        assert call(**advanced(confirm=True))["weights"]["after"] == {"v1": 50, "v2": 50}

    def test_another_release_begins_when_all_requests_are_back(self, server: ApiServer, call: Call) -> None:
        call(**advanced())
        call(**advanced())
        server.put("pods", pod("v3"))
        result = call(**advanced(canary="v3"))
        assert [each["event"] for each in result["transitions"]] == ["superseded", "started", "advanced"]
        assert weights_of(server) == {"v1": 90, "v3": 10}

    def test_check_mode_predicts_several_writes(self, server: ApiServer, call: Call) -> None:
        call(**advanced())
        server.put("pods", pod("v3"))
        predicted = call(check=True, **advanced(canary="v3"))
        assert weights_of(server) == {"v1": 90, "v2": 10}
        real = call(**advanced(canary="v3"))
        assert _writes(predicted) == _writes(real)
        assert predicted["weights"] == real["weights"]

    def test_the_promoted_version_is_the_next_stable(self, server: ApiServer, call: Call) -> None:
        call(weight=100)
        server.put("pods", pod("v3"))
        assert call(**advanced(stable="v2", canary="v3"))["changed"]
        assert weights_of(server) == {"v3": 10, "v2": 90}

    @pytest.mark.parametrize("phase", ["none", "progressing", "soaking", "paused", "held", "rolled_back", "promoted"])
    def test_check_mode_predicts_every_phase(self, server: ApiServer, call: Call, phase: str) -> None:
        _bring_to(phase, call)
        interval = 60 if phase == "soaking" else 0
        predicted = call(check=True, **advanced(interval=interval, watch=0))
        assert agree(server)
        real = call(**advanced(interval=interval, watch=0))
        same = ("changed", "failed", "weights", "phase", "next_weight")
        assert {key: predicted.get(key) for key in same} == {key: real.get(key) for key in same}
        assert _writes(predicted) == _writes(real)


def _writes(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What was written, whenever that was."""
    return [{key: value for key, value in each.items() if key != "at"} for each in result.get("transitions", [])]


def _bring_to(phase: str, call: Call) -> None:
    steps = [{"weight": 10, "pause": phase == "paused"}, 50, 100]
    if phase == "none":
        return
    call(**advanced(steps=steps, watch=0, interval=60 if phase == "soaking" else 0))
    if phase in ("held", "rolled_back"):
        call(state=phase)
    if phase == "promoted":
        call(**advanced())
        call(**advanced())


class TestReadiness:
    """No requests for pods that are not there."""

    def test_pods_that_do_not_get_ready(self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        # A second lasts a twentieth of one.
        server.second = 0.05
        clock = SimpleNamespace(monotonic=lambda: 20 * time.monotonic(), sleep=lambda seconds: time.sleep(seconds / 20))
        monkeypatch.setattr(pods, "time", clock)
        status = {"containerStatuses": [{"name": "pong", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
        server.put("pods", pod("v2", ready=False, **status))
        result = call(**advanced(wait_timeout=1))
        assert "0 of 1 pod ready: pod pong-v2-1 container pong cannot start: ImagePullBackOff" in result["msg"]
        assert result["msg"].endswith("waited 1 s, the weights stay v1 100 %, v2 0 %")
        assert server.sent("PATCH") == []

    def test_pods_that_get_ready_meanwhile(self, server: ApiServer, call: Call) -> None:
        server.put("pods", pod("v2", ready=False))
        meanwhile(server, lambda: server.put("pods", pod("v2")))
        started = time.monotonic()
        assert call(**advanced(wait_timeout=30))["changed"]
        assert time.monotonic() - started < 15

    def test_a_pod_that_goes_before_it_is_waited_for_is_not_counted(self, server: ApiServer, call: Call) -> None:
        """One of stable's two pods goes between the read and the list: then one of the canary is enough."""
        server.put("pods", pod("v1", 2))

        def go(number: int, request: Request) -> None:
            if len(server.sent("GET", "pods")) == 2:
                server.delete("pods", "pong-v1-2", NAMESPACE)
                server.before = lambda number, request: None

        server.before = go
        started = time.monotonic()
        assert call(state="weighted", weight=80, wait_timeout=30)["changed"]
        assert time.monotonic() - started < 15

    def test_a_wait_outlives_a_watch_that_breaks_off(
        self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pods, "PAUSE", 0.05)
        server.put("pods", pod("v2", ready=False))

        def cut(number: int, request: Request) -> Answer | None:
            if not request.watches:
                return None
            server.put("pods", pod("v2"))
            return Answer(200, "", '{"type": "ADDED", "obj')

        server.before = cut
        assert call(**advanced(wait_timeout=30))["changed"]

    def test_too_few_pods_for_the_weight(self, server: ApiServer, call: Call) -> None:
        for number in range(2, 5):
            server.put("pods", pod("v1", number))
        assert call(weight=25)["changed"]
        assert "its 1 pod is ready, but all requests need 4" in call(weight=26)["msg"]
        assert call(weight=26, min_ready=1)["changed"]

    def test_stable_must_be_ready_to_get_requests_back(self, server: ApiServer, call: Call) -> None:
        call(weight=100)
        server.delete("pods", "pong-v1-1", NAMESPACE)
        assert "v1 cannot take 50 % yet: it has no pods" in call(weight=50)["msg"]

    @pytest.mark.parametrize(
        ("deployments", "why"),
        [([], "no Deployment makes pods with app=pong,version=v2"), ([0], "Deployment pong-v2 is scaled to 0")],
    )
    def test_no_pods_at_all(self, server: ApiServer, call: Call, deployments: list[int], why: str) -> None:
        server.delete("pods", "pong-v2-1", NAMESPACE)
        for replicas in deployments:
            server.put("deployments", deployment("v2", replicas))
        assert f"it has no pods ({why})" in call(**advanced())["msg"]

    def test_deployments_that_may_not_be_read_are_left_out(self, server: ApiServer, call: Call) -> None:
        server.delete("pods", "pong-v2-1", NAMESPACE)
        forbidden = Answer(403, "Forbidden", "no")
        server.before = lambda number, request: forbidden if "deployments" in request.path else None
        assert "it has no pods; waited 0 s" in call(**advanced())["msg"]

    @pytest.mark.parametrize("known", [True, False], ids=["deployments", "deployments forbidden"])
    def test_a_dead_stable_does_not_keep_the_users(self, server: ApiServer, call: Call, known: bool) -> None:
        """Stable wants two pods; it has two that crash and one of a rolling update that does not get ready either."""
        call(weight=20)
        if not known:
            forbidden = Answer(403, "Forbidden", "no")
            server.before = lambda number, request: forbidden if "deployments" in request.path else None
        for version in ("v1", "v2"):
            server.put("deployments", deployment(version, 2))
        server.put("pods", made_by("old", pod("v2")))
        server.put("pods", made_by("old", pod("v2", 2)))
        server.put("pods", made_by("old", pod("v1", ready=False)))
        server.put("pods", made_by("old", pod("v1", 2, ready=False)))
        server.put("pods", made_by("new", pod("v1", 3, ready=False)))
        assert call(weight=100)["changed"]
        assert weights_of(server) == {"v1": 0, "v2": 100}

    def test_a_canary_that_is_smaller_than_stable_wants_to_be_does_not_take_all(
        self, server: ApiServer, call: Call
    ) -> None:
        server.put("deployments", deployment("v1", 2))
        server.put("pods", made_by("old", pod("v1", ready=False)))
        assert "its 1 pod is ready, but all requests need 2" in call(weight=100)["msg"]
        assert call(weight=50)["changed"]

    def test_check_mode_does_not_wait(self, server: ApiServer, call: Call) -> None:
        server.put("pods", pod("v2", ready=False))
        result = call(check=True, **advanced(wait_timeout=30))
        assert (result["changed"], result["waits"]) == (False, True)


class TestRollback:
    """The way back always works."""

    def test_twice_in_a_row(self, server: ApiServer, call: Call) -> None:
        call(weight=50)
        assert call(state="rolled_back", reason="no good")["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}
        assert not call(state="rolled_back")["changed"]

    @pytest.mark.parametrize("phase", ["none", "progressing", "soaking", "paused", "held", "promoted"])
    def test_from_any_phase(self, server: ApiServer, call: Call, phase: str) -> None:
        _bring_to(phase, call)
        assert not call(state="rolled_back").get("failed")
        assert weights_of(server) == {"v1": 100, "v2": 0}

    @pytest.mark.parametrize("note", [None, "", "{", '{"version": 99}', "[]"])
    def test_with_a_damaged_or_missing_annotation(self, server: ApiServer, call: Call, note: str | None) -> None:
        call(weight=50)
        edit(server, lambda service: service["metadata"].update(annotations={} if note is None else {ANNOTATION: note}))
        assert call(state="rolled_back")["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}
        assert agree(server)

    def test_with_everything_else_gone(self, server: ApiServer, call: Call, warned: list[str]) -> None:
        call(weight=50)
        server.delete("destinationrules", "pong", NAMESPACE)
        server.delete("services", "pong", NAMESPACE)
        for version in ("v1", "v2"):
            server.delete("pods", f"pong-{version}-1", NAMESPACE)
        result = call(state="rolled_back")
        assert (result["changed"], weights_of(server)) == (True, {"v1": 100, "v2": 0})
        assert len(warned) == 3
        assert "does not exist or selects no pods" in warned[0]

    def test_with_nothing_else_readable(self, server: ApiServer, call: Call) -> None:
        call(weight=50)
        forbidden = Answer(403, "Forbidden", "no")
        server.before = lambda number, request: None if "/virtualservices/" in request.path else forbidden
        assert call(state="rolled_back")["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}

    def test_to_a_stable_version_without_pods_it_warns(self, server: ApiServer, call: Call, warned: list[str]) -> None:
        call(weight=50)
        server.delete("pods", "pong-v1-1", NAMESPACE)
        assert call(state="rolled_back", force=True)["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}
        missing = "it has no pods (no Deployment makes pods with app=pong,version=v1)"
        assert warned == [f"v1 gets 100 % of the requests and has no ready pod: {missing}"]
        again = call(state="rolled_back")
        assert f"v1 has all requests already, and no ready pod: {missing}; waited 0 s, the weights stay" in again["msg"]

    def test_over_another_run(self, server: ApiServer, call: Call) -> None:
        call(**advanced(state="promoted", interval=60, watch=0, run={"id": "other", "host": "elsewhere", "pid": 1}))
        assert "canary v2 is held by" in call(**advanced())["msg"]
        assert call(state="rolled_back")["changed"]

    def test_not_to_a_version_that_was_removed(self, server: ApiServer, call: Call) -> None:
        call(weight=100)
        call(**advanced(confirm=True, steps=[100]))
        call(state="rolled_back")
        call(**advanced(confirm=True, steps=[100]))
        assert call(state="cleaned", drain=0)["removed"] == "v1"
        server.put("destinationrules", destination_rule("v2"))
        assert "v1 cannot take more yet: it has no pods (no DestinationRule has" in call(state="rolled_back")["msg"]
        forced = call(state="rolled_back", force=True)
        assert "v1 is no destination of HTTP route primary any more" in forced["msg"]
        assert weights_of(server) == {"v2": 100}


class TestRollbackToFewPods:
    """Back as far as stable carries, and the rest as its pods come."""

    @pytest.fixture(autouse=True)
    def two_pods_each(self, server: ApiServer, call: Call) -> None:
        for version in ("v1", "v2"):
            server.put("deployments", deployment(version, 2))
            server.put("pods", made_by("a", pod(version)))
            server.put("pods", made_by("a", pod(version, 2)))
        call(weight=100)
        server.requests.clear()

    def test_to_none_of_two_it_waits_and_then_goes(self, server: ApiServer, call: Call) -> None:
        weights: list[dict[str, Any]] = []
        server.delete("pods", "pong-v1-1", NAMESPACE)
        server.delete("pods", "pong-v1-2", NAMESPACE)

        def scale_up() -> None:
            weights.append(weights_of(server))
            server.put("pods", made_by("b", pod("v1", 3)))
            server.put("pods", made_by("b", pod("v1", 4)))

        meanwhile(server, scale_up)
        result = call(state="rolled_back", wait_timeout=30)
        assert (weights, weights_of(server)) == ([{"v1": 0, "v2": 100}], {"v1": 100, "v2": 0})
        assert (result["changed"], result["phase"], agree(server)) == (True, "rolled_back", True)

    def test_to_one_of_two_half_goes_at_once(self, server: ApiServer, call: Call) -> None:
        seen: list[tuple[dict[str, Any], Any, Any]] = []
        server.put("pods", made_by("a", pod("v1", 2, ready=False)))

        def get_ready() -> None:
            seen.append((weights_of(server), state_of(server)["phase"], state_of(server)["holder"]))
            server.put("pods", made_by("a", pod("v1", 2)))

        meanwhile(server, get_ready)
        result = call(state="rolled_back", wait_timeout=30)
        assert seen == [({"v1": 50, "v2": 50}, "held", None)]
        assert (weights_of(server), agree(server)) == ({"v1": 100, "v2": 0}, True)
        assert [(each["event"], each["weights"]["v2"]) for each in result["transitions"]] == [
            ("rolled_back", 50),
            ("rolled_back", 0),
        ]

    def test_what_is_missing_at_the_deadline_is_told(self, server: ApiServer, call: Call) -> None:
        crash = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4}
        status = {"containerStatuses": [{"name": "pong", **crash}]}
        server.put("pods", made_by("a", pod("v1", 2, ready=False, **status)))
        result = call(state="rolled_back", reason="no good")
        assert (result["failed"], result["changed"], result["phase"]) == (True, True, "held")
        assert result["weights"] == {"before": {"v1": 0, "v2": 100}, "after": {"v1": 50, "v2": 50}}
        reason = "v1 cannot take more yet: 1 of 2 pods ready: pod pong-v1-2 container pong crashes (CrashLoopBackOff, 4"
        for sentence in (
            f"v2: from 100 back to 50 %: no good; {reason}",
            f"v2 keeps 50 % of the requests because {reason}",
            "waited 0 s, the weights stay v1 50 %, v2 50 %",
        ):
            assert sentence in result["msg"]
        assert result["msg"].endswith(
            "; state: rolled_back again completes it once they are ready, force: true at once"
        )
        assert result["msg"].count("VirtualService shop/pong") == 1
        assert "v2 is held at 50 % since" in call(**advanced())["msg"]
        second = call(state="rolled_back", playbook_options="--limit pong")
        assert (second["failed"], len(server.sent("PATCH"))) == (True, 1)
        assert second["msg"].endswith("once they are ready: ansible-playbook progressive.istio.rollback --limit pong")
        server.put("pods", made_by("a", pod("v1", 2)))
        assert call(state="rolled_back")["weights"]["after"] == {"v1": 100, "v2": 0}

    def test_without_pods_of_the_canary_nothing_is_waited_for(self, server: ApiServer, call: Call) -> None:
        for version in ("v1", "v2"):
            for number in (1, 2):
                server.put("pods", made_by("a", pod(version, number, ready=False)))
        result = call(state="rolled_back", wait_timeout=0)
        assert (result["failed"], result["phase"], weights_of(server)) == (True, "rolled_back", {"v1": 100, "v2": 0})
        assert "v1 has all requests already, and no ready pod: 0 of 2 pods ready: pod pong-v1-1" in result["msg"]

    def test_pods_that_nobody_may_read_hold_nothing_up(self, server: ApiServer, call: Call) -> None:
        server.delete("pods", "pong-v1-1", NAMESPACE)
        forbidden = Answer(403, "Forbidden", "no")
        server.before = lambda number, request: forbidden if "/pods" in request.path else None
        assert call(state="rolled_back", wait_timeout=30)["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}

    def test_a_slow_read_does_not_change_its_mind(
        self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once it is known that stable has no pods, an API server that fails for a moment is no reason to go there."""
        for number in (1, 2):
            server.delete("pods", f"pong-v1-{number}", NAMESPACE)
        monkeypatch.setattr(calls, "connect", lambda params: Cluster(lambda: load(params), patience=0))

        def fail(number: int, request: Request) -> Answer | None:
            looks = len(server.sent("GET", "pods"))
            return Answer(503, "Down", "later") if looks in (2, 3, 5) and request.path.endswith("/pods") else None

        server.before = fail
        result = call(state="rolled_back", wait_timeout=2)
        assert (result["failed"], weights_of(server)) == (True, {"v1": 0, "v2": 100})

    def test_three_of_four_take_all_with_a_warning(self, server: ApiServer, call: Call, warned: list[str]) -> None:
        server.put("deployments", deployment("v1", 4))
        server.put("pods", made_by("a", pod("v1", 3)))
        server.put("pods", made_by("a", pod("v1", 4, ready=False)))
        assert not call(state="rolled_back").get("failed")
        assert weights_of(server) == {"v1": 100, "v2": 0}
        assert warned == ["v1 gets 100 % of the requests with 3 of 4 pods ready: pod pong-v1-4 is not ready"]

    def test_a_stable_version_that_was_scaled_down_takes_all_with_a_warning(
        self, server: ApiServer, call: Call, warned: list[str]
    ) -> None:
        server.put("deployments", deployment("v1", 1))
        server.delete("pods", "pong-v1-2", NAMESPACE)
        assert not call(state="rolled_back").get("failed")
        assert warned == [
            "v1 gets 100 % of the requests with 1 ready pod, where v2 has 2: scale it up if they are too few"
        ]

    def test_check_mode_predicts_the_part(self, server: ApiServer, call: Call) -> None:
        server.put("pods", made_by("a", pod("v1", 2, ready=False)))
        predicted = call(check=True, state="rolled_back", wait_timeout=30)
        assert (predicted["changed"], predicted["waits"]) == (True, True)
        assert predicted["weights"]["after"] == {"v1": 50, "v2": 50}
        assert weights_of(server) == {"v1": 0, "v2": 100}


class TestHealthy:
    """Success is: as asked, and healthy."""

    @pytest.mark.parametrize("options", [{"weight": 20}, {"state": "advanced", "steps": [20]}], ids=str)
    def test_a_weight_that_is_there_waits_for_its_pods_and_tells_what_is_missing(
        self, server: ApiServer, call: Call, options: dict[str, Any]
    ) -> None:
        call(weight=20)
        server.put("deployments", deployment("v2", 0))
        server.delete("pods", "pong-v2-1", NAMESPACE)
        result = call(**options)
        assert result["failed"]
        assert result["msg"].endswith(
            "v2 has 20 % of the requests already and too few ready pods for them: it has no pods "
            "(Deployment pong-v2 is scaled to 0); waited 0 s, the weights stay v1 80 %, v2 20 %"
        )
        meanwhile(server, lambda: server.put("pods", pod("v2")))
        result = call(**options, wait_timeout=30)
        assert (result.get("failed", False), result["changed"]) == (False, False)

    def test_a_promoted_version_without_pods_is_no_success(self, server: ApiServer, call: Call) -> None:
        call(**advanced(steps=[100]))
        server.delete("pods", "pong-v2-1", NAMESPACE)
        assert "v2 has 100 % of the requests already and too few ready pods" in call(**advanced(steps=[100]))["msg"]

    def test_a_canary_that_died_while_nobody_watched_goes_back(self, server: ApiServer, call: Call) -> None:
        call(**advanced(watch=0))
        server.delete("pods", "pong-v2-1", NAMESPACE)
        result = call(**advanced(watch=0))
        assert (result["failed"], result["phase"], weights_of(server)) == (True, "rolled_back", {"v1": 100, "v2": 0})


def of_holder(fields: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """The annotation's holder with these fields."""

    def change(service: dict[str, Any]) -> None:
        state = json.loads(service["metadata"]["annotations"][ANNOTATION])
        state["holder"] |= fields
        service["metadata"]["annotations"][ANNOTATION] = json.dumps(state)

    return change


class TestLease:
    """One run at a time."""

    def test_another_run_is_named(self, server: ApiServer, call: Call) -> None:
        run = {"id": "other", "who": "jane", "host": "elsewhere", "pid": 7}
        call(**advanced(state="promoted", interval=60, watch=0, run=run))
        before = server.get("virtualservices", "pong", NAMESPACE)
        for options in (advanced(), {"weight": 50}):
            result = call(**options)
            assert "canary v2 is held by jane on elsewhere (process 7) since" in result["msg"]
        assert server.get("virtualservices", "pong", NAMESPACE) == before

    def test_the_same_run_goes_on(self, server: ApiServer, call: Call) -> None:
        run = {"id": "mine", "host": "elsewhere", "pid": 7}
        for _time in range(3):
            result = call(**advanced(state="promoted", watch=0, run=run))
        assert result["finished"]
        assert state_of(server)["holder"] is None

    @pytest.mark.parametrize("options", [{"watch": 0}, {"interval": 0.2}, {"interval": 0.001}])
    def test_one_step_of_a_run_leaves_the_next_to_others(
        self, server: ApiServer, call: Call, options: dict[str, Any]
    ) -> None:
        """A play may hold several such tasks, each a run of its own."""
        assert call(**advanced(run={"id": "mine", "host": "elsewhere", "pid": 7}, **options))["changed"]
        assert state_of(server)["holder"] is None
        assert call(**advanced(run={"id": "next", "host": "elsewhere", "pid": 7}))["changed"]

    def test_a_run_that_has_died_holds_nothing(self, server: ApiServer, call: Call) -> None:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        run = {"id": "dead", "host": os.uname().nodename, "pid": child}
        call(**advanced(state="promoted", watch=0, run=run))
        assert "canary v2 is held by" in call(**advanced())["msg"]  # it may be in a container with our host name
        edit(server, of_holder(process_here(child)))
        assert call(**advanced())["changed"]

    def test_a_lease_that_is_longer_than_any_holds_nothing(self, server: ApiServer, call: Call) -> None:
        call(**advanced(state="promoted", watch=0, run={"id": "other", "host": "elsewhere", "pid": 7}))
        edit(server, of_holder({"until": "2099-01-01T00:00:00Z"}))
        assert call(**advanced())["changed"]

    def test_nothing_is_done_for_a_run_that_has_ended(self, server: ApiServer, call: Call) -> None:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        result = call(**advanced(run={"id": "dead", "pid": child}))
        assert f"process {child}, has ended" in result["msg"]
        assert server.sent("PATCH") == []

    def test_nor_for_one_that_ends_while_pods_are_waited_for(self, server: ApiServer, call: Call) -> None:
        server.put("pods", pod("v2", ready=False))
        with subprocess.Popen(["sleep", "60"]) as controller:
            run = {"id": "orphan", "pid": controller.pid}

            def end(_number: int, request: Request) -> Answer | None:
                if request.watches:
                    controller.kill()
                    controller.wait()
                    server.put("pods", pod("v2"))
                return None

            server.before = end
            result = call(**advanced(run=run, wait_timeout=30))
        assert f"process {run['pid']}, has ended: no version gets more requests" in result["msg"]
        assert server.sent("PATCH") == []


class TestCleanup:
    """What is over leaves the route."""

    def test_after_promotion_stable_leaves(self, server: ApiServer, call: Call) -> None:
        call(**advanced(steps=[100]))
        waiting = call(state="cleaned", drain=60)
        assert (waiting["changed"], waiting["waits"], waiting["removed"]) == (False, True, None)
        assert call(check=True, state="cleaned", drain=0)["removed"] == "v1"
        assert weights_of(server) == {"v1": 0, "v2": 100}
        result = call(state="cleaned", drain=0)
        assert (result["changed"], result["removed"], result["used_by"]) == (True, "v1", [])
        assert weights_of(server) == {"v2": 100}
        again = call(state="cleaned", drain=0)
        assert (again["changed"], again["removed"]) == (False, "v1")
        assert not call(**advanced())["changed"]

    def test_after_a_rollback_the_canary_leaves(self, server: ApiServer, call: Call) -> None:
        call(**advanced())
        call(state="rolled_back")
        assert call(state="cleaned", drain=0)["removed"] == "v2"
        assert weights_of(server) == {"v1": 100}

    @pytest.mark.parametrize("phase", ["none", "progressing", "held"])
    def test_nothing_leaves_before_the_end(self, server: ApiServer, call: Call, phase: str) -> None:
        _bring_to(phase, call)
        result = call(state="cleaned", drain=0)
        assert (result["changed"], result["removed"], len(weights_of(server))) == (False, None, 2)

    def test_after_a_share_of_everything_stable_leaves_and_the_release_is_over(
        self, server: ApiServer, call: Call
    ) -> None:
        call(weight=100)
        result = call(state="cleaned", drain=0)
        assert (result["removed"], result["phase"], result["finished"]) == ("v1", "promoted", True)
        assert weights_of(server) == {"v2": 100}
        assert not call(state="cleaned", drain=0)["changed"]

    @pytest.mark.parametrize("weight", [0, 99])
    def test_after_another_share_nothing_leaves(self, server: ApiServer, call: Call, weight: int) -> None:
        call(weight=weight)
        assert call(state="cleaned", drain=0)["removed"] is None
        assert len(weights_of(server)) == 2

    def test_what_no_route_names_is_left_over_but_for_what_is_asked_about(self, server: ApiServer, call: Call) -> None:
        server.put("destinationrules", destination_rule("v0", "v1", "v2", "v3", "v4"))
        other = virtual_service(100, versions=("v3",))
        other["metadata"]["name"], other["spec"]["hosts"] = "inside", ["inside"]
        server.put("virtualservices", other)
        call(**advanced(steps=[100]))
        result = call(state="cleaned", drain=0, stable="v2", canary="v4")
        assert result["removed"] == "v1"
        assert result["leftovers"] == [
            {"version": "v0", "used_by": [], "why": ""},
            {"version": "v3", "used_by": ["http route primary of shop/inside"], "why": ""},
        ]

    def test_nothing_leaves_that_has_requests_again(self, server: ApiServer, call: Call) -> None:
        call(**advanced(steps=[100]))
        edit(server, set_weights(30, 70))
        assert "another writer changed the weights" in call(state="cleaned", drain=0)["msg"]

    def test_other_users_are_named(self, server: ApiServer, call: Call) -> None:
        other = virtual_service(100, versions=("v1",))
        other["metadata"]["name"], other["spec"]["hosts"] = "inside", ["inside"]
        server.put("virtualservices", other)
        call(**advanced(steps=[100]))
        assert call(state="cleaned", drain=0)["used_by"] == ["http route primary of shop/inside"]

    def test_a_new_release_takes_a_place_of_its_own(self, server: ApiServer, call: Call) -> None:
        call(**advanced(steps=[100]))
        call(state="cleaned", drain=0)
        server.put("pods", pod("v3"))
        call(**advanced(stable="v2", canary="v3"))
        assert weights_of(server) == {"v2": 90, "v3": 10}


class TestKills:
    """Killed between any two requests, and started again."""

    @pytest.mark.parametrize("after", [False, True])
    def test_state_and_weights_agree_and_no_step_is_lost(self, call: Call, server: ApiServer, after: bool) -> None:
        deaths = 0
        for moment in range(1, 12):
            server.objects.clear()
            server.requests.clear()
            populate(server)
            if not _killed(server, moment, after):
                break
            deaths += 1
            assert agree(server)
            for _time in range(4):
                assert not call(**advanced(interval=0)).get("failed")
            assert events(server) == [("advanced", 10), ("advanced", 50), ("promoted", 100)]
        assert deaths >= 5


def _killed(server: ApiServer, moment: int, after: bool) -> bool:
    """Run one step in a process that is killed at its n-th request; False if it ended before."""
    child = os.fork()
    if not child:
        options = {"host": server.url, "api_key": "x", "name": "pong", "namespace": NAMESPACE, "interval": 0.2}
        with patch_module_args({**options, "stable": "v1", "canary": "v2", "state": "advanced", "steps": STEPS}):
            try:
                canary.main()
            except SystemExit as end:
                os._exit(int(end.code or 0))
        os._exit(99)

    def kill(number: int, request: Request) -> None:
        if number == moment:
            os.kill(child, signal.SIGKILL)
            raise Drop

    quiet: Callable[[int, Request], None] = lambda number, request: None  # noqa: E731
    server.before, server.after = (quiet, kill) if after else (kill, quiet)
    try:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    finally:
        server.before = server.after = quiet


def test_documentation_and_arguments_agree() -> None:
    documented = {
        name: option
        for text in (target.ModuleDocFragment.DOCUMENTATION, target.ModuleDocFragment.FOLLOWERS, canary.DOCUMENTATION)
        for name, option in yaml.safe_load(text)["options"].items()
    }
    assert set(documented) == set(ARGUMENTS)
    for name, argument in ARGUMENTS.items():
        for key in ("type", "default", "choices", "required"):
            assert documented[name].get(key) == argument.get(key), name
