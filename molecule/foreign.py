"""A service that the collection did not make: own names, labels, ports and objects, written as its team would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from molecule_helpers import Kube

IMAGE = "ghcr.io/s1ntaxe770r/pong:e0fb83f27536836d1420cffd0724360a7a650c13"
GATEWAY_SELECTOR = {"istio": "ingressgateway"}


@dataclass(frozen=True)
class Foreign:
    """Service `name` on port 8088, a Deployment `name-VERSION` and a subset for each version, told apart by `label`.

    versions: environment of each version's container, such as {"blue": {}, "green": {"PONG_ERROR_RATE": "1"}}; the
    first one has all requests. rules: `spec.http`; without it one rule without a name.
    gateways: of the VirtualService; without it one of its own at the ingress gateway.
    """

    namespace: str
    name: str = "checkout"
    label: str = "track"
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"blue": {}, "green": {}})
    replicas: int = 1
    rules: Sequence[Mapping[str, Any]] = ()
    gateways: Sequence[str] = ()

    @property
    def kube(self) -> Kube:
        return Kube(self.namespace)

    @property
    def host(self) -> str:
        """The Service in the mesh."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"

    @property
    def public(self) -> str:
        """The host name at the gateway."""
        return f"{self.name}.{self.namespace}.test"

    def destinations(self, weights: Mapping[str, int]) -> list[dict[str, Any]]:
        """A `route` with these weights."""
        return [
            {"destination": {"host": self.host, "subset": version, "port": {"number": 8088}}, "weight": weight}
            for version, weight in weights.items()
        ]

    def set_up(self, wait: bool = True) -> None:
        """Write all objects in one request to kubectl, and wait for the pods."""
        self.kube.set_up(self.objects(), wait=False)
        if wait:
            self.await_pods()

    def await_pods(self) -> None:
        self.kube.await_pods(*(f"{self.name}-{version}" for version in self.versions))

    def objects(self) -> list[dict[str, Any]]:
        return [*self._workloads(), self._service(), *self._mesh()]

    def _object(self, api: str, kind: str, name: str, **parts: Any) -> dict[str, Any]:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}, **parts}

    def _workloads(self) -> list[dict[str, Any]]:
        return [self._deployment(version, environment) for version, environment in self.versions.items()]

    def _deployment(self, version: str, environment: Mapping[str, str]) -> dict[str, Any]:
        labels = {"workload": self.name, self.label: version}
        variables = {"PONG_VERSION": version, **environment}
        # A busy machine is not to be taken for a server that has died.
        probe = {"httpGet": {"path": "/ping", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 10}
        container = {
            "name": "server",
            "image": IMAGE,
            "ports": [{"containerPort": 8080}],
            "env": [{"name": key, "value": value} for key, value in variables.items()],
            "readinessProbe": probe,
        }
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
        }
        spec = {"replicas": self.replicas, "selector": {"matchLabels": labels}, "template": template}
        return self._object("apps/v1", "Deployment", f"{self.name}-{version}", spec=spec)

    def _service(self) -> dict[str, Any]:
        ports = [{"name": "http-web", "port": 8088, "targetPort": 8080}]
        return self._object("v1", "Service", self.name, spec={"selector": {"workload": self.name}, "ports": ports})

    def _mesh(self) -> list[dict[str, Any]]:
        api = "networking.istio.io/v1"
        subsets = [{"name": version, "labels": {self.label: version}} for version in self.versions]
        rule = self._object(api, "DestinationRule", self.name, spec={"host": self.host, "subsets": subsets})
        first, *others = self.versions
        http = self.rules or [{"route": self.destinations({first: 100, **dict.fromkeys(others, 0)})}]
        gateways = list(self.gateways) or [f"{self.name}-entry"]
        routes = self._object(
            api,
            "VirtualService",
            f"{self.name}-routes",
            spec={"hosts": [self.public], "gateways": gateways, "http": http},
        )
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [self.public]}
        gateway = self._object(
            api, "Gateway", f"{self.name}-entry", spec={"selector": GATEWAY_SELECTOR, "servers": [server]}
        )
        return [rule, routes, *([] if self.gateways else [gateway])]

    def patch(self, kind: str, name: str, *operations: Mapping[str, Any]) -> None:
        self.kube.run("patch", kind, name, "--type=json", "-p", json.dumps(operations))

    def remove(self) -> None:
        self.kube.run("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
