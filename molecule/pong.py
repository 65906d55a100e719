"""The tutorial's service as `site.yml` makes it, written at once where `site.yml` is not what is tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foreign import GATEWAY_SELECTOR, IMAGE
from molecule_helpers import Kube

API = "networking.istio.io/v1"


@dataclass(frozen=True)
class Pong:
    """All requests to v1. versions: environment of each version's container."""

    namespace: str
    public: str  # the host name at the gateway
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"v1": {}, "v2": {}})
    ingress: Mapping[str, str] = field(default_factory=lambda: GATEWAY_SELECTOR)

    @property
    def host(self) -> str:
        return f"pong-server-service.{self.namespace}.svc.cluster.local"

    @property
    def kube(self) -> Kube:
        return Kube(self.namespace)

    def set_up(self) -> None:
        """Write all objects in one request to kubectl; its pods come up together, and are waited for."""
        self.kube.set_up(self.objects())

    def objects(self) -> list[dict[str, Any]]:
        deployments = [self.deployment(version, environment) for version, environment in self.versions.items()]
        return [*deployments, self._service(), *self._mesh()]

    def deployment(self, version: str, environment: Mapping[str, str]) -> dict[str, Any]:
        labels = {"app": "pong-server", "version": version}
        variables = {"PONG_VERSION": version, **environment}
        container = {
            "name": "pong-server",
            "image": IMAGE,
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": key, "value": value} for key, value in variables.items()],
            # A busy machine is not to be taken for a server that has died.
            "readinessProbe": {"httpGet": {"path": "/ping", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 10},
        }
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
        }
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        name = "pong-server-deployment" if version == "v1" else f"pong-server-{version}"
        return self._object("apps/v1", "Deployment", name, spec, labels)

    def _object(
        self, api: str, kind: str, name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        ours = {**(labels or {}), "app.kubernetes.io/managed-by": "progressive.istio"}
        metadata = {"name": name, "namespace": self.namespace, "labels": ours}
        return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}

    def _service(self) -> dict[str, Any]:
        ports = [{"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"}]
        spec = {"selector": {"app": "pong-server"}, "ports": ports}
        return self._object("v1", "Service", "pong-server-service", spec, {"app": "pong-server"})

    def _mesh(self) -> list[dict[str, Any]]:
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [self.public]}
        subsets = [{"name": version, "labels": {"version": version}} for version in self.versions]
        route = [
            {"destination": {"host": self.host, "subset": version, "port": {"number": 80}}, "weight": weight}
            for version, weight in (("v1", 100), ("v2", 0))
        ]
        http = [{"name": "primary", "match": [{"uri": {"prefix": "/"}}], "route": route}]
        routes = {"hosts": [self.public], "gateways": ["pong-server-gateway"], "http": http}
        rule = {"host": self.host, "subsets": subsets}
        return [
            self._object(API, "Gateway", "pong-server-gateway", {"selector": self.ingress, "servers": [server]}),
            self._object(API, "DestinationRule", "pong-server-destination-rule", rule),
            self._object(API, "VirtualService", "pong-server-virtual-service", routes),
        ]
