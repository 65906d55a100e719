# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""All commands that are printed, as people paste them at night without a second thought. Pure.

Most of them only show something. One that changes something changes one object, which is the service's own; what would
stop pods that serve, expose a service, or touch what others rely on, is left to whoever decides about it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

Operation = Mapping[str, Any]
Object = Mapping[str, Any]

_RESOURCES = {"Gateway": "gateways.networking.istio.io"}  # the bare word may mean those of the Gateway API


def resource(kind: str) -> str:
    """What kubectl calls a kind."""
    return _RESOURCES.get(kind, kind.lower())


def show(kind: str, thing: Object) -> str:
    """The whole object."""
    return _kubectl("get", *_named(kind, thing), "-o", "yaml")


def describe(kind: str, thing: Object) -> str:
    """The object with its events."""
    return _kubectl("describe", *_named(kind, thing))


def describe_pods(namespace: str, labels: str) -> str:
    """All pods of a namespace with these labels, each with its events."""
    return _kubectl("describe", "pods", "-n", namespace, "-l", labels)


def listed(kind: str, namespace: str = "", labels: str = "") -> str:
    """What there is of a kind, in one namespace or in all."""
    where = ("-n", namespace) if namespace else ("-A",)
    return _kubectl("get", resource(kind), *where, *(("-l", labels) if labels else ()), "--show-labels")


def logs(pod: Object, container: str, *, previous: bool = False) -> str:
    """What a container of a pod has said; previous: before it was started anew."""
    meta = pod["metadata"]
    again = ("--previous",) if previous else ("--tail=50",)
    return _kubectl("logs", "-n", meta["namespace"], meta["name"], "-c", container, *again)


def forward(cluster: Iterable[str], namespace: str, service: str, ports: str) -> str:
    """Bring a port of a Service to this machine, while the command runs."""
    return _kubectl(*cluster, "port-forward", "-n", namespace, f"service/{service}", ports)


def version(context: str) -> str:
    """Ask the API server for its version: the least that shows whether a credential works."""
    return _kubectl("--context", context, "get", "--raw", "/version")


def patch(kind: str, thing: Object, operations: Iterable[Operation]) -> str:
    """A JSON patch of one object that is refused if its content has changed since; empty if nothing is to change."""
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
    """New pods in place of all of one Deployment, as its strategy has it."""
    return _kubectl("rollout", "restart", *_named("Deployment", deployment))


def undo(deployment: Object) -> str:
    """Back to the revision before."""
    return _kubectl("rollout", "undo", *_named("Deployment", deployment))


def playbook(name: str, service: str, *options: str) -> str:
    """A playbook of this collection. service: the options by which it finds the service, as they are to be typed."""
    return " ".join(filter(None, (f"ansible-playbook progressive.istio.{name}", service, *options)))


def on(cluster: Iterable[str], command: str) -> str:
    """The command with the options by which kubectl finds the cluster."""
    if not cluster or not command.startswith("kubectl "):
        return command
    return f"kubectl {shlex.join(cluster)} {command.removeprefix('kubectl ')}"


def replace(path: str, value: object) -> Operation:
    return {"op": "replace", "path": path, "value": value}


def add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _unchanged(thing: Object) -> list[Operation]:
    """The test that nobody has written the object in the meantime; only of its content where that has a number."""
    meta = thing["metadata"]
    field = next((each for each in ("generation", "resourceVersion") if each in meta), "")
    return [{"op": "test", "path": f"/metadata/{field}", "value": meta[field]}] if field else []


def _named(kind: str, thing: Object) -> tuple[str, ...]:
    meta = thing["metadata"]
    namespace = ("-n", meta["namespace"]) if meta.get("namespace") else ()
    return (resource(kind), *namespace, meta["name"])


def _kubectl(*words: str) -> str:
    return shlex.join(("kubectl", *words))
