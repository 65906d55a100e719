# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write into the Service and the Deployment of a version, and whether they can be written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .objects import MANAGED_BY, NotOurs, Object, is_managed, named, not_ours

SLEEP_SINCE = (1, 30)  # the Kubernetes that has preStop.sleep, which needs no shell in the image; older ones reject it
NO_SITE = "a service that is there already needs no site.yml, only a route with both versions; for one of its own"


def plan(
    services: list[Object],
    deployments: list[Object],
    *,
    kubernetes: str,
    namespace: str,
    app: str,
    version: str,
    service: str,
    deployment: str,
    image: str,
    env: Mapping[str, Any],
    port: int,
    service_port: int,
    probe_path: str,
    resources: Mapping[str, Any],
    drain: int,
    replicas: int | None = None,
) -> dict[str, list[Object]]:
    """The objects to write: without its name no Service, and without replicas those that a Deployment has.

    kubernetes: the version of the cluster.
    """
    names = {"namespace": namespace, "app": app, "version": version, "service": service, "deployment": deployment}
    if refused := problems(services, deployments, **names):
        raise NotOurs("; ".join(refused))
    labels, drain = {"app": app, "version": version}, int(drain)
    present = named(deployments, deployment)
    container = {
        "name": app,
        "image": image,
        "env": [{"name": name, "value": _text(value)} for name, value in env.items()],
        "ports": [{"name": "http", "containerPort": int(port)}],
        "readinessProbe": {**_handler(probe_path), "periodSeconds": 2},
        "resources": resources,
    }
    if _sleeps(present, kubernetes):  # keep serving until every proxy knows that this pod stops
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": drain}}}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            # Longer than the container and its proxy need to finish their requests.
            "spec": {"terminationGracePeriodSeconds": drain + 30, "containers": [container]},
        },
    }
    if replicas is not None:
        spec["replicas"] = int(replicas)
    written = [_object("apps/v1", "Deployment", namespace, deployment, labels, present, spec)]
    if service:
        # It selects all versions: Istio decides which of them gets a request.
        ports = [{"name": "http", "port": int(service_port), "targetPort": int(port), "appProtocol": "http"}]
        spec = {"selector": {"app": app}, "ports": ports}
        written.insert(0, _object("v1", "Service", namespace, service, {"app": app}, named(services, service), spec))
    return {"definition": written}


def problems(
    services: list[Object],
    deployments: list[Object],
    *,
    namespace: str,
    app: str,
    version: str,
    service: str,
    deployment: str,
) -> list[str]:
    """One sentence for each of the two that is there and cannot be written; no service means that none is written."""
    found = named(services, service) if service else None
    problem = _service(found, app) if found else ""
    result = [f"Service {namespace}/{service}: {problem}"] if problem else []
    found = named(deployments, deployment)
    problem = _deployment(found, app, version) if found else ""
    return [*result, f"Deployment {namespace}/{deployment}: {problem}"] if problem else result


def _service(current: Object, app: str) -> str:
    if not is_managed(current):
        return not_ours("its selector and ports", f"{NO_SITE} give another name as canary_app or canary_service")
    selector = current["spec"].get("selector") or {}
    if selector in ({}, {"app": app}):
        return ""
    return (
        f"it selects pods by {json.dumps(selector)} and must select by app={app} alone, so that the pods of every "
        "version are behind it: correct its selector, or give another name as canary_service"
    )


def _deployment(current: Object, app: str, version: str) -> str:
    name = f"canary_versions.{version}.deployment"
    if not is_managed(current):
        return not_ours("its image, ports and probe", f"{NO_SITE} give another name as canary_app or {name}")
    selector: dict[str, Any] = (current["spec"].get("selector") or {}).get("matchLabels") or {}
    if selector in ({}, {"app": app, "version": version}):
        return ""
    return (
        f"it selects pods by {json.dumps(selector)}, not by app={app} and version={version}, and a selector cannot be "
        f"changed: give another name as {name}"
    )


def _object(
    api: str, kind: str, namespace: str, name: str, labels: dict[str, str], present: Object | None, spec: Object
) -> Object:
    """What is new is labelled as made by this collection, so that teardown recognizes it."""
    metadata = {"name": name, "namespace": namespace, "labels": labels if present else {**labels, **MANAGED_BY}}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def _handler(path: str) -> Object:
    """What is asked whether a container is ready: without a path its port."""
    return {"httpGet": {"path": path, "port": "http"}} if path else {"tcpSocket": {"port": "http"}}


def _text(value: object) -> str:
    """Kubernetes accepts only text, and YAML has numbers and truth values too."""
    return value if isinstance(value, str) else json.dumps(value)


def _sleeps(present: Object | None, kubernetes: str) -> bool:
    """Whether the container has a hook that sleeps: one that is there keeps what it has."""
    if present:
        return "lifecycle" in present["spec"]["template"]["spec"]["containers"][0]
    number = re.search(r"(\d+)\.(\d+)", kubernetes)
    return bool(number and (int(number[1]), int(number[2])) >= SLEEP_SINCE)
