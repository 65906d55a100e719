"""The service under release: set up by `site.yml`, with two copies of its route for the other tools."""

from __future__ import annotations

import json
from typing import Any

from molecule_helpers import Kube

from bench import playbooks

NAMESPACE = "bench"
APP = "pong-server"
VIRTUAL_SERVICE = f"{APP}-virtual-service"
HOST = "pong.bench.test"
MESH_HOST = f"{APP}-service.{NAMESPACE}.svc.cluster.local"

# The VirtualServices that kubernetes.core and kubectl write, so that no tool waits for another's write.
RIVALS = ("by-kubernetes-core", "by-kubectl")

SETTINGS = {
    "canary_app": APP,
    "canary_namespace": NAMESPACE,
    "gateway_hosts": ["*.bench.test"],
    "virtual_service_hosts": [HOST],
    "canary_gateway_hosts": [HOST],
    "canary_probe_requests": 0,
}
IN_MESH = {"virtual_service_hosts": [HOST, MESH_HOST], "virtual_service_gateways": [f"{APP}-gateway", "mesh"]}


class Service:
    """The service, handled by the playbooks of the collection."""

    def __init__(self) -> None:
        self.kube = Kube(NAMESPACE)

    def play(self, name: str, **variables: Any) -> list[playbooks.Task]:
        """Run a playbook of the collection for this service."""
        return playbooks.run(f"progressive.istio.{name}", **{**SETTINGS, **variables})

    def set_up(self) -> None:
        """Set it up, with all requests to v1, and the routes of the other tools."""
        self.play("site")
        model = self.kube.get("virtualservice", VIRTUAL_SERVICE)
        for name in RIVALS:
            spec = {**model["spec"], "hosts": [f"{name}.bench.test"]}
            meta = {"name": name, "namespace": NAMESPACE}
            self.kube.apply({"apiVersion": model["apiVersion"], "kind": model["kind"], "metadata": meta, "spec": spec})

    def serve_mesh(self) -> None:
        """Add the gateway `mesh` to the route, for callers in it."""
        patch = {"spec": {"hosts": IN_MESH["virtual_service_hosts"], "gateways": IN_MESH["virtual_service_gateways"]}}
        self.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=merge", "-p", json.dumps(patch))


def remove(*namespaces: str) -> None:
    """Delete namespaces."""
    Kube("default").run("delete", "namespace", *namespaces, "--ignore-not-found", "--timeout=120s")
