"""The cluster as kubectl sees it, and how a playbook ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).resolve().parent.parent / "build" / "collections"
MODULES = "ansible_collections.progressive.istio.plugins.modules"
FAULT = Path(__file__).resolve().parent / "fault.py"


@dataclass(frozen=True)
class Run:
    """How a playbook ended."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return sum(map(int, re.findall(r"changed=(\d+)", self.output)))

    def succeeded(self) -> Run:
        assert self.code == 0, self.output
        return self


@dataclass(frozen=True)
class Kube:
    """The cluster, read by kubectl."""

    namespace: str

    def run(self, *words: str, stdin: str | None = None) -> str:
        command = ["kubectl", "-n", self.namespace, *words]
        return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True, timeout=180).stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return json.loads(self.run("get", kind, name, "-o", "json"))

    def list(self, kind: str, labels: str = "") -> list[dict[str, Any]]:
        return json.loads(self.run("get", kind, "-l", labels, "-o", "json"))["items"]

    def apply(self, definition: dict[str, Any]) -> None:
        self.run("apply", "-f", "-", stdin=json.dumps(definition))

    def weights(self, name: str = "pong-server-virtual-service", route: str = "primary") -> dict[str, int]:
        """Return the weight of each subset on a route of a VirtualService."""
        http = self.get("virtualservice", name)["spec"]["http"]
        destinations = next(rule["route"] for rule in http if rule.get("name") == route)
        return {item["destination"]["subset"]: item.get("weight", 0) for item in destinations}

    def versions(self) -> dict[str, str]:
        """Return the resourceVersion of every object that the collection may write, by kind and name."""
        kinds = "deployments,services,gateways.networking.istio.io,destinationrules,virtualservices"
        items = json.loads(self.run("get", kinds, "-o", "json"))["items"]
        # A Deployment's status changes by itself, its generation only when somebody writes the spec.
        return {
            f"{item['kind']}/{item['metadata']['name']}": str(
                item["metadata"].get("generation") or item["metadata"]["resourceVersion"]
            )
            for item in items
        }


def sidecar(pod: dict[str, Any]) -> bool:
    """Tell whether a pod carries Istio's proxy, as a container or as a native sidecar."""
    spec = pod["spec"]
    return any(item["name"] == "istio-proxy" for item in spec["containers"] + spec.get("initContainers", []))


def module(name: str, /, *, check: bool = False, fault: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    """Run a module of the collection on its own, as Ansible does, and return its result.

    With a fault it runs under `fault.py`, and the result is empty when the module did not live to give one.
    """
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}
    program = [str(FAULT), *fault] if fault else ["-m", f"{MODULES}.{name}"]
    process = subprocess.run(
        [sys.executable, *program],
        input=json.dumps(arguments),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.stdout or fault, process.stderr
    return json.loads(process.stdout.strip() or "{}")
