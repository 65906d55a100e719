"""The service behind a gateway with two replicas: what people do with it, and what befalls it."""

from __future__ import annotations

import json
from typing import Any

from molecule_helpers import Kube, module

VIRTUAL_SERVICE = "pong-server-virtual-service"
RULE = "pong-server-destination-rule"
HOST = "pong-server-service.proof.svc.cluster.local"
OPTIONS: dict[str, Any] = {"name": VIRTUAL_SERVICE, "namespace": "proof", "stable": "v1", "canary": "v2"}
OPTIONS |= {"skip_checks": ["callers_routed"]}  # the cluster has sidecars of other scenarios
STEPS = [10, 50, 100]
FREEZE = "kubectl -n proof exec {pod} -c istio-proxy -- pkill -{signal} envoy"


class Gateway:
    """Its pods, the route they run, and the module that moves it."""

    def __init__(self) -> None:
        self.kube = Kube("proof")

    def canary(self, state: str, **options: Any) -> dict[str, Any]:
        """Run the module; steps, and no soaking unless a test says so."""
        stepwise = {"steps": STEPS, "interval": 0, "watch": 0} if state == "advanced" else {}
        return module("canary", **{**OPTIONS, "state": state, "wait_timeout": 5, **stepwise, **options})

    @property
    def weights(self) -> dict[str, int]:
        return self.kube.weights()

    @property
    def annotation(self) -> dict[str, Any]:
        annotations = self.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"].get("annotations", {})
        return json.loads(annotations.get("progressive.istio/canary", "{}"))

    @property
    def version(self) -> str:
        """What changes with each write of the VirtualService."""
        return self.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"]["resourceVersion"]

    def forget(self) -> None:
        self.kube.run("annotate", "virtualservice", VIRTUAL_SERVICE, "progressive.istio/canary-")

    @property
    def pods(self) -> list[str]:
        """Those that serve, by name."""
        found = self.kube.list("pods", "istio=proof-ingress")
        return sorted(pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"])

    def scale(self, replicas: int) -> None:
        self.kube.run("scale", "deployment", "proof-ingress", f"--replicas={replicas}")
        self.kube.run("rollout", "status", "deployment", "proof-ingress", "--timeout=170s")

    def freeze(self, pod: str) -> None:
        self.kube.run(*FREEZE.format(pod=pod, signal="STOP").split()[3:])

    def thaw(self) -> None:
        for pod in self.pods:
            self.kube.run(*FREEZE.format(pod=pod, signal="CONT").split()[3:])

    def patch(self, kind: str, name: str, *operations: dict[str, Any]) -> None:
        self.kube.run("patch", kind, name, "--type=json", "-p", json.dumps(operations))
