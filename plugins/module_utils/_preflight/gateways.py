# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The rules for how requests reach a VirtualService through Gateways, or do not. Pure."""

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
_OPEN = "is open to the outside"


def gateway_exists(mesh: Mesh) -> Iterator[Finding]:
    """Every Gateway that a VirtualService names exists."""
    for virtual_service in mesh.focused():
        for name in gateway_names(virtual_service):
            if mesh.gateway(name):
                continue
            same = sorted(str(name_of(each)) for each in mesh.gateways if name_of(each).name == name.name)
            own = sorted(str(name_of(each)) for each in mesh.gateways if name_of(each).namespace == name.namespace)
            there = ", ".join(same or own)
            remedy = f"name one that does, if it is meant: {there}" if there else "create it, or name one that exists"
            problem, command = f"is bound to Gateway {name}, which does not exist", listed(_GATEWAY)
            since = written(virtual_service, "spec", "gateways", later=True)
            yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, command, since)


def gateway_selector_matches(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway selects proxies that are ready."""
    for gateway in _gateways(mesh):
        pods = mesh.gateway_pods(gateway)
        ready = [pod for pod in pods if is_ready(pod)]
        if ready:
            continue
        selector = _selector(gateway)
        if pods:
            where = sorted({pod["metadata"]["namespace"] for pod in pods})
            problem = f"selects {plural(len(pods), 'pod')} by {selector}, and none is ready"
            command = describe_pods(where[0], selector)
            remedy = f"see why: {command}"
            since = earliest(*(turned(pod, "Ready", f"pod {pod['metadata']['name']}") for pod in pods))
        else:
            problem = f"selects no pod of any namespace by {selector}"
            command = listed("pods", labels="istio")
            remedy = f"use the labels of your gateway's pods: {command}"
            since = written(gateway, "spec", "selector", later=True)
        yield error(_GATEWAY, gateway, problem, remedy, command, since)


def gateway_port_served(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway's port is a port of a Service of its proxies: that number is what it is opened by."""
    for gateway in _gateways(mesh):
        services = _services_of(mesh, gateway)
        served = {port["port"] for service in services for port in service["spec"].get("ports") or []}
        missing = sorted({server.port for server in servers_of(gateway)} - served)
        if services and missing:
            names = ", ".join(str(name_of(service)) for service in services)
            problem = f"opens port {', '.join(map(str, missing))}, which Service {names} does not have"
            remedy = f"use one of its ports ({', '.join(map(str, sorted(served)))}) or add the port to the Service"
            yield warning(_GATEWAY, gateway, problem, remedy, since=written(gateway, "spec", "servers"))


def host_in_gateway(mesh: Mesh) -> Iterator[Finding]:
    """Every host of a VirtualService is taken by one of its Gateways."""
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
            taken = ", ".join(dict.fromkeys(host for server in servers for _whose, host in server.hosts))
            names = ", ".join(str(name_of(gateway)) for gateway in gateways)
            problem = f"is for host {', '.join(lost)}, which Gateway {names} does not take: it takes {taken or 'none'}"
            remedy = f"make the hosts of both the same, for clients get 404; whose Gateway it is decides what {_OPEN}"
            command = show(_GATEWAY, gateways[0])
            since = latest(
                written(virtual_service, "spec", "hosts"), *(written(each, "spec", "servers") for each in gateways)
            )
            yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, command, since)


def one_route_per_gateway_host(mesh: Mesh) -> Iterator[Finding]:
    """A host has one VirtualService on each gateway port: the order in which several are merged is not defined."""
    claims = [(each, _claims(mesh, each)) for each in mesh.virtual_services]
    for virtual_service in mesh.focused():
        mine = _claims(mesh, virtual_service)
        for other, theirs in claims:
            shared = sorted({str(host) for _listener, host in mine & theirs})
            if name_of(other) == name_of(virtual_service) or not shared:
                continue
            problem = (
                f"and VirtualService {name_of(other)} both route host {', '.join(shared)} on the same gateway; "
                "either may take the other's requests"
            )
            remedy = f"give them different hosts, or merge them into one, with whoever {name_of(other)} belongs to"
            command = show(_VIRTUAL_SERVICE, other)
            since = latest(written(virtual_service, "spec", "hosts"), written(other, "spec", "hosts"))
            yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, command, since)


def one_gateway_per_host(mesh: Mesh) -> Iterator[Finding]:
    """A host is taken by one Gateway on each port of the same proxies."""
    for gateway in _gateways(mesh):
        mine = _taken(gateway)
        for other in mesh.gateways:
            shared = sorted({host for _listener, host in mine & _taken(other)})
            if name_of(other) == name_of(gateway) or not shared:
                continue
            problem = (
                f"and Gateway {name_of(other)} both take host {', '.join(shared)} on the same port of the proxies "
                f"{_selector(gateway)}"
            )
            since = latest(written(gateway, "spec", "servers"), written(other, "spec", "servers"))
            remedy = "use one Gateway for both, or give them different hosts"
            yield warning(_GATEWAY, gateway, problem, remedy, show(_GATEWAY, other), since)


def _gateways(mesh: Mesh) -> list[Object]:
    """The Gateways of the focused VirtualServices, each once."""
    found = {name_of(gateway): gateway for each in mesh.focused() for gateway in mesh.bound_gateways(each)}
    return list(found.values())


def _services_of(mesh: Mesh, gateway: Object) -> list[Object]:
    """The Services through which the proxies of a Gateway are called."""
    pods = mesh.gateway_pods(gateway)
    return [service for service in mesh.services if behind(service, pods)]


def _claims(mesh: Mesh, virtual_service: Object) -> set[tuple[str, ServiceName | str]]:
    """The hosts a VirtualService wants, on each port of proxies that takes them for it, and in the mesh."""
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
