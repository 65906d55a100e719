# SPDX-License-Identifier: GPL-3.0-or-later
"""All commands that are printed, safe to paste without a second thought. Pure.

Most of them only show something. The others change one object of the service. Nothing that would stop serving pods,
expose a service or change objects of others is ever printed.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

Operation = Mapping[str, Any]
Object = Mapping[str, Any]

_RESOURCES = {"Gateway": "gateways.networking.istio.io"}  # the short name may mean those of the Gateway API


def resource(kind: str) -> str:
    """The name of a kind for kubectl."""
    return _RESOURCES.get(kind, kind.lower())


def show(kind: str, thing: Object) -> str:
    """Show an object."""
    return _kubectl("get", *_named(kind, thing), "-o", "yaml")


def describe(kind: str, thing: Object) -> str:
    """Describe an object, with its events."""
    return _kubectl("describe", *_named(kind, thing))


def describe_pods(namespace: str, labels: str) -> str:
    """Describe the pods of a namespace with these labels."""
    return _kubectl("describe", "pods", "-n", namespace, "-l", labels)


def listed(kind: str, namespace: str = "", labels: str = "") -> str:
    """List a kind, in one namespace or in all."""
    where = ("-n", namespace) if namespace else ("-A",)
    return _kubectl("get", resource(kind), *where, *(("-l", labels) if labels else ()), "--show-labels")


def logs(pod: Object, container: str, *, previous: bool = False) -> str:
    """Show the log of a container; previous: before its restart."""
    meta = pod["metadata"]
    again = ("--previous",) if previous else ("--tail=50",)
    return _kubectl("logs", "-n", meta["namespace"], meta["name"], "-c", container, *again)


def forward(cluster: Iterable[str], namespace: str, service: str, ports: str) -> str:
    """Forward a port of a Service to this machine. cluster: the options that name the cluster."""
    return _kubectl(*cluster, "port-forward", "-n", namespace, f"service/{service}", ports)


def version(context: str) -> str:
    """Ask the API server for its version, to test credentials."""
    return _kubectl("--context", context, "get", "--raw", "/version")


def patch(kind: str, thing: Object, operations: Iterable[Operation]) -> str:
    """A JSON patch of one object, refused if the object has changed since; empty without operations."""
    changes = list(operations)
    if not changes:
        return ""
    return _kubectl("patch", *_named(kind, thing), "--type", "json", "-p", json.dumps([*_unchanged(thing), *changes]))


def merge(kind: str, thing: Object, change: Mapping[str, Any]) -> str:
    """A merge patch of one object."""
    return _kubectl("patch", *_named(kind, thing), "--type", "merge", "-p", json.dumps(change))


def forget(kind: str, thing: Object, annotation: str) -> str:
    """Remove an annotation of one object."""
    return _kubectl("annotate", *_named(kind, thing), f"{annotation}-")


def scale(deployment: Object, replicas: int) -> str:
    return _kubectl("scale", *_named("Deployment", deployment), f"--replicas={replicas}")


def restart(deployment: Object) -> str:
    """Restart the pods of a Deployment by its strategy."""
    return _kubectl("rollout", "restart", *_named("Deployment", deployment))


def undo(deployment: Object) -> str:
    """Go back to the previous revision."""
    return _kubectl("rollout", "undo", *_named("Deployment", deployment))


def playbook(name: str, service: str, *options: str) -> str:
    """Run a playbook of this collection. service: the options that find the service."""
    return " ".join(filter(None, (f"ansible-playbook progressive.istio.{name}", service, *options)))


def on(cluster: Iterable[str], command: str) -> str:
    """The command with the options that name the cluster, if it is one of kubectl."""
    if not cluster or not command.startswith("kubectl "):
        return command
    return f"kubectl {shlex.join(cluster)} {command.removeprefix('kubectl ')}"


def replace(path: str, value: object) -> Operation:
    return {"op": "replace", "path": path, "value": value}


def add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _unchanged(thing: Object) -> list[Operation]:
    """The test that the object has not changed: of its generation, if it has one, since its status may change."""
    meta = thing["metadata"]
    field = next((each for each in ("generation", "resourceVersion") if each in meta), "")
    return [{"op": "test", "path": f"/metadata/{field}", "value": meta[field]}] if field else []


def _named(kind: str, thing: Object) -> tuple[str, ...]:
    meta = thing["metadata"]
    namespace = ("-n", meta["namespace"]) if meta.get("namespace") else ()
    return (resource(kind), *namespace, meta["name"])


def _kubectl(*words: str) -> str:
    return shlex.join(("kubectl", *words))
