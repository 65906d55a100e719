"""The service behind its own gateway: how it is broken, examined and mended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from molecule_helpers import Kube, module

NAMESPACE = "canary-doctor"
VIRTUAL_SERVICE = "pong-server-virtual-service"
ANNOTATION = "progressive.istio/canary"
RULE = "pong-server-destination-rule"
READER = "progressive-istio-doctor-reader"  # a name of its own, for scenarios run side by side
GATEWAY = "gateways.networking.istio.io"
WORLD = {"canary_namespace": NAMESPACE, "canary_gateway_hosts": ["doctor.test"]}
WORLD |= {"canary_ingress_service": "doctor-ingress", "canary_ingress_namespace": NAMESPACE}
WORLD |= {"canary_ingress_selector": {"istio": "doctor-ingress"}}

Operation = dict[str, Any]


class Patient:
    """What people do to it, and what the doctor says."""

    def __init__(self) -> None:
        self.kube = Kube(NAMESPACE)

    def examine(self, **options: Any) -> dict[str, Any]:
        again = f"-e '{json.dumps(WORLD)}'"
        options = {"route": "primary", "playbook_options": again, **options}
        return module("canary_doctor", name=VIRTUAL_SERVICE, namespace=NAMESPACE, **options)

    def canary(self, state: str, **options: Any) -> dict[str, Any]:
        stepwise = {"steps": [20, 50, 100], "interval": 0, "watch": 0} if state == "advanced" else {}
        where = {"name": VIRTUAL_SERVICE, "namespace": NAMESPACE, "stable": "v1", "canary": "v2"}
        result = module("canary", **where, state=state, **{**stepwise, **options})
        assert not result.get("failed"), result["msg"]
        return result

    @property
    def phase(self) -> str:
        """What the VirtualService tells of a release."""
        annotations = self.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"].get("annotations", {})
        return str(json.loads(annotations.get(ANNOTATION, "{}")).get("phase"))

    def patch(self, kind: str, name: str, *operations: Operation) -> None:
        self.kube.run("patch", kind, name, "--type=json", "-p", json.dumps(operations))

    def settled(self, version: str = "pong-server-v2") -> None:
        self.kube.run("rollout", "status", "deployment", version, "--timeout=90s")

    def follow(self, command: str) -> None:
        """Paste a command into a shell."""
        run = subprocess.run(command, shell=True, cwd="/", capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"

    @contextmanager
    def kept(self, *objects: tuple[str, str]) -> Iterator[None]:
        """Put the specs of these objects back afterwards, whatever happens."""
        before = {each: self.kube.get(*each)["spec"] for each in objects}
        try:
            yield
        finally:
            for (kind, name), spec in before.items():
                if self.kube.get(kind, name)["spec"] != spec:
                    self.patch(kind, name, {"op": "replace", "path": "/spec", "value": spec})
