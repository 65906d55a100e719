"""The cluster as kubectl sees it, and how a playbook ended."""

from __future__ import annotations

import atexit
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

HERE = Path(__file__).resolve().parent
COLLECTIONS = HERE.parent / "build" / "collections"
SERVER_LOCK = Lock()
SERVERS: dict[str, TemporaryDirectory[str]] = {}  # by their socket; one, once a module was run


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

    def set_up(self, objects: list[dict[str, Any]], wait: bool = True) -> None:
        """Write the namespace, where sidecars are injected, and these objects at once."""
        labels = {"istio-injection": "enabled"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        self.apply({"apiVersion": "v1", "kind": "List", "items": [namespace, *objects]})
        if wait:
            self.await_pods()

    def await_pods(self, *deployments: str) -> None:
        """Until those of these Deployments are ready, or all in the namespace."""
        self.run("rollout", "status", "deployment", *deployments, "--timeout=170s")

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


def paste(command: str) -> str:
    """Run a command in a shell, as a person who pastes it; its output."""
    run = subprocess.run(command, shell=True, cwd="/", capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
    return run.stdout


def hint_of(message: str) -> str:
    """The command at the end of a message of a module."""
    return message[message.index("ansible-playbook ") :]


def sidecar(pod: dict[str, Any]) -> bool:
    """Tell whether a pod carries Istio's proxy, as a container or as a native sidecar."""
    spec = pod["spec"]
    return any(item["name"] == "istio-proxy" for item in spec["containers"] + spec.get("initContainers", []))


def module(name: str, /, *, check: bool = False, fault: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    """Run a module of the collection on its own, as Ansible does, and return its result.

    With a fault of `fault.py` the result is empty when the module did not live to give one.
    """
    call = {"name": name, "arguments": {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(300)
        connection.connect(_module_server())
        with connection.makefile("rw") as line:
            line.write(json.dumps({**call, "fault": fault, "environment": dict(os.environ)}) + "\n")
            line.flush()
            printed, error = json.loads(line.read() or '["", ""]')
    assert printed or (fault and not error), error or f"module {name} ended without a result"
    return json.loads(printed or "{}")


def _module_server() -> str:
    """The socket of the server, which lives as long as this process."""
    with SERVER_LOCK:
        if not SERVERS:
            folder = TemporaryDirectory()
            place = f"{folder.name}/socket"
            server = subprocess.Popen(
                [sys.executable, HERE / "module_server.py", place],
                env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
                stdout=subprocess.PIPE,
            )
            assert server.stdout
            assert server.stdout.readline() == b"ready\n", "the server of modules does not start"
            atexit.register(server.terminate)
            SERVERS[place] = folder
        return next(iter(SERVERS))
