# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.modules import ingress_info

NAMESPACE = "/api/v1/namespaces/istio-system"
GATEWAY = f"{NAMESPACE}/services/istio-ingressgateway"
SERVICES = "/api/v1/services"
NODES = "/api/v1/nodes"
PODS = f"{NAMESPACE}/pods"


@pytest.fixture
def call(fixed_api: Any, run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def run(answers: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        fixed_api.answers = answers
        return run_module(ingress_info.main, {**fixed_api.access, **options}, check)

    return run


def service(*ingress: dict[str, str], type_: str = "LoadBalancer", age: float = 0.0, **spec: Any) -> dict[str, Any]:
    created = datetime.now(UTC) - timedelta(seconds=age)
    node_port = {} if type_ == "ClusterIP" else {"nodePort": 30080}
    return {
        "metadata": {
            "namespace": "istio-system",
            "name": "istio-ingressgateway",
            "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "spec": {"type": type_, "ports": [{"name": "http2", "port": 80, **node_port}], **spec},
        "status": {"loadBalancer": {"ingress": list(ingress)} if ingress else {}},
    }


def listing(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {}, "items": list(objects)}


def node(name: str, address: str) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": name},
        "status": {"conditions": ready, "addresses": [{"type": "InternalIP", "address": address}]},
    }


def test_documentation_and_arguments_agree() -> None:
    documented = yaml.safe_load(ingress_info.DOCUMENTATION)["options"]
    assert set(documented) == set(ingress_info.ARGUMENTS)
    for name, argument in ingress_info.ARGUMENTS.items():
        keys = ("type", "default", "required", "choices")
        assert [documented[name].get(key) for key in keys] == [argument.get(key) for key in keys], name


def test_load_balancer_takes_one_request(call: Callable[..., dict[str, Any]], fixed_api: Any) -> None:
    result = call({GATEWAY: service({"ip": "172.18.0.200"})})
    assert result.items() >= {"url": "http://172.18.0.200", "kind": "load_balancer_ip", "found": True}.items()
    assert fixed_api.asked == [GATEWAY]


def test_results_are_those_documented(call: Callable[..., dict[str, Any]]) -> None:
    result = call({GATEWAY: service({"ip": "127.0.0.1"})}, connect_timeout=1)
    assert set(yaml.safe_load(ingress_info.RETURN)) == set(result) - {"changed", "invocation"}


def test_pending_load_balancer_is_waited_for(
    call: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress_info, "POLL", 0.05)
    result = call({GATEWAY: [service(), service({"hostname": "a.example"})]})
    assert result.items() >= {"url": "http://a.example", "kind": "load_balancer_hostname"}.items()
    assert 0.05 <= result["waited"] < 15


@pytest.mark.parametrize(("age", "options"), [(0, {"wait_timeout": 0}), (3600, {}), (0, {"check": True})])
def test_pending_load_balancer_falls_back_to_a_node(
    call: Callable[..., dict[str, Any]], age: float, options: dict[str, Any]
) -> None:
    result = call({GATEWAY: service(age=age), NODES: listing(node("a", "10.0.0.1"))}, **options)
    assert result.items() >= {"url": "http://10.0.0.1:30080", "kind": "node_port", "node": "a"}.items()
    assert "is of type LoadBalancer without an address" in result["msg"]
    assert result["waited"] < ingress_info.POLL


def test_local_traffic_policy_takes_a_node_with_a_gateway_pod(
    call: Callable[..., dict[str, Any]], fixed_api: Any
) -> None:
    gateway = service(type_="NodePort", externalTrafficPolicy="Local", selector={"istio": "ingressgateway"})
    pod = {
        "metadata": {"name": "gateway-1"},
        "spec": {"nodeName": "b"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    nodes = listing(node("a", "10.0.0.1"), node("b", "10.0.0.2"))
    result = call({GATEWAY: gateway, NODES: nodes, PODS: listing(pod)})
    assert result["url"] == "http://10.0.0.2:30080"
    assert "labelSelector=istio%3Dingressgateway" in fixed_api.asked[-1]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({GATEWAY: service(type_="ClusterIP")}, "is running"),
        (
            {GATEWAY: service(type_="NodePort"), NODES: listing()},
            "its node port is 30080, but no suitable node is ready",
        ),
        ({GATEWAY: service(type_="NodePort"), NODES: 403}, "its node port is 30080, but nodes may not be listed"),
    ],
)
def test_otherwise_it_says_how_to_forward_a_port(
    call: Callable[..., dict[str, Any]], answers: dict[str, Any], words: str
) -> None:
    result = call(answers)
    command = "kubectl port-forward -n istio-system service/istio-ingressgateway 8080:80"
    expected = {"url": "http://127.0.0.1:8080", "kind": "port_forward", "command": command}
    assert result.items() >= expected.items()
    assert words in result["msg"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({SERVICES: listing()}, "No Service of any namespace has the label istio=ingressgateway"),
        (
            {SERVICES: listing({"metadata": {"namespace": "edge", "name": "gw"}})},
            "Services with the label istio=ingressgateway, for `namespace` and `name`: edge/gw",
        ),
        ({SERVICES: 403}, "cannot be listed"),
    ],
)
def test_no_such_service(call: Callable[..., dict[str, Any]], answers: dict[str, Any], words: str) -> None:
    result = call(answers)
    assert result["failed"] is True
    assert "Service istio-system/istio-ingressgateway does not exist in http://127.0.0.1:" in result["msg"]
    assert words in result["msg"]
    in_check_mode = call(answers, check=True)
    assert not in_check_mode.get("failed")
    assert in_check_mode.items() >= {"found": False, "url": ""}.items()


@pytest.mark.parametrize(
    ("answers", "options", "words"),
    [
        (
            {GATEWAY: service({"ip": "10.0.0.1"})},
            {"port": "admin"},
            "Service istio-system/istio-ingressgateway in http",
        ),
        ({GATEWAY: service({"ip": "10.0.0.1"})}, {"port": "admin"}, "it has no port admin; its ports are: 80 (http2)"),
        ({GATEWAY: 403}, {}, "403 Forbidden"),
        ({GATEWAY: service(type_="NodePort"), NODES: 404}, {}, "404 NotFound"),
        ({}, {"wait_timeout": -1}, "wait_timeout must be between 0 and 3600, and is -1.0"),
    ],
)
def test_failures(
    call: Callable[..., dict[str, Any]], answers: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    result = call(answers, **options)
    assert result["failed"] is True
    assert words in result["msg"]


def test_whether_the_address_takes_connections(call: Callable[..., dict[str, Any]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = service({"ip": "127.0.0.1"})
        one["spec"]["ports"][0]["port"] = server.getsockname()[1]
        assert call({GATEWAY: one}, connect_timeout=2)["reachable"] is True
        assert "reachable" not in call({GATEWAY: one})
    closed = call({GATEWAY: one}, connect_timeout=2)
    assert (closed["found"], closed["reachable"]) == (True, False)
    assert "accepts no connection from here: Connection refused" in closed["msg"]
