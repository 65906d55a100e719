# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for how requests reach a VirtualService through Gateways. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .._common.text import plural
from .._istio.mesh import MESH, Mesh, Object, behind, gateway_names, in_mesh, name_of, servers_of
from .._k8s.conditions import is_ready
from .._k8s.kubectl import describe_pods, listed, show
from .._k8s.selectors import as_text
from .._routing.hosts import ServiceName, identity
from .finding import Finding, error, warning
from .timestamps import earliest, latest, turned, written

_VIRTUAL_SERVICE = "VirtualService"
_GATEWAY = "Gateway"


def gateway_exists(mesh: Mesh) -> Iterator[Finding]:
    """Every Gateway that a VirtualService names exists."""
    for virtual_service in mesh.focused():
        for name in gateway_names(virtual_service):
            if mesh.gateway(name):
                continue
            same = sorted(str(name_of(each)) for each in mesh.gateways if name_of(each).name == name.name)
            own = sorted(str(name_of(each)) for each in mesh.gateways if name_of(each).namespace == name.namespace)
            there = ", ".join(same or own)
            remedy = f"name an existing one, if it is meant: {there}" if there else "create it, or name an existing one"
            problem = f"names Gateway {name}, which does not exist"
            since = written(virtual_service, "spec", "gateways", later=True)
            yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, listed(_GATEWAY), since)


def gateway_selector_matches(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway selects pods that are ready."""
    for gateway in _gateways(mesh):
        pods, selector = mesh.gateway_pods(gateway), _selector(gateway)
        if any(map(is_ready, pods)):
            continue
        if pods:
            problem = f"selects {plural(len(pods), 'pod')} by {selector}, and none is ready"
            namespace = min(pod["metadata"]["namespace"] for pod in pods)
            remedy, command = "see why", describe_pods(namespace, selector)
            since = earliest(*(turned(pod, "Ready", f"pod {pod['metadata']['name']}") for pod in pods))
        else:
            problem = f"selects no pod of any namespace by {selector}"
            remedy, command = "use the labels of the pods of your gateway", listed("pods", labels="istio")
            since = written(gateway, "spec", "selector", later=True)
        yield error(_GATEWAY, gateway, problem, remedy, command, since)


def gateway_port_served(mesh: Mesh) -> Iterator[Finding]:
    """A port of a Gateway is a port of a Service of its pods."""
    for gateway in _gateways(mesh):
        services = [each for each in mesh.services if behind(each, mesh.gateway_pods(gateway))]
        served = {port["port"] for service in services for port in service["spec"].get("ports") or []}
        missing = sorted({server.port for server in servers_of(gateway)} - served)
        if services and missing:
            names = ", ".join(str(name_of(service)) for service in services)
            problem = f"opens port {', '.join(map(str, missing))}, which Service {names} does not have"
            remedy = f"use one of its ports ({', '.join(map(str, sorted(served)))}) or add the port to the Service"
            yield warning(_GATEWAY, gateway, problem, remedy, since=written(gateway, "spec", "servers"))


def host_in_gateway(mesh: Mesh) -> Iterator[Finding]:
    """Every host of a VirtualService is accepted by one of its Gateways."""
    for virtual_service in mesh.focused():
        gateways = mesh.bound_gateways(virtual_service)
        if in_mesh(virtual_service) or not gateways:
            continue
        namespace = virtual_service["metadata"]["namespace"]
        servers = [server for gateway in gateways for server in servers_of(gateway)]
        lost = [
            host
            for host in virtual_service["spec"].get("hosts") or []
            if not any(server.takes(host, namespace) for server in servers)
        ]
        if lost:
            taken = ", ".join(dict.fromkeys(host for server in servers for _whose, host in server.hosts)) or "none"
            names = ", ".join(str(name_of(gateway)) for gateway in gateways)
            problem = f"is for host {', '.join(lost)}, which Gateway {names} does not accept: it accepts {taken}"
            remedy = "give both the same hosts, since clients get 404; the owner of the Gateway decides what is exposed"
            since = latest(
                written(virtual_service, "spec", "hosts"), *(written(each, "spec", "servers") for each in gateways)
            )
            yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, show(_GATEWAY, gateways[0]), since)


def one_route_per_gateway_host(mesh: Mesh) -> Iterator[Finding]:
    """A host has one VirtualService on each gateway port: the order in which several are merged is undefined."""
    claims = [(each, _claims(mesh, each)) for each in mesh.virtual_services]
    for virtual_service in mesh.focused():
        mine = _claims(mesh, virtual_service)
        for other, theirs in claims:
            shared = sorted({str(host) for _listener, host in mine & theirs})
            if name_of(other) == name_of(virtual_service) or not shared:
                continue
            problem = (
                f"and VirtualService {name_of(other)} both route host {', '.join(shared)} on the same gateway; "
                "either may get the other's requests"
            )
            remedy = f"give them different hosts, or merge them, as the owner of {name_of(other)} agrees"
            since = latest(written(virtual_service, "spec", "hosts"), written(other, "spec", "hosts"))
            yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, show(_VIRTUAL_SERVICE, other), since)


def one_gateway_per_host(mesh: Mesh) -> Iterator[Finding]:
    """A host is accepted by one Gateway on each port of the same pods."""
    for gateway in _gateways(mesh):
        mine = _taken(gateway)
        for other in mesh.gateways:
            shared = sorted({host for _listener, host in mine & _taken(other)})
            if name_of(other) == name_of(gateway) or not shared:
                continue
            hosts, selector = ", ".join(shared), _selector(gateway)
            problem = f"and Gateway {name_of(other)} both accept host {hosts} on the same port of the pods {selector}"
            since = latest(written(gateway, "spec", "servers"), written(other, "spec", "servers"))
            remedy = "use one Gateway for both, or give them different hosts"
            yield warning(_GATEWAY, gateway, problem, remedy, show(_GATEWAY, other), since)


def _gateways(mesh: Mesh) -> list[Object]:
    """The Gateways of the focused VirtualServices, each once."""
    found = {name_of(gateway): gateway for each in mesh.focused() for gateway in mesh.bound_gateways(each)}
    return list(found.values())


def _claims(mesh: Mesh, virtual_service: Object) -> set[tuple[str, ServiceName | str]]:
    """The hosts of a VirtualService, on each gateway port that accepts them, and in the mesh."""
    namespace = virtual_service["metadata"]["namespace"]
    hosts = virtual_service["spec"].get("hosts") or []
    servers = [server for gateway in mesh.bound_gateways(virtual_service) for server in servers_of(gateway)]
    at_gateways = {(server.listener, host) for server in servers for host in hosts if server.takes(host, namespace)}
    inside = {(MESH, identity(host, namespace)) for host in hosts} if in_mesh(virtual_service) else set()
    return at_gateways | inside


def _taken(gateway: Object) -> set[tuple[str, str]]:
    return {(server.listener, host) for server in servers_of(gateway) for _whose, host in server.hosts}


def _selector(gateway: Object) -> str:
    return as_text(gateway["spec"].get("selector") or {}) or "an empty selector"
