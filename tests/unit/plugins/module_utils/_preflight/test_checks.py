# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster in which everything is right; every case changes one thing in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.diagnosis import problems
from ansible_collections.progressive.istio.plugins.module_utils._doctor.pods import unready_gateways, unready_versions
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus, Mesh
from ansible_collections.progressive.istio.plugins.module_utils._preflight import checks
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import Finding
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName
from printed import READS, assert_harmless

HOST = "pong-server-service.default.svc.cluster.local"
READY = [{"type": "Ready", "status": "True"}]


def meta(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": namespace,
        "labels": {key.replace("__", "/"): value for key, value in labels.items()},
    }


def destination(subset: str | None, weight: int | None, host: str = HOST, port: int | None = 80) -> dict[str, Any]:
    target: dict[str, Any] = {"host": host}
    target |= {"subset": subset} if subset else {}
    target |= {"port": {"number": port}} if port else {}
    return {"destination": target} | ({"weight": weight} if weight is not None else {})


def virtual_service(name: str = "pong", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    route = [destination("v1", 80), destination("v2", 20)]
    http = [{"name": "primary", "match": [{"uri": {"prefix": "/"}}], "route": route}]
    return {
        "metadata": meta(name, namespace),
        "spec": {"hosts": ["*"], "gateways": ["pong-gateway"], "http": http, **spec},
    }


def elsewhere(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """Another VirtualService, which leads to stable alone."""
    return virtual_service(name, namespace, http=[{"route": [destination("v1", None)]}], **spec)


def destination_rule(name: str = "pong", namespace: str = "default", *versions: str, **spec: Any) -> dict[str, Any]:
    subsets = [{"name": version, "labels": {"version": version}} for version in versions or ("v1", "v2")]
    return {"metadata": meta(name, namespace), "spec": {"host": HOST, "subsets": subsets, **spec}}


def gateway(name: str = "pong-gateway", namespace: str = "default", port: int = 80, **spec: Any) -> dict[str, Any]:
    server = {"port": {"number": port, "name": "http", "protocol": "HTTP"}, "hosts": spec.pop("hosts", ["*"])}
    selector = {"istio": "ingressgateway"}
    return {"metadata": meta(name, namespace), "spec": {"selector": selector, "servers": [server], **spec}}


def service(name: str, namespace: str, selector: dict[str, str], *ports: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": meta(name, namespace), "spec": {"selector": selector, "ports": list(ports)}}


def pod(name: str, namespace: str = "default", sidecar: bool = True, **labels: str) -> dict[str, Any]:
    containers = [{"name": "app"}] + ([{"name": "istio-proxy"}] if sidecar else [])
    return {
        "metadata": meta(name, namespace, **labels),
        "spec": {"containers": containers},
        "status": {"phase": "Running", "conditions": READY},
    }


def deployment(version: str, **match: str) -> dict[str, Any]:
    labels = {"app": "pong-server", "version": version}
    spec = {"selector": {"matchLabels": match or labels}, "template": {"metadata": {"labels": labels}}}
    return {"metadata": meta(f"pong-{version}"), "spec": spec, "status": {}}


def webhook(name: str, expressions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    client = {"service": {"namespace": "istio-system", "name": "istiod"}, "caBundle": "LS0t"}
    selector = {"matchExpressions": expressions}
    own = {"matchExpressions": [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]}
    return {"name": name, "clientConfig": client, "namespaceSelector": selector, "objectSelector": own, **more}


class World:
    """The objects of a cluster, by the field of the snapshot."""

    def __init__(self) -> None:
        http = {"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"}
        proxy = {"istio": "ingressgateway"}
        self.focus = Focus("default", "pong")
        self.virtual_services = [virtual_service()]
        self.destination_rules = [destination_rule()]
        self.gateways = [gateway()]
        self.services = [
            service("pong-server-service", "default", {"app": "pong-server"}, http),
            service("istio-ingressgateway", "istio-system", proxy, {"name": "http2", "port": 80}),
            service("istiod", "istio-system", {"app": "istiod"}, {"name": "https-webhook", "port": 443}),
        ]
        self.service_entries: list[dict[str, Any]] = []
        self.pods = [pod(f"pong-{version}-a", app="pong-server", version=version) for version in ("v1", "v2")]
        self.proxies = [pod("ingress-a", "istio-system", istio="ingressgateway")]
        self.injectors = [pod("istiod-a", "istio-system", sidecar=False, app="istiod")]
        self.sidecars: list[dict[str, Any]] = []
        self.deployments = [deployment("v1"), deployment("v2")]
        self.namespaces: list[dict[str, Any]] = [
            {"metadata": {"name": "default", "labels": {"istio-injection": "enabled"}}}
        ]
        by_label = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
        by_revision = {"key": "istio.io/rev", "operator": "In", "values": ["default"]}
        unlabelled = {"key": "istio-injection", "operator": "DoesNotExist"}
        self.mutating_webhooks = [
            {
                "metadata": {"name": "istio-sidecar-injector", "labels": {"istio.io/rev": "default"}},
                "webhooks": [
                    webhook("namespace.sidecar-injector.istio.io", [by_label]),
                    webhook("rev.namespace.sidecar-injector.istio.io", [by_revision, unlabelled]),
                    webhook(
                        "object.sidecar-injector.istio.io",
                        [unlabelled],
                        objectSelector={"matchLabels": {"sidecar.istio.io/inject": "true"}},
                    ),
                ],
            },
            {
                "metadata": {"name": "certificates"},
                "webhooks": [webhook("inject.certificates.example", [], clientConfig={"url": "https://x"})],
            },
        ]
        rules = [{"apiGroups": ["security.istio.io", "networking.istio.io"]}]
        validator = {"name": "rev.validation.istio.io", "failurePolicy": "Fail", "rules": rules}
        other = {"name": "check.certificates.example", "rules": [{"apiGroups": ["certificates.example"]}]}
        self.validating_webhooks = [{"metadata": {"name": "istio-validator"}, "webhooks": [validator, other]}]

    @property
    def http(self) -> list[Any]:
        rules: list[Any] = self.virtual_services[0]["spec"]["http"]
        return rules

    @property
    def route(self) -> list[Any]:
        route: list[Any] = self.http[0]["route"]
        return route

    def weights(self, *weights: int | None) -> None:
        self.http[0]["route"] = [destination(f"v{n}", weight) for n, weight in enumerate(weights, 1)]

    def label(self, **labels: str) -> None:
        self.namespaces[0]["metadata"]["labels"] = {key.replace("__", "/"): value for key, value in labels.items()}

    def mesh(self) -> Mesh:
        objects = {name: tuple(value) for name, value in vars(self).items() if name != "focus"}
        return Mesh(self.focus, **objects)


Change = Callable[[World], object]


def not_ready(thing: dict[str, Any]) -> None:
    thing["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


def move(thing: dict[str, Any], namespace: str) -> None:
    thing["metadata"]["namespace"] = namespace


def only_v1_by_selector(world: World) -> None:
    world.services[0]["spec"]["selector"]["version"] = "v1"
    world.http[0]["route"] = [destination("v1", 100)]


def four_of_v1(world: World) -> None:
    world.pods += [pod(f"pong-v1-{letter}", app="pong-server", version="v1") for letter in "bcd"]
    world.weights(55, 45)


def without_sidecars(*marks: str) -> Change:
    def change(world: World) -> None:
        world.pods = [pod(one["metadata"]["name"], sidecar=False, **one["metadata"]["labels"]) for one in world.pods]
        for mark in marks:
            if mark == "hostNetwork":
                world.pods[0]["spec"]["hostNetwork"] = True
                world.pods[1]["spec"]["hostNetwork"] = True
            if mark == "opt-out":
                for one in world.pods:
                    one["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
            if mark == "unlabelled":
                world.label()

    return change


# check, severity, accused object, what was changed, and words of the finding
ACCUSED: list[tuple[str, str, str, Change, str]] = [
    (
        "virtual_service_exists",
        "error",
        "VirtualService default/nix",
        lambda w: setattr(w, "focus", Focus("default", "nix")),
        "does not exist; namespace default has: pong; name the one that routes the service: "
        "kubectl get virtualservice -n default --show-labels",
    ),
    (
        "gateway_exists",
        "error",
        "VirtualService default/pong",
        lambda w: w.virtual_services[0]["spec"].update(gateways=["other/pong-gateway"]),
        "names Gateway other/pong-gateway, which does not exist; name an existing one, if it is meant: "
        "default/pong-gateway",
    ),
    (
        "gateway_selector_matches",
        "error",
        "Gateway default/pong-gateway",
        lambda w: w.gateways[0]["spec"].update(selector={"istio": "ingress"}),
        "selects no pod of any namespace by istio=ingress; ",
    ),
    (
        "gateway_selector_matches",
        "error",
        "Gateway default/pong-gateway",
        lambda w: not_ready(w.proxies[0]),
        "selects 1 pod by istio=ingressgateway, and none is ready; see why: "
        "kubectl describe pods -n istio-system -l istio=ingressgateway",
    ),
    (
        "gateway_selector_matches",
        "error",
        "Gateway default/pong-gateway",
        lambda w: w.proxies[0]["metadata"].update(deletionTimestamp="now"),
        "selects no pod of any namespace by istio=ingressgateway; ",
    ),
    (
        "gateway_port_served",
        "warning",
        "Gateway default/pong-gateway",
        lambda w: w.gateways[0]["spec"]["servers"].append({"port": {"number": 8081}, "hosts": ["a.example"]}),
        "opens port 8081, which Service istio-system/istio-ingressgateway does not have; use one of its ports (80)",
    ),
    (
        "host_in_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.gateways.__setitem__(0, gateway(hosts=["*.example.com"])),
            w.virtual_services[0]["spec"].update(hosts=["pong.example.com", "pong.example.org"]),
        ),
        "is for host pong.example.org, which Gateway default/pong-gateway does not accept: it accepts *.example.com",
    ),
    (
        "host_in_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: w.gateways.__setitem__(0, gateway(hosts=["other/*"])),
        "is for host *, which Gateway default/pong-gateway does not accept",
    ),
    (
        "one_gateway_per_host",
        "warning",
        "Gateway default/pong-gateway",
        lambda w: w.gateways.append(gateway("other", "edge")),
        "and Gateway edge/other both accept host * on the same port of the pods istio=ingressgateway",
    ),
    (
        "one_route_per_gateway_host",
        "error",
        "VirtualService default/pong",
        lambda w: w.virtual_services.append(elsewhere("rival", "edge", gateways=["default/pong-gateway"])),
        "and VirtualService edge/rival both route host * on the same gateway",
    ),
    (
        "one_route_per_gateway_host",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.virtual_services[0]["spec"].update(gateways=[], hosts=[HOST]),
            w.virtual_services.append(elsewhere("rival", gateways=["mesh"], hosts=["pong-server-service"])),
        ),
        "and VirtualService default/rival both route host default/pong-server-service on the same gateway",
    ),
    (
        "route_not_shadowed",
        "error",
        "VirtualService default/pong",
        lambda w: w.http.insert(0, {"name": "all", "route": [destination("v1", None)]}),
        "never uses route primary: route all comes before it and matches the same requests; "
        "move route primary before route all",
    ),
    (
        "route_not_shadowed",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http.append({"match": [{"uri": {"exact": "/a"}}], "route": [destination("v1", None)]}),
        "never uses http route number 2: route primary comes before it",
    ),
    (
        "route_not_shadowed",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.http[0].update(match=[{"uri": {"prefix": "/api"}}]),
            w.http.insert(0, {"match": [{"uri": {"prefix": "/api"}}, {"port": 1}], "route": [destination("v1", None)]}),
        ),
        "never uses route primary",
    ),
    (
        "route_named",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http[0].pop("name"),
        "has no name for http route number 1, which is weighted; name it: kubectl patch virtualservice -n default pong "
        """--type json -p '[{"op": "add", "path": "/spec/http/0/name", "value": "primary"}]'""",
    ),
    (
        "weights_complete",
        "warning",
        "VirtualService default/pong",
        lambda w: w.weights(80, 40),
        "has the weights 80 + 40 = 120 in route primary, which means 66.67 % and 33.33 %",
    ),
    (
        "weights_complete",
        "error",
        "VirtualService default/pong",
        lambda w: w.weights(None, None),
        "gives the 2 destinations of route primary no weight, which proxies reject",
    ),
    (
        "weights_complete",
        "error",
        "VirtualService default/pong",
        lambda w: w.weights(0),
        "gives the only destination of route primary weight 0, but it gets all requests",
    ),
    (
        "weights_complete",
        "warning",
        "VirtualService default/pong",
        lambda w: w.weights(80),
        "gives the only destination of route primary weight 80, but it gets all requests",
    ),
    (
        "host_resolves",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination("v1", 80, "pong-server"), destination("v2", 20, "pong-server")]),
        "sends route primary to host pong-server, which is no Service and no ServiceEntry; "
        "write pong-server-service.default.svc.cluster.local",
    ),
    (
        "host_resolves",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination(None, None, "pong-server-service.default")]),
        "to host pong-server-service.default, which Istio reads as a full name because of its dots, and no Service or "
        "ServiceEntry has it; write pong-server-service.default.svc.cluster.local",
    ),
    (
        "host_resolves",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination(None, None, "zzz")]),
        "which is no Service and no ServiceEntry; see which Services there are: kubectl get services -n default",
    ),
    (
        "host_resolves",
        "error",
        "DestinationRule default/stray",
        lambda w: w.destination_rules.append(destination_rule("stray", host="pong-server")),
        "is for host pong-server, which is no Service and no ServiceEntry",
    ),
    (
        "destination_port_exists",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination("v1", 80, port=8080), destination("v2", 20, port=8080)]),
        "sends route primary to port 8080 of Service default/pong-server-service, which has 80",
    ),
    (
        "destination_port_exists",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.services[0]["spec"]["ports"].append({"name": "http-admin", "port": 81}),
            w.http[0].update(route=[destination("v1", 80, port=None), destination("v2", 20, port=None)]),
        ),
        "names no port of Service default/pong-server-service in route primary, which has 80, 81",
    ),
    (
        "subset_defined",
        "error",
        "VirtualService default/pong",
        lambda w: w.destination_rules.__setitem__(0, destination_rule("pong", "default", "v1")),
        "sends 20 % of route primary to subset v2 of Service default/pong-server-service, and DestinationRule "
        "default/pong defines only v1; such requests get 503; define it: kubectl patch destinationrule -n default pong "
        """--type json -p '[{"op": "add", "path": "/spec/subsets/-", """
        """"value": {"name": "v2", "labels": {"version": "v2"}}}]'""",
    ),
    (
        "subset_defined",
        "error",
        "VirtualService default/pong",
        lambda w: (w.destination_rules.clear(), w.weights(100)),
        "sends 100 % of route primary to subset v1 of Service default/pong-server-service, and there is no "
        "DestinationRule for that host; such requests get 503; create a DestinationRule in namespace default",
    ),
    (
        "one_definition_per_subset",
        "error",
        "DestinationRule default/pong",
        lambda w: w.destination_rules.__setitem__(0, destination_rule("pong", "default", "v1", "v2", "v1")),
        "defines subset v1 of Service default/pong-server-service, which is defined 2 times (in default/pong)",
    ),
    (
        "one_rule_per_host",
        "warning",
        "DestinationRule default/pong",
        lambda w: w.destination_rules.append(destination_rule("pool", "default", "v3", host="pong-server-service")),
        "is one of 2 for Service default/pong-server-service, with default/pool: they are merged, and only one traffic "
        "policy applies; put all subsets into default/pong, as the owners of the others agree",
    ),
    (
        "one_rule_per_host",
        "error",
        "DestinationRule default/pong",
        lambda w: w.destination_rules.append(destination_rule("pool", "istio-system", "v3")),
        "with istio-system/pool: they hide each other",
    ),
    (
        "rule_in_service_namespace",
        "error",
        "DestinationRule edge/pong",
        lambda w: (move(w.destination_rules[0], "edge"), w.weights(100)),
        "defines subset v1 of Service default/pong-server-service in another namespace, hidden from the gateway and "
        "all clients elsewhere; move it to namespace default",
    ),
    (
        "rule_in_service_namespace",
        "warning",
        "DestinationRule istio-system/pong",
        lambda w: (move(w.destination_rules[0], "istio-system"), w.weights(100)),
        "hidden from all clients but those there",
    ),
    (
        "exported_to_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: w.virtual_services[0]["spec"].update(exportTo=["."]),
        "is exported to . only, and the gateway runs in istio-system; add istio-system to spec.exportTo",
    ),
    (
        "exported_to_gateway",
        "error",
        "DestinationRule default/pong",
        lambda w: w.destination_rules[0]["spec"].update(exportTo=["default", "edge"]),
        "is exported to default, edge only, and the gateway runs in istio-system",
    ),
    (
        "exported_to_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: (move(w.proxies[0], "default"), w.virtual_services[0]["spec"].update(exportTo=["edge"])),
        "is exported to edge only, and the gateway runs in default",
    ),
    (
        "reached_by_weight_alone",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http.insert(
            0, {"match": [{"headers": {"x-canary": {"exact": "1"}}}], "route": [destination("v2", None)]}
        ),
        "sends requests to v2 beside its weight, by HTTP route number 1 (header x-canary); give it the same weights, "
        "or remove it, unless it leads to v2 on purpose: kubectl get virtualservice -n default pong -o yaml",
    ),
    (
        "reached_by_weight_alone",
        "warning",
        "VirtualService edge/admin",
        lambda w: w.virtual_services.append(
            virtual_service("admin", "edge", hosts=["admin.example"], http=[{"route": [destination(None, None)]}])
        ),
        "sends requests to v2 beside its weight, by HTTP route number 1; give it",
    ),
    (
        "reached_by_weight_alone",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http[0].update(mirror=destination("v2", None)["destination"]),
        "copies requests to v2 beside its weight, by the mirror of HTTP route primary (uri prefix /); give it",
    ),
    (
        "callers_routed",
        "warning",
        "Service default/pong-server-service",
        lambda w: w.sidecars.append(pod("caller", "edge")),
        "leads callers inside the mesh to all its pods, also to those of v2: no VirtualService bound to mesh routes "
        f"it; bind a route with the same weights for host {HOST} to mesh, if it matters: "
        "kubectl get service -n default pong-server-service -o yaml",
    ),
    (
        "service_selector_without_version",
        "error",
        "Service default/pong-server-service",
        only_v1_by_selector,
        "selects by version=v1, the label that its subsets differ in, so others get no pods; "
        "remove version from its selector if no caller needs it, or route to a Service of all versions: "
        "kubectl get service -n default pong-server-service -o yaml",
    ),
    (
        "port_named_http",
        "warning",
        "Service default/pong-server-service",
        lambda w: w.services[0]["spec"].update(ports=[{"port": 80}]),
        "gets HTTP on port 80, which has no name and no appProtocol that says HTTP; set appProtocol to its "
        "protocol, such as http, http2 or grpc: kubectl get service -n default pong-server-service -o yaml",
    ),
    (
        "port_named_http",
        "warning",
        "Service default/pong-server-service",
        lambda w: w.services[0]["spec"].update(ports=[{"name": "web", "port": 80}]),
        "gets HTTP on port 80, which is named web and has no appProtocol that says HTTP",
    ),
    (
        "port_named_http",
        "warning",
        "Service default/pong-server-service",
        lambda w: (
            w.services[0]["spec"].update(ports=[{"port": 80}]),
            w.http[0].update(route=[destination("v1", 80, port=None), destination("v2", 20, port=None)]),
        ),
        "gets HTTP on port 80",
    ),
    (
        "deployments_apart",
        "error",
        "Deployment default/pong-v1",
        lambda w: w.deployments.__setitem__(0, deployment("v1", app="pong-server")),
        "selects by app=pong-server, which the pods of Deployment pong-v2 have too",
    ),
    (
        "subset_selects_ready_pods",
        "error",
        "Service default/pong-server-service",
        lambda w: not_ready(w.pods[1]),
        "has 0 ready of 1 pod of subset v2, which gets 20 % of the requests: pod pong-v2-a is not ready; "
        "see why: kubectl describe pods -n default -l app=pong-server,version=v2",
    ),
    (
        "subset_selects_ready_pods",
        "error",
        "Service default/pong-server-service",
        lambda w: (w.pods.pop(), w.deployments.pop()),
        "has 0 ready of 0 pods of subset v2, which gets 20 % of the requests: "
        "no Deployment makes pods with app=pong-server,version=v2",
    ),
    (
        "subset_selects_ready_pods",
        "warning",
        "Service default/pong-server-service",
        lambda w: (w.pods.pop(), w.weights(100, 0)),
        "has 0 ready of 0 pods of subset v2, which gets 0 % of the requests: "
        "Deployment pong-v2 has not made its pods yet",
    ),
    (
        "subset_selects_ready_pods",
        "error",
        "Service default/pong-server-service",
        lambda w: (w.pods.clear(), w.http[0].update(route=[destination(None, None)])),
        "has 0 ready of 0 pods, which gets 100 % of the requests",
    ),
    (
        "capacity_for_weight",
        "warning",
        "Service default/pong-server-service",
        four_of_v1,
        "has 1 ready pod of subset v2 for 45 % of the requests, where 4 carry all; scale that version to 2 replicas",
    ),
    (
        "single_injection_label",
        "warning",
        "Namespace default",
        lambda w: w.label(**{"istio-injection": "enabled", "istio.io__rev": "default"}),
        "has the labels istio-injection=enabled and istio.io/rev=default: the first applies; "
        "keep one, as the owner of the namespace decides, since it applies to all new pods: "
        "kubectl get namespace default -o yaml",
    ),
    (
        "single_injection_label",
        "error",
        "Namespace default",
        lambda w: w.label(**{"istio-injection": "enabled", "istio.io__dataplane-mode": "ambient"}),
        "has the labels istio.io/dataplane-mode=ambient and istio-injection=enabled: its pods get one of the two",
    ),
    (
        "single_injection_label",
        "warning",
        "Namespace default",
        lambda w: w.label(**{"istio-injection": "disabled", "istio.io__rev": "canary"}),
        "has the labels istio-injection=disabled and istio.io/rev=canary: the first applies",
    ),
    (
        "injection_label_answered",
        "error",
        "Namespace default",
        lambda w: w.label(**{"istio.io__rev": "canary"}),
        "has the label istio.io/rev=canary, which no sidecar injector selects, so its new pods get none; "
        "its owner may label it for an installed revision (default)",
    ),
    (
        "injection_label_answered",
        "error",
        "Namespace default",
        lambda w: w.mutating_webhooks.pop(0),
        "has the label istio-injection=enabled, which no sidecar injector selects, so its new pods get none; install",
    ),
    (
        "injector_ready",
        "error",
        "MutatingWebhookConfiguration istio-sidecar-injector",
        lambda w: not_ready(w.injectors[0]),
        "calls Service istio-system/istiod, which has 0 ready of 1 pod, so no pod of namespace default can be created; "
        "see why: kubectl get pods -n istio-system -l app=istiod --show-labels",
    ),
    (
        "injector_ready",
        "error",
        "MutatingWebhookConfiguration istio-sidecar-injector",
        lambda w: w.services.pop(),
        "calls Service istio-system/istiod, which does not exist",
    ),
    (
        "injector_ready",
        "error",
        "MutatingWebhookConfiguration istio-sidecar-injector",
        lambda w: w.mutating_webhooks[0]["webhooks"][0]["clientConfig"].update(caBundle=""),
        "has no caBundle for namespace.sidecar-injector.istio.io",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars(),
        "selects 2 of 2 ready pods without a sidecar: pong-v1-a, pong-v2-a; "
        "restart them, since they are older than the injection",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars("unlabelled"),
        "; label their template sidecar.istio.io/inject=true, or ask for the label of the namespace",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars("hostNetwork"),
        "; run them without hostNetwork",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars("opt-out"),
        "; remove sidecar.istio.io/inject: false from their template",
    ),
    (
        "configuration_validated",
        "warning",
        "VirtualService default/pong",
        lambda w: w.validating_webhooks[0]["webhooks"].pop(0),
        "is validated by no webhook, so a mistake in it would be accepted and ignored",
    ),
    (
        "configuration_validated",
        "warning",
        "VirtualService default/pong",
        lambda w: w.validating_webhooks[0]["webhooks"][0].update(failurePolicy="Ignore"),
        "is validated only with failurePolicy Ignore",
    ),
]

# What looks like one of the above and is right.
ACQUITTED: list[tuple[str, Change]] = [
    ("nothing changed", lambda w: None),
    ("whole namespace in focus", lambda w: setattr(w, "focus", Focus("default"))),
    ("everything in focus", lambda w: setattr(w, "focus", Focus())),
    (
        "gateway of another namespace",
        lambda w: (move(w.gateways[0], "edge"), w.virtual_services[0]["spec"].update(gateways=["edge/pong-gateway"])),
    ),
    ("gateway of its own namespace", lambda w: w.virtual_services[0]["spec"].update(gateways=["./pong-gateway"])),
    (
        "gateway by its old full name",
        lambda w: w.virtual_services[0]["spec"].update(gateways=["pong-gateway.default.svc.cluster.local"]),
    ),
    ("gateway for its own namespace", lambda w: w.gateways.__setitem__(0, gateway(hosts=["./*"]))),
    (
        "one of two proxies ready",
        lambda w: (w.proxies.append(pod("b", "istio-system", istio="ingressgateway")), not_ready(w.proxies[0])),
    ),
    (
        "narrower host",
        lambda w: (
            w.gateways.__setitem__(0, gateway(hosts=["*.example.com"])),
            w.virtual_services[0]["spec"].update(hosts=["a.example.com"]),
        ),
    ),
    (
        "another VirtualService for another host",
        lambda w: w.virtual_services.append(elsewhere("other", hosts=["a.example"])),
    ),
    (
        "another VirtualService on another port",
        lambda w: (
            w.gateways.append(gateway("admin", port=8081)),
            w.virtual_services.append(elsewhere("other", gateways=["admin"])),
        ),
    ),
    (
        "another VirtualService for sidecars",
        lambda w: w.virtual_services.append(elsewhere("other", gateways=["mesh"], hosts=[HOST])),
    ),
    ("a part of a VirtualService", lambda w: w.virtual_services.append(elsewhere("part", gateways=[], hosts=[]))),
    ("another Gateway for other proxies", lambda w: w.gateways.append(gateway("other", selector={"istio": "edge"}))),
    (
        "a narrower route first",
        lambda w: w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", None)]}),
    ),
    ("a redirect", lambda w: w.http.insert(0, {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/"}})),
    (
        "a catch-all of another gateway first",
        lambda w: w.http.insert(0, {"match": [{"gateways": ["x"]}], "route": [destination("v1", None)]}),
    ),
    ("weights at an end", lambda w: w.weights(100, 0)),
    (
        "a rule for what has most of the requests",
        lambda w: w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", None)]}),
    ),
    (
        "sidecars that call nobody",
        lambda w: w.sidecars.extend(
            [
                *w.pods,
                {**pod("gate", "edge"), "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "router"]}]}},
                {**pod("done", "edge"), "status": {"phase": "Succeeded"}},
            ]
        ),
    ),
    (
        "callers who are routed",
        lambda w: (
            w.sidecars.append(pod("caller", "edge")),
            w.gateways.__setitem__(0, gateway(hosts=["a.example"])),
            w.virtual_services[0]["spec"].update(hosts=["a.example", HOST], gateways=["pong-gateway", "mesh"]),
        ),
    ),
    ("a single destination without weight", lambda w: w.weights(None)),
    ("a single destination with weight 100", lambda w: w.weights(100)),
    (
        "a bare host",
        lambda w: w.http[0].update(
            route=[destination("v1", 80, "pong-server-service"), destination("v2", 20, "pong-server-service")]
        ),
    ),
    (
        "a host outside",
        lambda w: (
            w.service_entries.append({"spec": {"hosts": ["*.example.com"]}}),
            w.http[0].update(route=[destination(None, None, "api.example.com")]),
        ),
    ),
    (
        "a rule for all Services",
        lambda w: w.destination_rules.append(destination_rule("all", host="*.default.svc.cluster.local")),
    ),
    (
        "a rule for some clients",
        lambda w: w.destination_rules.append(destination_rule("some", workloadSelector={"matchLabels": {"a": "b"}})),
    ),
    (
        "a rule that clients elsewhere have for themselves",
        lambda w: w.destination_rules.append(destination_rule("own", "edge")),
    ),
    (
        "no port where there is one",
        lambda w: w.http[0].update(route=[destination("v1", 80, port=None), destination("v2", 20, port=None)]),
    ),
    ("exported to the gateway", lambda w: w.virtual_services[0]["spec"].update(exportTo=[".", "istio-system"])),
    ("a port named http-web", lambda w: w.services[0]["spec"].update(ports=[{"name": "http-web", "port": 80}])),
    ("a port named grpc-web", lambda w: w.services[0]["spec"].update(ports=[{"name": "grpc-web", "port": 80}])),
    ("a port that is not routed to", lambda w: w.services[0]["spec"]["ports"].append({"name": "admin", "port": 81})),
    (
        "a Service without selector",
        lambda w: (
            w.services[0]["spec"].pop("selector"),
            without_sidecars()(w),
            w.deployments.__setitem__(0, deployment("v1", app="pong-server")),
        ),
    ),
    (
        "a broken VirtualService of that name elsewhere",
        lambda w: w.virtual_services.append(
            virtual_service(namespace="edge", hosts=["a.example"], http=[{"route": [destination("v1", 0)]}])
        ),
    ),
    (
        "a pod with the same labels elsewhere",
        lambda w: w.pods.append(pod("x", "edge", sidecar=False, app="pong-server", version="v1")),
    ),
    (
        "other labels for clients elsewhere",
        lambda w: w.destination_rules.insert(
            0, destination_rule("own", "edge", subsets=[{"name": "v1", "labels": {"a": "b"}}])
        ),
    ),
    ("a Gateway for one host of all", lambda w: w.gateways.__setitem__(0, gateway(hosts=["a.example"]))),
    (
        "a rule for no host elsewhere",
        lambda w: w.destination_rules.append(destination_rule("stray", "edge", host="nix")),
    ),
    (
        "exported to the gateway beside it",
        lambda w: (move(w.proxies[0], "default"), w.virtual_services[0]["spec"].update(exportTo=["."])),
    ),
    (
        "a narrower route before one for all",
        lambda w: (
            w.http[0].pop("match"),
            w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", None)]}),
        ),
    ),
    (
        "hosts for the gateway and for the mesh",
        lambda w: (
            w.gateways.__setitem__(0, gateway(hosts=["*.example.com"])),
            w.virtual_services[0]["spec"].update(hosts=["a.example.com", HOST], gateways=["pong-gateway", "mesh"]),
            w.virtual_services.append(elsewhere("other", hosts=[HOST])),
        ),
    ),
    (
        "a port with appProtocol alone",
        lambda w: w.services[0]["spec"].update(ports=[{"port": 80, "appProtocol": "HTTP2"}]),
    ),
    (
        "another Deployment beside it",
        lambda w: w.deployments.append({"metadata": meta("x"), "spec": {"selector": {}, "template": {"metadata": {}}}}),
    ),
    ("as many pods as the weight needs", lambda w: (four_of_v1(w), w.weights(75, 25))),
    (
        "a pod that goes",
        lambda w: w.pods.append(
            {
                **pod("old", sidecar=False, app="pong-server", version="v1"),
                "metadata": {**meta("old", app="pong-server", version="v1"), "deletionTimestamp": "now"},
            }
        ),
    ),
    ("injection by revision", lambda w: w.label(**{"istio.io__rev": "default"})),
    (
        "an injector that may fail",
        lambda w: (
            not_ready(w.injectors[0]),
            [one.update(failurePolicy="Ignore") for one in w.mutating_webhooks[0]["webhooks"]],
        ),
    ),
    (
        "an injector outside",
        lambda w: [
            one.update(clientConfig={"url": "https://x", "caBundle": "LS0t"})
            for one in w.mutating_webhooks[0]["webhooks"]
        ],
    ),
    (
        "a native sidecar",
        lambda w: w.pods[0]["spec"].update(containers=[{"name": "app"}], initContainers=[{"name": "istio-proxy"}]),
    ),
    (
        "an ambient pod",
        lambda w: (
            without_sidecars()(w),
            [one["metadata"].update(annotations={"ambient.istio.io/redirection": "enabled"}) for one in w.pods],
        ),
    ),
]


def found(world: World) -> list[Finding]:
    return checks.findings(checks.examine(world.mesh()))


@pytest.mark.parametrize(("check", "severity", "place", "change", "words"), ACCUSED, ids=[case[0] for case in ACCUSED])
def test_one_thing_wrong_is_one_finding(check: str, severity: str, place: str, change: Change, words: str) -> None:
    world = World()
    change(world)
    (finding,) = found(world)
    assert (finding.check, finding.severity, finding.place) == (check, severity, place)
    assert words in f"{finding.problem}; {finding.advice}"
    assert str(finding) == f"{place} {finding.problem} -> {finding.advice}"


FIELDS = {"virtualservice": "virtual_services", "destinationrule": "destination_rules"}


def follow(world: World, command: str) -> None:
    """What kubectl does with a patch."""
    words = shlex.split(command)
    things: list[dict[str, Any]] = getattr(world, FIELDS[words[2]])
    place = (words[4], words[5])
    thing = next(each for each in things if (each["metadata"]["namespace"], each["metadata"]["name"]) == place)
    for operation in json.loads(words[-1]):
        apply(thing, operation)


def apply(thing: dict[str, Any], operation: dict[str, Any]) -> None:
    """One operation of a JSON patch."""

    def place(path: str) -> tuple[Any, Any]:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
        parent: Any = thing
        for part in way:
            parent = parent[int(part) if isinstance(parent, list) else part]
        return parent, (len(parent) if last == "-" else int(last)) if isinstance(parent, list) else last

    parent, key = place(operation["path"])
    value = operation.get("value")
    if operation["op"] == "remove":
        del parent[key]
    elif isinstance(parent, list) and operation["op"] == "add":
        parent.insert(key, value)
    else:
        parent[key] = value


# What is told in words alone, for there is nothing to see but what the words say.
WORDS_ALONE = {"gateway_port_served", "weights_complete", "capacity_for_weight"}


@pytest.mark.parametrize("change", [case[3] for case in ACCUSED], ids=[case[0] for case in ACCUSED])
def test_the_command_mends_what_it_is_given_for(change: Change) -> None:
    world = World()
    change(world)
    (finding,) = found(world)
    if finding.command.startswith("kubectl patch"):
        assert finding.command not in finding.remedy
        routes = len(world.http)
        follow(world, finding.command)
        assert len(world.http) == routes, "nothing is mended by taking it away"
        assert finding.check not in {each.check for each in found(world) if each.severity == finding.severity}


# The service of somebody else: nothing is named as the tutorial does it.
FOREIGN = {
    "pong-server-service": "checkout-http",
    "pong-server": "checkout",
    "pong": "checkout",
    "default": "shop",
    '"version"': '"track"',
    "version=": "track=",
    '"app"': '"workload"',
    "v1": "blue",
    "v2": "green",
    '"primary"': '"all"',
    '"port": 80,': '"port": 8088,',
}
OWN = {
    ("virtualservice", "shop", "checkout"),
    ("destinationrule", "shop", "checkout"),
    ("service", "shop", "checkout-http"),
    ("deployment", "shop", "checkout-blue"),
    ("deployment", "shop", "checkout-green"),
}


def foreign(world: World) -> World:
    """The same world with the names of somebody else."""

    def renamed(value: Any) -> Any:
        text = json.dumps(value)
        for old, new in FOREIGN.items():
            text = text.replace(old, new)
        return json.loads(text)

    for name, objects in vars(world).items():
        if name != "focus":
            setattr(world, name, renamed(objects))
    world.focus = Focus(*(renamed(text) for text in (world.focus.namespace, world.focus.name)))
    return world


CHANGING = {
    "destination_port_exists",
    "exported_to_gateway",
    "host_resolves",
    "pods_injected",
    "route_named",
    "subset_defined",
}


@pytest.mark.parametrize(
    ("check", "change"), [(case[0], case[3]) for case in ACCUSED], ids=[case[0] for case in ACCUSED]
)
@pytest.mark.parametrize("everything", [False, True], ids=["one", "everything"])
def test_a_printed_command_shows_something_or_changes_one_object_of_the_service(
    check: str, change: Change, everything: bool
) -> None:
    world = World()
    change(world)
    foreign(world)
    if everything and check != "virtual_service_exists":
        world.focus = Focus()
    commands = [finding.command for finding in found(world) if finding.check == check]
    assert commands
    for command in filter(None, commands):
        verb = assert_harmless(command, OWN)
        assert check in CHANGING or verb in READS, "a new command that changes something: is it safe at 3 a.m.?"


@pytest.mark.parametrize("change", [case[3] for case in ACCUSED], ids=[case[0] for case in ACCUSED])
def test_what_belongs_to_others_is_only_shown(change: Change) -> None:
    """The routes of one team lead to the Service of another, in its namespace."""
    world = World()
    change(world)
    for each in world.virtual_services:
        move(each, "team")
        each["spec"]["gateways"] = [
            name if "/" in name or name == "mesh" else f"default/{name}" for name in each["spec"].get("gateways") or []
        ]
    if world.focus.name:
        world.focus = Focus("team", world.focus.name)
    for finding in found(world):
        own = {("virtualservice", "team", "pong")}
        assert not finding.command or assert_harmless(finding.command, own)


def test_most_checks_give_a_command() -> None:
    without = set()
    for check, _severity, _place, change, _words in ACCUSED:
        world = World()
        change(world)
        without |= {check for finding in found(world) if not finding.command}
    assert without == WORDS_ALONE | {"subset_defined"}  # without a DestinationRule there is nothing to show


def test_a_destination_rule_without_a_service_is_given_the_one_that_lacks_its_subsets() -> None:
    world = World()
    world.destination_rules[0]["spec"]["host"] = "pong-server-servise"
    finding = next(each for each in found(world) if each.check == "host_resolves")
    follow(world, finding.command)
    assert found(world) == []


@pytest.mark.parametrize(("host", "near"), [("orders", "orders-old"), ("orderz", "orders")])
def test_a_service_that_only_sounds_alike_gets_no_requests(host: str, near: str) -> None:
    world = World()
    world.services.append(service(near, "default", {"app": near}, {"name": "http", "port": 80}))
    world.http.insert(0, {"match": [{"uri": {"exact": "/o"}}], "route": [destination(None, None, host)]})
    finding = next(each for each in found(world) if each.check == "host_resolves")
    assert finding.command == "kubectl get services -n default --show-labels"
    assert f"write {near}.default.svc.cluster.local" in finding.remedy


def test_a_rule_gets_a_name_that_no_other_has() -> None:
    world = World()
    world.http[0].pop("name")
    world.http.insert(0, {"name": "primary", "match": [{"port": 1}], "route": [destination("v1", None)]})
    (finding,) = found(world)
    assert '"value": "primary-2"' in finding.command


def test_a_subset_is_given_the_pods_that_bear_its_name() -> None:
    world = World()
    world.destination_rules[0]["spec"]["subsets"][1]["labels"] = {"version": "v7"}
    (finding,) = found(world)
    assert (finding.check, finding.severity) == ("subset_selects_ready_pods", "error")
    follow(world, finding.command)
    assert found(world) == []


def test_a_rival_is_shown_and_nothing_of_it_is_removed() -> None:
    world = World()
    world.virtual_services.append(elsewhere("other"))
    world.destination_rules.append(destination_rule("copy"))
    commands = {finding.check: finding.command for finding in found(world)}
    assert commands == {
        "one_route_per_gateway_host": "kubectl get virtualservice -n default other -o yaml",
        "one_definition_per_subset": "kubectl get destinationrule -n default copy -o yaml",
        "one_rule_per_host": "kubectl get destinationrule -n default copy -o yaml",
    }


def made(world: World) -> None:
    """The pods as those of their Deployments, without a sidecar."""
    for each in world.pods:
        each["spec"]["containers"] = [{"name": "app"}]
        labels = each["metadata"]["labels"]
        labels["pod-template-hash"] = "abc"
        owner = f"pong-{labels['version']}-abc"
        each["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "controller": True}]


def test_pods_come_into_the_mesh_one_deployment_after_the_other() -> None:
    world = World()
    made(world)
    restarts = [finding.command for finding in found(world)]
    assert restarts == [f"kubectl rollout restart deployment -n default pong-{version}" for version in ("v1", "v2")]
    world.namespaces[0]["metadata"]["labels"] = {}
    labelled = found(world)[0].command
    assert labelled.startswith("kubectl patch deployment -n default pong-v1 --type merge -p")
    assert json.loads(shlex.split(labelled)[-1]) == {
        "spec": {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}}}
    }
    world.mutating_webhooks[0]["webhooks"].pop()
    assert found(world)[0].command == "kubectl describe pod -n default pong-v1-a", "nobody would inject them"
    world.pods[0]["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    out = next(finding for finding in found(world) if "remove sidecar" in finding.remedy)
    assert out.command.startswith("kubectl patch deployment -n default pong-v1 --type merge -p")


def test_pods_of_others_without_a_sidecar_are_shown() -> None:
    world = World()
    made(world)
    move(world.virtual_services[0], "team")
    world.virtual_services[0]["spec"]["gateways"] = ["default/pong-gateway"]
    world.focus = Focus("team", "pong")
    commands = [each.command for each in found(world) if each.check == "pods_injected"]
    assert commands == [f"kubectl describe pod -n default pong-{version}-a" for version in ("v1", "v2")]


@pytest.mark.parametrize(
    ("spec", "restarts"),
    [
        ({}, True),
        ({"strategy": {"type": "Recreate"}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}, "replicas": 2}, True),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "50%"}}, "replicas": 2}, True),
        ({"paused": True}, False),
        ({"replicas": 0}, False),
    ],
)
def test_no_restart_is_advised_that_leaves_nobody_to_serve(spec: dict[str, Any], restarts: bool) -> None:
    world = World()
    made(world)
    world.deployments[0]["spec"].update(spec)
    finding = found(world)[0]
    assert ("rollout restart" in finding.command) == restarts
    assert restarts or "has no ready pod during a restart" in finding.remedy


@pytest.mark.parametrize("change", [case[1] for case in ACQUITTED], ids=[case[0] for case in ACQUITTED])
def test_what_is_right_is_not_accused(change: Change) -> None:
    world = World()
    change(world)
    assert [str(finding) for finding in found(world)] == []


def test_every_check_has_a_case() -> None:
    assert {case[0] for case in ACCUSED} == set(checks.NAMES)
    assert len(checks.NAMES) == len(checks.CHECKS)


def test_every_check_says_what_the_rule_is() -> None:
    assert all(check.rule.endswith(".") and "\n" not in check.rule for check in checks.CHECKS)


def test_needs_are_fields_of_the_snapshot() -> None:
    names = {field.name for field in fields(Mesh)} - {"focus", "unread"}
    assert checks.needs() == names


@pytest.mark.parametrize("check", checks.CHECKS, ids=checks.NAMES)
def test_a_check_looks_at_nothing_but_what_it_needs(check: checks.MeshCheck) -> None:
    """With everything else empty it comes to the same, for the right cluster and for the one it accuses."""
    accusing = next(case[3] for case in ACCUSED if case[0] == check.name)
    for change in (lambda world: None, accusing):
        world = World()
        change(world)
        whole = world.mesh()
        unneeded = {field.name: () for field in fields(Mesh)} | {"focus": whole.focus, "unread": {}}
        needed = {name: getattr(whole, name) for name in check.needs}
        assert list(check.find(Mesh(**{**unneeded, **needed}))) == list(check.find(whole))


def test_skipped_checks_find_nothing() -> None:
    world = World()
    world.weights(0)
    results = checks.examine(world.mesh(), skip=["weights_complete"])
    assert checks.findings(results) == []
    assert [(result.check, result.skipped) for result in results if result.mark == "skipped"] == [
        ("weights_complete", "by skip_checks")
    ]


def test_what_may_not_be_read_is_not_judged() -> None:
    world = World()
    world.pods.clear()
    mesh = replace(world.mesh(), unread={"pods": "LIST Pod was refused"})
    results = checks.examine(mesh)
    assert checks.findings(results) == []
    assert {result.check: result.skipped for result in results if result.skipped} == dict.fromkeys(
        ("subset_selects_ready_pods", "capacity_for_weight", "pods_injected"), "LIST Pod was refused"
    )


def test_errors_come_first_and_marks_tell_the_worst() -> None:
    world = World()
    world.services[0]["spec"]["ports"] = [{"port": 80}]
    world.http.append({"route": [destination("v9", None)]})
    results = checks.examine(world.mesh())
    assert [finding.severity for finding in checks.findings(results)] == ["error", "warning", "warning"]
    marks = {result.check: result.mark for result in results}
    assert (marks["subset_defined"], marks["port_named_http"], marks["host_resolves"]) == ("error", "warning", "ok")


def test_only_the_focus_is_accused() -> None:
    world = World()
    world.virtual_services.append(
        virtual_service("other", hosts=["a.example"], http=[{"route": [destination("v9", None)]}])
    )
    assert found(world) == []
    world.focus = Focus("default")
    assert [finding.name for finding in found(world)] == ["other"]


def test_all_fields_are_optional() -> None:
    assert checks.findings(checks.examine(Mesh())) == []


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def told(world: World) -> dict[str, list[str]]:
    """The causes that the doctor would tell, as CHECK NAME, each with the checks that follow from it."""
    mesh = world.mesh()
    ill = [*unready_versions(mesh, NOON), *unready_gateways(mesh, NOON)]
    return {
        f"{each.finding.check} {each.finding.name}": [symptom.check for symptom in each.symptoms]
        for each in problems(found(world), ill, [])
        if each.finding.severity == "error"
    }


def running() -> World:
    """The world with pods that their Deployments have made."""
    world = World()
    made(world)
    for each in world.pods:
        each["spec"]["containers"].append({"name": "istio-proxy"})
    return world


def broken(thing: dict[str, Any]) -> None:
    """A pod that crashes."""
    not_ready(thing)
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    thing["status"]["containerStatuses"] = [{"name": "app", "state": state, "restartCount": 3}]


def test_a_cause_has_the_symptoms_of_its_own_version_only() -> None:
    world = running()
    broken(world.pods[0])
    world.destination_rules[0]["spec"]["subsets"][1]["labels"] = {"version": "v7"}
    assert told(world) == {
        "pods_ready pong-v1": ["subset_selects_ready_pods"],
        "subset_selects_ready_pods pong-server-service": [],
    }


def test_a_pod_that_crashes_is_no_symptom_of_an_injector_that_is_down() -> None:
    world = running()
    broken(world.pods[1])
    not_ready(world.injectors[0])
    assert told(world) == {
        "pods_ready pong-v2": ["subset_selects_ready_pods"],
        "injector_ready istio-sidecar-injector": [],
    }
    world.pods.pop()
    assert told(world) == {"injector_ready istio-sidecar-injector": ["pods_ready", "subset_selects_ready_pods"]}


def test_one_gateway_pod_that_is_not_ready_is_the_cause_of_nothing_while_others_are() -> None:
    world = running()
    world.proxies.append(pod("ingress-b", "istio-system", istio="ingressgateway"))
    broken(world.proxies[1])
    assert told(world) == {"gateway_pods_ready ingress-b": []}
    broken(world.proxies[0])
    found = told(world)
    assert sorted(found) == ["gateway_pods_ready ingress-a", "gateway_pods_ready ingress-b"]
    assert sorted(found.values()) == [[], ["gateway_selector_matches"]]


def test_a_service_that_selects_one_version_explains_the_others_alone() -> None:
    world = running()
    broken(world.pods[0])
    world.services[0]["spec"]["selector"]["version"] = "v1"
    assert told(world) == {
        "pods_ready pong-v1": ["subset_selects_ready_pods"],
        "service_selector_without_version pong-server-service": ["subset_selects_ready_pods"],
    }


def test_what_is_released_is_named_by_who_looks() -> None:
    world = World()
    world.weights(20, 80)
    world.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v2", None)]})
    assert found(world) == []
    world.focus = Focus("default", "pong", version="v2")
    assert [finding.check for finding in found(world)] == ["reached_by_weight_alone"]
    world.focus = Focus("default", "pong", ServiceName("default", "files"), "v2")
    assert found(world) == []
    world.http[1]["route"] = [destination("v1", 0), destination("v2", 100)]
    world.focus = Focus("default", "pong", version="v2")
    world.http[0]["route"] = [destination("v1", None)]
    (finding,) = found(world)
    assert "sends requests to v1 beside its weight" in finding.problem
