# SPDX-License-Identifier: GPL-3.0-or-later
"""The address at which a Service is called from outside the cluster. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._k8s.conditions import is_ready
from .._k8s.kubectl import forward

Object = Mapping[str, Any]

# By scheme: the usual port names of Istio's gateway Services, best first, and the port number if no name matches.
_PORT_NAMES = {"http": ("http2", "http"), "https": ("https",)}
_PORT_NUMBERS = {"http": 80, "https": 443}
_LOCAL_PORTS = {"http": 8080, "https": 8443}


class NoSuchPort(Exception):
    """One sentence: which port was looked for, and which there are."""


@dataclass(frozen=True)
class Address:
    """Where to call. kind: load_balancer_ip, load_balancer_hostname, node_port or port_forward."""

    kind: str
    scheme: str
    host: str
    port: int
    node: str = ""
    command: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORT_NUMBERS[self.scheme] else f":{self.port}")


def port_of(service: Object, scheme: str, wanted: str = "") -> Object:
    """The port of the Service with this name or number, else the usual one of the scheme. Raises NoSuchPort."""
    ports: list[Object] = service["spec"].get("ports") or []
    names = (wanted,) if wanted else _PORT_NAMES[scheme]
    number = wanted or str(_PORT_NUMBERS[scheme])
    for name in names:
        for port in ports:
            if port.get("name") == name:
                return port
    for port in ports:
        if str(port["port"]) == number:
            return port
    sought = f"port {wanted}" if wanted else f"port named {' or '.join(names)}, and none of number {number}"
    present = ", ".join(f"{port['port']}" + (f" ({port['name']})" if port.get("name") else "") for port in ports)
    raise NoSuchPort(f"it has no {sought}; its ports are: {present or 'none'}")


def from_load_balancer(service: Object, port: Object, scheme: str) -> Address | None:
    """The address of the load balancer: its IP, or else its host name."""
    for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress") or []:
        for key in ("ip", "hostname"):
            if entry.get(key):
                return Address(f"load_balancer_{key}", scheme, entry[key], port["port"])
    return None


def from_node(port: Object, scheme: str, nodes: Iterable[Object]) -> Address | None:
    """The node port of the Service, on the first ready node with an internal IP."""
    if not port.get("nodePort"):
        return None
    for node in sorted(nodes, key=lambda node: str(node["metadata"]["name"])):
        addresses = {entry["type"]: entry["address"] for entry in reversed(node["status"].get("addresses") or [])}
        if is_ready(node) and "InternalIP" in addresses:
            return Address("node_port", scheme, addresses["InternalIP"], port["nodePort"], node["metadata"]["name"])
    return None


def from_port_forward(service: Object, port: Object, scheme: str, context: str = "") -> Address:
    """An address on this machine that answers while a command is running; it works for every Service."""
    metadata = service["metadata"]
    local = _LOCAL_PORTS[scheme]
    options = ["--context", context] if context else []
    command = forward(options, metadata["namespace"], metadata["name"], f"{local}:{port['port']}")
    return Address("port_forward", scheme, "127.0.0.1", local, command=command)


def pending(service: Object) -> bool:
    """Whether the load balancer of the Service has no address yet."""
    given = service.get("status", {}).get("loadBalancer", {}).get("ingress")
    return bool(service["spec"].get("type") == "LoadBalancer" and not given)


def patience(service: Object, timeout: float, now: datetime) -> float:
    """Seconds left to wait for the load balancer, if the timeout begins with the creation of the Service.

    An older Service without an address is in a cluster without a load balancer, so no call waits for it again.
    """
    created = datetime.fromisoformat(service["metadata"]["creationTimestamp"])
    left = (created + timedelta(seconds=timeout) - now).total_seconds()
    return min(timeout, max(0.0, left))


def only_nodes_with_pods(service: Object) -> bool:
    """Whether a node sends requests only to its own pods."""
    return bool(service["spec"].get("externalTrafficPolicy") == "Local")


def nodes_with_pods(nodes: Iterable[Object], pods: Iterable[Object]) -> list[Object]:
    """The nodes with one of the pods that is ready."""
    names: Container[str] = {pod["spec"].get("nodeName", "") for pod in pods if is_ready(pod)}
    return [node for node in nodes if node["metadata"]["name"] in names]


def reason(service: Object, address: Address) -> str:
    """Why it is this address, in one sentence."""
    name = f"Service {service['metadata']['namespace']}/{service['metadata']['name']}"
    type_ = service["spec"].get("type", "ClusterIP")
    said = "is of type LoadBalancer without an address" if pending(service) else f"is of type {type_}"
    match address.kind:
        case "load_balancer_ip":
            return f"{address.url} is the load balancer's address of {name}"
        case "load_balancer_hostname":
            return f"{address.url} is the load balancer's name of {name}"
        case "node_port":
            return f"{name} {said}, so {address.url} is its port on node {address.node}"
    return (
        f"{name} {said} and cannot be called from outside: {address.url} answers while `{address.command}` is running"
    )
