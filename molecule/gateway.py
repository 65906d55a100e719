"""The service behind a gateway with two replicas: what people do with it, and what befalls it."""

from __future__ import annotations

import json
from typing import Any

from ingress import ingress
from molecule_helpers import Kube, module
from pong import Pong

VIRTUAL_SERVICE = "pong-server-virtual-service"
RULE = "pong-server-destination-rule"
STEPS = [10, 50, 100]
FREEZE = "kubectl -n {namespace} exec {pod} -c istio-proxy -- pkill -{signal} envoy"


class Gateway:
    """Its pods, the route they run, and the module that moves it."""

    def __init__(self, namespace: str) -> None:
        self.kube = Kube(namespace)
        self.name = f"{namespace}-ingress"
        self.pong = Pong(namespace, f"{namespace}.test", ingress={"istio": self.name})
        self.options: dict[str, Any] = {"name": VIRTUAL_SERVICE, "namespace": namespace, "stable": "v1", "canary": "v2"}
        self.options |= {"skip_checks": ["callers_routed"]}  # the cluster has sidecars of other scenarios

    def set_up(self) -> None:
        self.kube.set_up([*ingress(self.kube.namespace, self.name), *self.pong.objects()])

    def canary(self, state: str, **options: Any) -> dict[str, Any]:
        """Run the module; steps, and no soaking unless a test says so."""
        stepwise = {"steps": STEPS, "interval": 0, "watch": 0} if state == "advanced" else {}
        return module("canary", **{**self.options, "state": state, "wait_timeout": 5, **stepwise, **options})

    def reset(self) -> None:
        """Two replicas, both well, and everything on v1."""
        self.thaw()
        self.scale(2)
        self.canary("rolled_back")
        self.forget()
        assert self.weights == {"v1": 100, "v2": 0}

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
        found = self.kube.list("pods", f"istio={self.name}")
        return sorted(pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"])

    def scale(self, replicas: int) -> None:
        self.kube.run("scale", "deployment", self.name, f"--replicas={replicas}")
        self.kube.await_pods(self.name)

    def signal(self, pod: str, name: str) -> str:
        """The command that sends a signal to its Envoy."""
        return FREEZE.format(namespace=self.kube.namespace, pod=pod, signal=name)

    def freeze(self, pod: str) -> None:
        self.kube.run(*self.signal(pod, "STOP").split()[3:])

    def thaw(self) -> None:
        for pod in self.pods:
            self.kube.run(*self.signal(pod, "CONT").split()[3:])

    def patch(self, kind: str, name: str, *operations: dict[str, Any]) -> None:
        self.kube.run("patch", kind, name, "--type=json", "-p", json.dumps(operations))


def proxies(result: dict[str, Any]) -> list[str]:
    """The pods in which a result was seen to be live."""
    return sorted(each["proxy"].rpartition("/")[2] for each in result["live"])
