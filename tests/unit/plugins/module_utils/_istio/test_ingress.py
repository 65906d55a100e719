# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.ingress import (
    Address,
    NoSuchPort,
    from_load_balancer,
    from_node,
    from_port_forward,
    nodes_with_pods,
    only_nodes_with_pods,
    patience,
    pending,
    port_of,
    reason,
)

HTTP2 = {"name": "http2", "port": 80, "nodePort": 30080}
HTTP = {"name": "http", "port": 8000, "nodePort": 30800}
HTTPS = {"name": "https", "port": 443, "nodePort": 30443}
STATUS = {"name": "status-port", "port": 15021, "nodePort": 31359}
PLAIN = {"port": 80}
CREATED = datetime(2026, 11, 23, 4, 30, 31, tzinfo=UTC)


def service(*ports: dict[str, Any], ingress: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "istio-system", "name": "gw", "creationTimestamp": "2026-11-23T04:30:31Z"},
        "spec": {"ports": list(ports), **spec},
        "status": {"loadBalancer": {"ingress": ingress} if ingress is not None else {}},
    }


def node(name: str, *addresses: tuple[str, str], ready: str = "True") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": type_, "address": address} for type_, address in addresses],
            "conditions": [{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": ready}],
        },
    }


def pod(node_name: str | None, ready: str = "True") -> dict[str, Any]:
    spec = {"nodeName": node_name} if node_name else {}
    return {"spec": spec, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    ("ports", "scheme", "wanted", "expected"),
    [
        ([STATUS, HTTP2, HTTPS], "http", "", HTTP2),
        ([HTTP, HTTP2], "http", "", HTTP2),
        ([STATUS, HTTP, HTTPS], "http", "", HTTP),
        ([STATUS, PLAIN], "http", "", PLAIN),
        ([STATUS, HTTP2, HTTPS], "https", "", HTTPS),
        ([{"name": "tls", "port": 443}], "https", "", {"name": "tls", "port": 443}),
        ([STATUS, HTTP2], "http", "status-port", STATUS),
        ([STATUS, HTTP2], "http", "15021", STATUS),
    ],
)
def test_port_of(ports: list[dict[str, Any]], scheme: str, wanted: str, expected: dict[str, Any]) -> None:
    assert port_of(service(*ports), scheme, wanted) == expected


@pytest.mark.parametrize(
    ("ports", "scheme", "wanted", "sentence"),
    [
        (
            [STATUS, HTTPS],
            "http",
            "",
            "no port named http2 or http, and none of number 80; its ports are: 15021 (status-port), 443 (https)",
        ),
        ([HTTP2], "https", "", "no port named https, and none of number 443; its ports are: 80 (http2)"),
        ([PLAIN], "http", "admin", "no port admin; its ports are: 80"),
        ([], "http", "", "none of number 80; its ports are: none"),
    ],
)
def test_no_such_port(ports: list[dict[str, Any]], scheme: str, wanted: str, sentence: str) -> None:
    with pytest.raises(NoSuchPort) as caught:
        port_of(service(*ports), scheme, wanted)
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("ingress", "expected"),
    [
        ([{"ip": "172.18.0.200"}], ("load_balancer_ip", "http://172.18.0.200")),
        ([{"ip": "fd00::1", "ipMode": "VIP"}], ("load_balancer_ip", "http://[fd00::1]")),
        ([{"hostname": "a.elb.amazonaws.com"}], ("load_balancer_hostname", "http://a.elb.amazonaws.com")),
        ([{"ip": "10.0.0.1", "hostname": "a.example"}], ("load_balancer_ip", "http://10.0.0.1")),
        ([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], ("load_balancer_ip", "http://10.0.0.1")),
        ([{}, {"ip": "10.0.0.2"}], ("load_balancer_ip", "http://10.0.0.2")),
        ([], None),
        (None, None),
    ],
)
def test_from_load_balancer(ingress: list[dict[str, Any]] | None, expected: tuple[str, str] | None) -> None:
    address = from_load_balancer(service(HTTP2, ingress=ingress), HTTP2, "http")
    assert (address and (address.kind, address.url)) == expected


@pytest.mark.parametrize(
    ("scheme", "port", "url"),
    [
        ("http", 80, "http://gw"),
        ("http", 443, "http://gw:443"),
        ("https", 443, "https://gw"),
        ("https", 80, "https://gw:80"),
        ("http", 8080, "http://gw:8080"),
    ],
)
def test_url_leaves_out_the_port_of_the_scheme(scheme: str, port: int, url: str) -> None:
    assert Address("load_balancer_ip", scheme, "gw", port).url == url


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (
            [node("b", ("InternalIP", "10.0.0.2")), node("a", ("InternalIP", "10.0.0.1"))],
            ("a", "http://10.0.0.1:30080"),
        ),
        (
            [node("a", ("Hostname", "a"), ("ExternalIP", "1.1.1.1"), ("InternalIP", "10.0.0.1"))],
            ("a", "http://10.0.0.1:30080"),
        ),
        ([node("a", ("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::1"))], ("a", "http://10.0.0.1:30080")),
        ([node("a", ("InternalIP", "fd00::1"))], ("a", "http://[fd00::1]:30080")),
        (
            [node("a", ("InternalIP", "10.0.0.1"), ready="Unknown"), node("b", ("InternalIP", "10.0.0.2"))],
            ("b", "http://10.0.0.2:30080"),
        ),
        ([node("a", ("ExternalIP", "1.1.1.1"))], None),
        ([], None),
    ],
)
def test_from_node(nodes: list[dict[str, Any]], expected: tuple[str, str] | None) -> None:
    address = from_node(HTTP2, "http", nodes)
    assert (address and (address.node, address.url)) == expected


def test_without_a_node_port_no_node_is_called() -> None:
    assert from_node(PLAIN, "http", [node("a", ("InternalIP", "10.0.0.1"))]) is None


@pytest.mark.parametrize(
    ("scheme", "port", "context", "url", "command"),
    [
        ("http", HTTP2, "", "http://127.0.0.1:8080", "kubectl port-forward -n istio-system service/gw 8080:80"),
        (
            "https",
            HTTPS,
            "kind-a",
            "https://127.0.0.1:8443",
            "kubectl --context kind-a port-forward -n istio-system service/gw 8443:443",
        ),
        (
            "http",
            HTTP2,
            "a b",
            "http://127.0.0.1:8080",
            "kubectl --context 'a b' port-forward -n istio-system service/gw 8080:80",
        ),
    ],
)
def test_from_port_forward(scheme: str, port: dict[str, Any], context: str, url: str, command: str) -> None:
    address = from_port_forward(service(port), port, scheme, context)
    assert (address.kind, address.url, address.command) == ("port_forward", url, command)


@pytest.mark.parametrize(
    ("type_", "ingress", "expected"),
    [
        ("LoadBalancer", None, True),
        ("LoadBalancer", [], True),
        ("LoadBalancer", [{"ip": "10.0.0.1"}], False),
        ("NodePort", None, False),
        ("ClusterIP", None, False),
    ],
)
def test_pending(type_: str, ingress: list[dict[str, Any]] | None, expected: bool) -> None:
    assert pending(service(HTTP2, type=type_, ingress=ingress)) is expected


@pytest.mark.parametrize(("age", "expected"), [(0, 60), (20, 40), (60, 0), (86400, 0), (-30, 60)])
def test_patience_counts_from_the_creation(age: float, expected: float) -> None:
    assert patience(service(), 60, CREATED + timedelta(seconds=age)) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [({"externalTrafficPolicy": "Local"}, True), ({"externalTrafficPolicy": "Cluster"}, False), ({}, False)],
)
def test_only_nodes_with_pods(policy: dict[str, str], expected: bool) -> None:
    assert only_nodes_with_pods(service(**policy)) is expected


def test_nodes_with_pods() -> None:
    nodes = [node("a"), node("b"), node("c")]
    found = nodes_with_pods(nodes, [pod("b"), pod("c", ready="False"), pod(None, ready="False")])
    assert [entry["metadata"]["name"] for entry in found] == ["b"]


@pytest.mark.parametrize(
    ("spec", "address", "sentence"),
    [
        (
            {"type": "LoadBalancer", "ingress": [{"ip": "10.0.0.1"}]},
            Address("load_balancer_ip", "http", "10.0.0.1", 80),
            "http://10.0.0.1 is the load balancer's address of Service istio-system/gw",
        ),
        (
            {"type": "LoadBalancer", "ingress": [{"hostname": "a.example"}]},
            Address("load_balancer_hostname", "http", "a.example", 80),
            "http://a.example is the load balancer's name of Service istio-system/gw",
        ),
        (
            {"type": "LoadBalancer"},
            Address("node_port", "http", "10.0.0.1", 30080, "a"),
            "Service istio-system/gw is of type LoadBalancer without an address, "
            "so http://10.0.0.1:30080 is its port on node a",
        ),
        (
            {"type": "NodePort"},
            Address("node_port", "http", "10.0.0.1", 30080, "a"),
            "Service istio-system/gw is of type NodePort, so http://10.0.0.1:30080 is its port on node a",
        ),
        (
            {},
            Address("port_forward", "http", "127.0.0.1", 8080, command="kubectl port-forward"),
            "Service istio-system/gw is of type ClusterIP and cannot be called from outside: "
            "http://127.0.0.1:8080 answers while `kubectl port-forward` is running",
        ),
    ],
)
def test_reason(spec: dict[str, Any], address: Address, sentence: str) -> None:
    assert reason(service(HTTP2, **spec), address) == sentence
