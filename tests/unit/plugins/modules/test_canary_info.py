# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary_info`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.doc_fragments import target
from ansible_collections.progressive.istio.plugins.module_utils._canary.options import ARGUMENTS
from ansible_collections.progressive.istio.plugins.modules import canary, canary_info
from api_server import Answer, ApiServer
from pong_mesh import ANNOTATION, NAMESPACE, pod, state_of, virtual_service
from prometheus_server import serving

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def access(server: ApiServer) -> dict[str, str]:
    return {"host": server.url, "api_key": "secret", "namespace": NAMESPACE}


@pytest.fixture
def info(access: dict[str, str], run_module: Call) -> Call:
    return lambda **options: run_module(canary_info.main, {**access, "name": "pong", **options}, True)


@pytest.fixture
def release(access: dict[str, str], run_module: Call) -> Call:
    """Go a step with `canary`."""
    fixed = {
        "name": "pong",
        "stable": "v1",
        "canary": "v2",
        "state": "advanced",
        "steps": [10, 100],
        "watch": 0,
        "proof": "none",
    }
    return lambda **options: run_module(canary.main, {**access, **fixed, **options})


def test_before_any_release_the_route_tells_the_versions(server: ApiServer, info: Call) -> None:
    found = info()
    assert (found["exists"], found["changed"], found["phase"]) == (True, False, "none")
    assert (found["stable"], found["canary"], found["weights"]) == ("v1", "v2", {"v1": 100, "v2": 0})
    assert found["summary"] == "shop/pong: v1 100 %, v2 0 %; ready pods: v1 1 of 1, v2 1 of 1"
    assert found["versions"]["v2"] == {"ready": 1, "total": 1, "deployments": [], "images": [], "troubles": []}
    assert (found["problems"], found["holder"], found["next"], found["next_weight"]) == ([], None, None, None)
    assert found["api_requests"] == 5
    assert server.sent("PATCH") == []


def test_what_is_returned_is_documented(info: Call) -> None:
    assert info().keys() - yaml.safe_load(canary_info.RETURN).keys() <= {"changed", "failed", "invocation"}


def test_a_release_under_way_is_reported(info: Call, release: Call) -> None:
    release(state="promoted", interval=60, run={"id": "x", "who": "jane", "host": "far", "pid": 7})
    found = info()
    assert (found["phase"], found["step"], found["steps"], found["next_weight"]) == ("progressing", 1, [10, 100], 100)
    holder = found["holder"]
    assert (holder["who"], holder["host"], holder["pid"], holder["alive"]) == ("jane", "far", 7, True)
    assert found["next"].startswith("refused: canary v2 is held by jane on far (process 7)")
    assert [(past["event"], past["weight"], past["by"]) for past in found["history"]] == [("advanced", 10, "jane")]
    assert "progressing, step 1 of 2 since" in found["summary"]
    assert f"held by jane on far since {holder['since']}, lease until {holder['until']}" in found["summary"]


def test_the_next_step_is_reported(info: Call, release: Call) -> None:
    release(interval=60)
    found = info()
    assert found["next"].startswith(f"v2 at 10 % (step 1 of 2) soaks until {found['until']}")


def test_a_verdict_is_reported(server: ApiServer, info: Call, release: Call) -> None:
    release(interval=0)
    server.put("pods", pod("v2", ready=False))
    release(interval=60, watch=None)
    found = info()
    assert found["phase"] == "rolled_back"
    assert found["verdict"]["result"] == "fail"
    assert "v2 has no ready pod left" in found["verdict"]["why"]
    assert found["next"].startswith("refused: ")


def test_problems_are_reported(server: ApiServer, info: Call, release: Call) -> None:
    release(interval=0)
    server.put("virtualservices", server.get("virtualservices", "pong", NAMESPACE) | virtual_service(50, 50))
    service = virtual_service(50, 50)
    service["metadata"]["annotations"] = {ANNOTATION: "{"}
    server.put("virtualservices", service)
    server.put("pods", pod("v2", sidecar=False))
    server.delete("pods", "pong-v1-1", NAMESPACE)
    found = info()
    assert found["phase"] == "unreadable"
    assert found["problems"][0].startswith("the annotation of the release cannot be read: it is not JSON")
    assert found["problems"][1:] == [
        "v1 gets requests and has no ready pod",
        "v2 gets requests and has no ready pod",
        "v2: pod pong-v2-1 has no sidecar: restart it once its namespace is labelled for injection",
    ]
    assert "; problems: the annotation" in found["summary"]


def test_drift_is_reported(server: ApiServer, info: Call, release: Call) -> None:
    release(interval=0)
    service = server.get("virtualservices", "pong", NAMESPACE)
    for entry, weight in zip(service["spec"]["http"][1]["route"], (60, 40), strict=True):
        entry["weight"] = weight
    server.put("virtualservices", service)
    assert info()["problems"] == [
        "another writer changed the weights: v1 60 %, v2 40 % now, v1 90 %, v2 10 % when the release wrote them"
    ]


def test_unverified_weights_are_reported(server: ApiServer, info: Call, release: Call) -> None:
    release(interval=0)
    service = server.get("virtualservices", "pong", NAMESPACE)
    state = {**state_of(server), "unverified": True}
    service["metadata"]["annotations"] = {ANNOTATION: json.dumps(state)}
    server.put("virtualservices", service)
    (problem,) = info()["problems"]
    assert problem.startswith("v1 90 %, v2 10 % were set at 2")
    assert problem.endswith("Z and not seen to be live in every proxy")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": "nah"}, "VirtualService shop/nah does not exist"),
        ({"namespace": "nah"}, "namespace nah does not exist"),
        (
            {"route": "static"},
            "does not distinguish two versions (it has static: files without subset, so every pod behind it): name",
        ),
        ({"stable": "v8", "canary": "v9"}, "has no destination with subset or host v8 or v9"),
    ],
)
def test_what_is_not_there_is_a_result(info: Call, options: dict[str, str], problem: str) -> None:
    found = info(**options)
    assert (found["exists"], found.get("failed", False)) == (False, False)
    assert problem in found["problems"][0]
    assert problem in found["summary"]


def test_what_is_broken_is_a_problem(server: ApiServer, info: Call) -> None:
    server.delete("destinationrules", "pong", NAMESPACE)
    found = info()
    assert found["exists"]
    assert "subset v1 is not in any DestinationRule" in found["problems"][0]


def test_no_access_is_a_failure(server: ApiServer, info: Call) -> None:
    server.before = lambda number, request: Answer(401, "Unauthorized", "Unauthorized")
    found = info()
    assert found["failed"]
    assert "the credentials are wrong" in found["msg"]


def agree(documented: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert set(documented) == set(arguments)
    for name, argument in arguments.items():
        for key in ("type", "default", "required", "choices", "elements"):
            assert documented[name].get(key) == argument.get(key), (name, key)
        agree(documented[name].get("suboptions", {}), argument.get("options", {}))


def test_documentation_and_arguments_agree() -> None:
    texts = (canary_info.DOCUMENTATION, target.ModuleDocFragment.DOCUMENTATION, target.ModuleDocFragment.FOLLOWERS)
    documented = {name: option for text in texts for name, option in yaml.safe_load(text)["options"].items()}
    agree(documented, canary_info.ARGUMENTS)


def test_the_analysis_of_canary_is_documented_as_its_arguments() -> None:
    documented = yaml.safe_load(canary.DOCUMENTATION)["options"]["analysis"]
    agree(documented["suboptions"], ARGUMENTS["analysis"]["options"])


def test_what_prometheus_has_counted_is_returned(info: Call, release: Call) -> None:
    release()
    assert "counted" not in info()
    labels = {
        "__name__": "istio_requests_total",
        "reporter": "source",
        "destination_service": "pong.shop.svc.cluster.local",
    }
    labels |= {"destination_version": "v2", "response_code": "200", "response_flags": "-", "instance": "10.0.0.1:15020"}
    with serving() as prometheus:
        prometheus.result("matrix", [{"metric": labels, "values": [[1.0, "7"], [2.0, "19"]]}])
        found = info(prometheus={"url": prometheus.url, "bearer_token": "t0ken"})
        assert [fields["query"].partition("{")[0] for _path, fields, _headers in prometheus.asked] == [
            "istio_requests_total",
            "istio_request_duration_milliseconds_bucket",
        ]
        assert {headers["Authorization"] for _path, _fields, headers in prometheus.asked} == {"Bearer t0ken"}
    (counted,) = found["counted"]  # both queries were answered alike
    assert (counted["weights"], counted["versions"]["v2"]["requests"]) == ({"v1": 90, "v2": 10}, 24)
    assert set(counted) == {"weights", "since", "until", "seconds", "source", "versions", "samples"}
    assert found["api_requests"] == 5


def test_a_prometheus_that_does_not_answer_is_a_warning(info: Call, release: Call, warned: list[str]) -> None:
    assert "counted" not in info(prometheus={"url": "http://127.0.0.1:9"}), "there is no release"
    release()
    found = info(prometheus={"url": "http://127.0.0.1:9"})
    assert (found["counted"], found["phase"]) == ([], "progressing")
    assert "what was counted is not known: Prometheus at http://127.0.0.1:9 cannot be asked" in warned[0]


def test_mistakes_in_prometheus_are_all_reported(info: Call) -> None:
    found = info(prometheus={"timeout": -1})
    assert found["failed"]
    assert "prometheus.url is missing" in found["msg"]
    assert "prometheus.timeout is -1" in found["msg"]
