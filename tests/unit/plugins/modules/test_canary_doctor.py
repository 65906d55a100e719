# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.doc_fragments import checks, target
from ansible_collections.progressive.istio.plugins.module_utils._doctor import examine
from ansible_collections.progressive.istio.plugins.module_utils._preflight.checks import NAMES
from ansible_collections.progressive.istio.plugins.modules import canary_doctor
from api_server import Answer, ApiServer, Request
from istio_mesh import Istio
from pong_mesh import ANNOTATION, NAMESPACE, pod, virtual_service

Doctor = Callable[..., dict[str, Any]]
PLACE = f"VirtualService {NAMESPACE}/pong"


@pytest.fixture
def doctor(
    server: ApiServer, mesh: Istio, run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Doctor:
    """The module, on a service that is well."""
    where = {"name": "gateway", "namespace": NAMESPACE}
    servers = [{"port": {"number": 80}, "hosts": ["*"]}]
    server.put("gateways", {"metadata": where, "spec": {"selector": {"istio": "gateway"}, "servers": servers}})
    ports = [{"name": "http", "port": 80}]
    server.put("services", {"metadata": {"name": "files", "namespace": NAMESPACE}, "spec": {"ports": ports}})
    webhook = {"name": "validation", "rules": [{"apiGroups": ["networking.istio.io"]}]}
    server.put("validatingwebhookconfigurations", {"metadata": {"name": "istio"}, "webhooks": [webhook]})
    monkeypatch.setattr(examine, "PATIENCE", 30)  # a busy machine is not what is wrong

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        access = {"host": mesh.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}
        return run_module(canary_doctor.main, {**access, **options}, check)

    return run


def alone(result: dict[str, Any], check: str, place: str = PLACE) -> dict[str, Any]:
    """The one problem."""
    assert [each["check"] for each in result["problems"]] == [check], result["msg"]
    problem: dict[str, Any] = result["problems"][0]
    assert f"{problem['kind']} {problem['namespace']}/{problem['name']}" == place
    assert result["ok"] is (problem["severity"] == "warning")
    return problem


def test_documentation_and_arguments_agree() -> None:
    texts = (
        canary_doctor.DOCUMENTATION,
        checks.ModuleDocFragment.DOCUMENTATION,
        target.ModuleDocFragment.DOCUMENTATION,
    )
    documented = {name: option for text in texts for name, option in yaml.safe_load(text)["options"].items()}
    assert set(documented) == set(canary_doctor.ARGUMENTS)
    for name, argument in canary_doctor.ARGUMENTS.items():
        keys = ("type", "default", "required", "choices", "elements")
        assert [documented[name].get(key) for key in keys] == [argument.get(key) for key in keys], name
    assert tuple(documented["skip_checks"]["choices"]) == NAMES


@pytest.mark.parametrize("check", [False, True])
def test_all_is_well(doctor: Doctor, server: ApiServer, check: bool) -> None:
    result = doctor(check)
    assert (result["ok"], result["problems"], result["unseen"]) == (True, [], []), result["msg"]
    (line,) = result["lines"]
    assert line["tone"] == "ok"
    assert line["text"].endswith("v1 100 %, v2 0 %; 29 checks of the mesh, live in 1 proxy")
    assert line["text"] == result["msg"]
    assert server.sent("PATCH") == []
    assert result["changed"] is False


def test_results_are_those_documented(doctor: Doctor, server: ApiServer) -> None:
    server.put("virtualservices", virtual_service(None, None, gateways=["gateway"]))
    result = doctor()
    documented = yaml.safe_load(canary_doctor.RETURN)
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert set(documented["problems"]["contains"]) == set(result["problems"][0])


def test_a_proxy_that_runs_something_else(doctor: Doctor, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "PATIENCE", 0.3)
    server.put("virtualservices", virtual_service(80, 20, gateways=["gateway"]))
    problem = alone(doctor(), "weights_live", "Pod gateways/one")
    assert "is a gateway that runs v1 100 %, v2 0 % instead of v1 80 %, v2 20 %" in problem["problem"]


def test_a_proxy_that_rejects_what_it_is_sent_though_its_weights_are_right(doctor: Doctor, mesh: Istio) -> None:
    resources = {"type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"lastError": "no such command"}}
    answer = json.dumps([{"proxy": "one.gateways", "resources": resources}]).encode()
    mesh.pods[-1].server.answers["/debug/syncz"] = answer
    problem = alone(doctor(), "weights_live")
    assert "no such command" in problem["problem"]
    assert doctor(proof="none")["problems"] == []


def test_a_version_that_proxies_cannot_reach(doctor: Doctor, mesh: Istio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "PATIENCE", 0.3)
    mesh.gateway.hosts = 0
    problem = alone(doctor(), "subsets_live", "Pod gateways/one")
    assert "0 of 0 hosts of subset v1" in problem["problem"]


def test_without_a_ready_gateway_only_that_is_told(doctor: Doctor, mesh: Istio) -> None:
    mesh.gateway.ready = False
    problem = alone(doctor(), "gateway_pods_ready", "Pod gateways/one")
    assert [each.split(" ")[0] for each in problem["symptoms"]] == ["Gateway", "VirtualService"]


def test_the_events_of_pods_that_are_not_ready(doctor: Doctor, server: ApiServer) -> None:
    server.put("pods", pod("v1", 2, ready=False))
    event = {
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "probe failed",
        "lastTimestamp": "2026-01-31T12:00:00Z",
    }
    about = {"involvedObject": {"kind": "Pod", "name": "pong-v1-2"}}
    server.put("events", {"metadata": {"name": "e1", "namespace": NAMESPACE}, **event, **about})
    problem = alone(doctor(), "pods_ready", f"Pod {NAMESPACE}/pong-v1-2")
    assert [each["message"] for each in problem["events"]] == ["probe failed"]
    server.before = forbidding("events")
    refused = doctor()
    assert alone(refused, "pods_ready", f"Pod {NAMESPACE}/pong-v1-2")["events"] == []
    assert [each.partition(":")[0] for each in refused["unseen"]] == [f"the events of namespace {NAMESPACE}"]


def test_no_events_are_read_where_all_pods_are_ready(doctor: Doctor, server: ApiServer) -> None:
    doctor()
    assert server.sent("GET", "events") == []


def forbidding(*endings: str) -> Callable[[int, Request], Answer | None]:
    """Refuse what may not be read."""

    def before(_number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", "not yours") if request.path.endswith(endings) else None

    return before


def test_what_may_not_be_read_is_named_and_the_rest_is_examined(doctor: Doctor, server: ApiServer) -> None:
    damaged = virtual_service(100, 0, gateways=["gateway"])
    damaged["metadata"]["annotations"] = {ANNOTATION: "{"}
    server.put("virtualservices", damaged)
    everywhere = ("/v1/virtualservices", "/v1/services", "/v1/gateways", "/v1/destinationrules")
    for refused in (("/v1/services", "webhookconfigurations"), everywhere):
        server.before = forbidding(*refused)
        result = doctor()
        alone(result, "annotation_readable")
        assert result["unseen"]
        assert all("not yours" in each for each in result["unseen"])
        assert "Not checked:" in [line["text"] for line in result["lines"]]


def test_a_warning_is_shown_and_is_not_wrong(doctor: Doctor, server: ApiServer) -> None:
    spec = {"selector": {"app": "pong"}, "ports": [{"port": 80}]}
    server.put("services", {"metadata": {"name": "pong", "namespace": NAMESPACE}, "spec": spec})
    result = doctor()
    assert alone(result, "port_named_http", f"Service {NAMESPACE}/pong")["severity"] == "warning"
    assert result["lines"][0]["text"].startswith("Nothing is wrong with")


def test_no_such_virtual_service(doctor: Doctor) -> None:
    alone(doctor(name="nix"), "virtual_service_exists", f"VirtualService {NAMESPACE}/nix")


def test_no_route_of_that_name(doctor: Doctor) -> None:
    assert "does not distinguish two versions" in alone(doctor(route="nix"), "release_found")["problem"]


def test_no_istio_is_a_failure(doctor: Doctor, server: ApiServer) -> None:
    server.missing.add("virtualservices")
    result = doctor()
    assert result["failed"]
    assert "is Istio (1.22 or newer) installed?" in result["msg"]


@pytest.mark.parametrize(
    ("context", "kubeconfig", "environment", "options"),
    [
        ("prod", None, None, ["--context", "prod"]),
        ("prod", "/etc/kube", None, ["--kubeconfig", "/etc/kube", "--context", "prod"]),
        ("prod", "/etc/kube", "/etc/kube", ["--context", "prod"]),
        ("prod", {"apiVersion": "v1"}, None, ["--context", "prod"]),
        ("in-cluster", None, None, []),
        ("https://api", None, None, []),
    ],
    ids=["context", "kubeconfig", "that of kubectl", "kubeconfig as data", "in the cluster", "host"],
)
def test_commands_find_the_cluster(
    context: str, kubeconfig: object, environment: str | None, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    if environment:
        monkeypatch.setenv("KUBECONFIG", environment)
    cluster: Any = SimpleNamespace(context=context, server="https://api")
    assert canary_doctor._options(cluster, {"kubeconfig": kubeconfig}) == options
