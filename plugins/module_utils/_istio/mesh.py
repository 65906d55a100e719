# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of what traffic depends on, and how its objects refer to each other, as Istio reads them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._k8s.conditions import is_live
from .._k8s.selectors import as_text, includes, labels_of, template_labels
from .._routing.hosts import ServiceName, identity, service_of
from .._routing.subsets import Subset, subsets_of
from .._routing.virtual_service import RuleId, rules_in

Object = Mapping[str, Any]

MESH = "mesh"  # in place of a Gateway: all sidecars
ROOT_NAMESPACE = "istio-system"


@dataclass(frozen=True)
class Focus:
    """What is checked: one VirtualService, all of a namespace, or all.

    service and version: those of a release; without them, whatever the routes lead to.
    """

    namespace: str = ""
    name: str = ""
    service: ServiceName | None = None
    version: str = ""

    def holds(self, virtual_service: Object) -> bool:
        metadata = virtual_service["metadata"]
        return self.namespace in ("", metadata["namespace"]) and self.name in ("", metadata["name"])


@dataclass(frozen=True)
class RuleDestination:
    """One destination of a rule. share: the percentage of the rule's requests that it really gets."""

    virtual_service: Object
    rule: Rule
    host: str
    subset: str
    port: int | None
    share: float

    @property
    def namespace(self) -> str:
        return str(self.virtual_service["metadata"]["namespace"])

    @property
    def service(self) -> ServiceName | None:
        return service_of(self.host, self.namespace)


@dataclass(frozen=True)
class Rule:
    """One rule of a VirtualService: in which list (`http`, `tls` or `tcp`), its index and its content."""

    protocol: str
    index: int
    content: Object

    @property
    def id(self) -> RuleId:
        """Where it is."""
        return RuleId(self.protocol, self.index)

    @property
    def label(self) -> str:
        name = self.content.get("name")
        return f"route {name}" if name else self.id.called()


@dataclass(frozen=True)
class Server:
    """One port of a Gateway and its hosts, each as (namespace of the VirtualServices, host)."""

    gateway: Object
    port: int
    hosts: tuple[tuple[str, str], ...]

    @property
    def listener(self) -> str:
        """Equal for Gateways with the same selector and port: one port of the same pods."""
        return f"{as_text(self.gateway['spec'].get('selector') or {})}:{self.port}"

    def takes(self, host: str, namespace: str) -> bool:
        """Whether it accepts this host of a VirtualService in this namespace."""
        own = self.gateway["metadata"]["namespace"]
        return any(
            (whose in ("*", namespace) or (whose == "." and own == namespace)) and hosts_overlap(host, taken)
            for whose, taken in self.hosts
        )


@dataclass(frozen=True)
class Mesh:
    """The objects as the API server returned them. proxies: pods of gateways. injectors: pods of their namespaces.

    sidecars: some of the pods with a sidecar, of all namespaces. unread: by field, why it may not be read.
    """

    focus: Focus = Focus()
    virtual_services: tuple[Object, ...] = ()
    destination_rules: tuple[Object, ...] = ()
    gateways: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    service_entries: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    proxies: tuple[Object, ...] = ()
    injectors: tuple[Object, ...] = ()
    sidecars: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()
    namespaces: tuple[Object, ...] = ()
    mutating_webhooks: tuple[Object, ...] = ()
    validating_webhooks: tuple[Object, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    def focused(self) -> list[Object]:
        """The VirtualServices to check; the others are for comparison."""
        return [each for each in self.virtual_services if self.focus.holds(each)]

    def owns(self, service: ServiceName) -> bool:
        """Whether a Service, with its DestinationRule and Deployments, belongs to the focused VirtualServices."""
        namespaces = {each["metadata"]["namespace"] for each in self.focused()}
        return service.namespace in namespaces and self.focus.service in (None, service)

    def destinations(self) -> list[RuleDestination]:
        """All destinations of the focused VirtualServices."""
        return [each for virtual_service in self.focused() for each in destinations_of(virtual_service)]

    def targets(self) -> list[tuple[Object, list[RuleDestination]]]:
        """The existing Services of the focused VirtualServices, each with its destinations."""
        found: dict[ServiceName, list[RuleDestination]] = {}
        for destination in self.destinations():
            if destination.service:
                found.setdefault(destination.service, []).append(destination)
        return [(service, found[name_of(service)]) for service in self.services if name_of(service) in found]

    def service(self, name: ServiceName) -> Object | None:
        return next((service for service in self.services if name_of(service) == name), None)

    def gateway(self, name: ServiceName) -> Object | None:
        return next((gateway for gateway in self.gateways if name_of(gateway) == name), None)

    def bound_gateways(self, virtual_service: Object) -> list[Object]:
        """The existing Gateways of a VirtualService."""
        found = [self.gateway(name) for name in gateway_names(virtual_service)]
        return [gateway for gateway in found if gateway]

    def gateway_pods(self, gateway: Object) -> list[Object]:
        """The pods that a Gateway configures, of any namespace; without a selector, all."""
        selector = gateway["spec"].get("selector") or {}
        return [pod for pod in self.proxies if is_live(pod) and includes(selector, labels_of(pod))]

    def rules_for(self, service: ServiceName) -> list[Object]:
        """The DestinationRules for a Service that apply to all clients."""
        return [
            rule
            for rule in self.destination_rules
            if identity(rule["spec"].get("host", ""), rule["metadata"]["namespace"]) == service
            and not rule["spec"].get("workloadSelector")
        ]

    def subset(self, destination: RuleDestination) -> Subset | None:
        """The definition of a destination's subset."""
        return self.subsets(destination).get(destination.subset)

    def subsets(self, destination: RuleDestination) -> dict[str, Subset]:
        """All subsets of a destination's host, preferably as defined in the namespace of its Service."""
        own = destination.service.namespace if destination.service else ""
        rules = sorted(self.destination_rules, key=lambda rule: bool(rule["metadata"]["namespace"] != own))
        return subsets_of(destination.host, destination.namespace, rules)

    def client_namespaces(self, virtual_service: Object) -> set[str]:
        """The namespaces of the gateway pods that a VirtualService configures."""
        gateways = self.bound_gateways(virtual_service)
        return {pod["metadata"]["namespace"] for gateway in gateways for pod in self.gateway_pods(gateway)}


def name_of(thing: Object) -> ServiceName:
    """Namespace and name of an object."""
    return ServiceName(thing["metadata"].get("namespace", ""), thing["metadata"]["name"])


def behind(service: Object, pods: Iterable[Object], labels: Mapping[str, str] | None = None) -> list[Object]:
    """The live pods that a Service selects, with these labels if given; none for a Service without a selector."""
    selector = service["spec"].get("selector") or {}
    namespace = service["metadata"]["namespace"]
    return [
        pod
        for pod in pods
        if selector
        and pod["metadata"]["namespace"] == namespace
        and is_live(pod)
        and includes(selector, labels_of(pod))
        and includes(labels or {}, labels_of(pod))
    ]


def serves(deployment: Object, service: Object) -> bool:
    """Whether the Service selects the pods that the Deployment creates."""
    selector = service["spec"].get("selector") or {}
    same = name_of(deployment).namespace == name_of(service).namespace
    return bool(selector) and same and includes(selector, template_labels(deployment))


def rules_of(virtual_service: Object) -> list[Rule]:
    """All rules of a VirtualService, in order."""
    return [Rule(*rule, content) for rule, content in rules_in(virtual_service)]


def destinations_of(virtual_service: Object) -> Iterator[RuleDestination]:
    """All destinations of a VirtualService. Istio ignores the weight of a single destination."""
    for rule in rules_of(virtual_service):
        routes = rule.content.get("route") or []
        total = sum(route.get("weight") or 0 for route in routes)
        for route in routes:
            target = route["destination"]
            share = 100.0 if len(routes) == 1 else 100 * (route.get("weight") or 0) / total if total else 0.0
            port = (target.get("port") or {}).get("number")
            yield RuleDestination(virtual_service, rule, target["host"], target.get("subset", ""), port, share)


def gateway_names(virtual_service: Object) -> list[ServiceName]:
    """The Gateways that a VirtualService names, in any of the notations of Istio."""
    namespace = virtual_service["metadata"]["namespace"]
    found = []
    for reference in virtual_service["spec"].get("gateways") or []:
        if reference == MESH:
            continue
        where, slash, name = reference.rpartition("/")
        if not slash and "." in reference:
            name, where = reference.split(".")[:2]
        found.append(ServiceName(namespace if where in ("", ".") else where, name))
    return found


def in_mesh(virtual_service: Object) -> bool:
    """Whether it configures sidecars, as it does without a gateway."""
    return MESH in (virtual_service["spec"].get("gateways") or [MESH])


def servers_of(gateway: Object) -> list[Server]:
    """The ports of a Gateway."""
    return [
        Server(gateway, server["port"]["number"], tuple(_whose(host) for host in server.get("hosts") or []))
        for server in gateway["spec"].get("servers") or []
    ]


def hosts_overlap(one: str, other: str) -> bool:
    """Whether a request can match both hosts; each may be a wildcard."""
    return (
        one == other
        or (one.startswith("*") and other.endswith(one[1:]))
        or (other.startswith("*") and one.endswith(other[1:]))
    )


def _whose(host: str) -> tuple[str, str]:
    namespace, slash, name = host.rpartition("/")
    return (namespace if slash else "*", name)
