# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each step of a task asks the API server for, and what a step does not take from the one before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.progressive.istio.plugins.module_utils._canary import call as calls
from ansible_collections.progressive.istio.plugins.module_utils._canary.call import CanaryTask
from ansible_collections.progressive.istio.plugins.module_utils._canary.options import SPEC
from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._proxy import fleet
from ansible_collections.progressive.istio.plugins.module_utils._rollout import reach
from api_server import ApiServer, Object
from istio_mesh import Istio
from loopback_mesh import Envoy
from pong_mesh import NAMESPACE, destination_rule, pod, virtual_service, weights_of

Step = Callable[..., dict[str, Any]]

SHOWN = 0.3  # seconds in which a watch shows a change
READ = [
    "GET VirtualService",  # all, for others with the same hosts
    "GET DestinationRule shop",
    "GET Service shop/pong",
    "GET Pod shop",
    "GET Deployment shop",
]
GATEWAYS = ["GET Gateway shop/gateway", "GET Pod"]
WRITE = ["PATCH VirtualService shop/pong"] * 2  # the weights, and that they are live
CALLERS = ["GET Pod"]
WATCHES = ["WATCH Pod shop", "WATCH VirtualService shop"]
FIRST = sorted([*READ, *GATEWAYS, "POST SelfSubjectRulesReview", *WRITE, *WATCHES, *CALLERS])
NEXT = ["GET DestinationRule shop", "GET Pod", *WRITE]  # what no write tests, and the pods of the gateways


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests since they were last cleared."""
    found: list[str] = []
    send = Cluster._send

    def recorded(cluster: Cluster, method: str, path: str, what: str, *more: Any) -> Any:
        found.append(what)
        return send(cluster, method, path, what, *more)

    monkeypatch.setattr(Cluster, "_send", recorded)
    return found


@pytest.fixture
def quick(mesh: Istio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes no second, whatever this machine does beside it, so that nothing is asked again meanwhile."""
    monkeypatch.setattr(fleet, "LIST_AGAIN", 60)
    monkeypatch.setattr(fleet, "MEANWHILE", 60)
    monkeypatch.setattr(fleet, "FIRST_QUESTION", 60)


@pytest.fixture
def step(mesh: Istio, sent: list[str]) -> Iterator[Step]:
    """One step of a task, at a time."""
    run = {"id": "0123456789abcdef", "host": "laptop", "pid": os.getpid()}
    fixed = {"host": mesh.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "stable": "v1"}
    fixed |= {"canary": "v2", "wait_timeout": 0, "interval": 0.2, "steps": [20, 40, 60, 80, 100]}
    with CanaryTask() as task:

        def take(state: str = "promoted", **options: Any) -> dict[str, Any]:
            given = {**fixed, "state": state, **({"run": run} if state == "promoted" else {}), **options}
            checked = ArgumentSpecValidator(SPEC["argument_spec"]).validate(given)
            assert not checked.error_messages
            sent.clear()
            return task.answer(Call(checked.validated_parameters, False, False, lambda text: None))

        yield take


@pytest.mark.usefixtures("quick")
def test_a_step_asks_for_what_it_needs_and_in_order(mesh: Istio, step: Step, sent: list[str]) -> None:
    assert step("weighted", weight=20, steps=None)["changed"]
    assert sent == [*READ, *GATEWAYS, *WRITE, *CALLERS]
    assert mesh.asked("portforward") == 1


@pytest.mark.usefixtures("quick")
def test_five_steps_read_once_what_their_watches_show(mesh: Istio, step: Step, sent: list[str]) -> None:
    result = step()
    assert sorted(sent) == FIRST
    count = result["api_requests"]
    for _number in range(4):
        result = step()
        assert sent == NEXT
        count += result["api_requests"]
    assert (result["finished"], weights_of(mesh.api)) == (True, {"v1": 0, "v2": 100})
    assert (count, mesh.asked("portforward")) == (29, 1)


@pytest.mark.parametrize("what", ["time", "pod"])
def test_a_step_reads_all_again_after_some_time_and_where_pods_have_changed(
    server: ApiServer, step: Step, sent: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    step()
    if what == "time":
        monkeypatch.setattr(calls, "FRESH", 0)
        monkeypatch.setattr(reach, "FRESH", 0)
    else:
        server.put("pods", pod("v2", 2))
        time.sleep(SHOWN)
    assert step()["changed"]
    assert sent[:5] == READ


def test_what_others_do_between_two_steps_is_seen(server: ApiServer, mesh: Istio, step: Step) -> None:
    step()
    server.put("destinationrules", destination_rule("v1"))
    assert "subset v2 is not in DestinationRule" in step()["msg"]
    server.put("destinationrules", destination_rule("v1", "v2"))
    assert step()["changed"]


def test_a_pod_that_dies_between_two_steps_is_seen(server: ApiServer, step: Step) -> None:
    step()
    server.put("pods", pod("v2", ready=False))
    time.sleep(SHOWN)
    result = step()
    assert (result["failed"], weights_of(server)) == (True, {"v1": 100, "v2": 0})


def test_a_gateway_pod_that_comes_between_two_steps_is_asked_too(mesh: Istio, step: Step) -> None:
    step()
    mesh.add(Envoy("two", 100, 0))
    result = step(proof_timeout=0.5)
    assert result["failed"]
    assert "gateway gateways/two" in result["msg"]
    assert weights_of(mesh.api) == {"v1": 80, "v2": 20}


def test_a_route_that_others_have_changed_is_not_overwritten(server: ApiServer, mesh: Istio, step: Step) -> None:
    step()
    route: Object = virtual_service(50, 50, gateways=["gateway"])
    known = server.get("virtualservices", "pong", NAMESPACE)
    server.put("virtualservices", {**known, "spec": route["spec"]})
    assert "another writer changed the weights: v1 50 %, v2 50 % now" in step()["msg"]
    assert weights_of(server) == {"v1": 50, "v2": 50}
