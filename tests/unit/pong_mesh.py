# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh: one service in two versions behind one VirtualService."""

from __future__ import annotations

import json
from typing import Any

from api_server import ApiServer, Object

NAMESPACE = "shop"
HOST = "pong.shop.svc.cluster.local"
ANNOTATION = "progressive.istio/canary"


def virtual_service(*weights: int | None, versions: tuple[str, ...] = ("v1", "v2"), **changes: Any) -> Object:
    """A route `primary` with these weights, after another route that nobody may touch."""
    destinations = [
        {"destination": {"host": HOST, "subset": version, "port": {"number": 80}}}
        | ({} if weight is None else {"weight": weight})
        for version, weight in zip(versions, weights, strict=True)
    ]
    other = {"name": "static", "match": [{"uri": {"prefix": "/static"}}], "route": [{"destination": {"host": "files"}}]}
    primary = {"name": "primary", "retries": {"attempts": 3}, "route": destinations}
    meta = {"name": "pong", "namespace": NAMESPACE, "resourceVersion": "7", "labels": {"team": "a"}}
    return {"metadata": meta, "spec": {"hosts": ["*"], "http": [other, primary], **changes}}


def destination_rule(*versions: str) -> Object:
    """A subset for each version."""
    subsets = [{"name": version, "labels": {"version": version}} for version in versions]
    return {"metadata": {"name": "pong", "namespace": NAMESPACE}, "spec": {"host": "pong", "subsets": subsets}}


def pod(version: str, number: int = 1, *, ready: bool = True, sidecar: bool = True, **status: Any) -> Object:
    """A pod of a version."""
    name = f"pong-{version}-{number}"
    containers = [{"name": "pong"}, *([{"name": "istio-proxy"}] if sidecar else [])]
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "pong", "version": version}, "uid": name},
        "spec": {"containers": containers},
        "status": {"phase": "Running", "conditions": [condition], **status},
    }


def deployment(version: str, replicas: int, name: str = "", **status: Any) -> Object:
    """The Deployment of a version."""
    template = {"metadata": {"labels": {"app": "pong", "version": version}}}
    meta = {"name": name or f"pong-{version}", "namespace": NAMESPACE}
    return {"metadata": meta, "spec": {"replicas": replicas, "template": template}, "status": status}


def made_by(replicas: str, thing: Object) -> Object:
    """The pod as that of ReplicaSet pong-VERSION-REPLICAS."""
    meta = thing["metadata"]
    owner = {"kind": "ReplicaSet", "name": f"pong-{meta['labels']['version']}-{replicas}", "controller": True}
    labels = {**meta["labels"], "pod-template-hash": replicas}
    return {**thing, "metadata": {**meta, "labels": labels, "ownerReferences": [owner]}}


def populate(server: ApiServer, weights: tuple[int, int] = (100, 0)) -> None:
    """Everything, with one ready pod of each version."""
    server.put("namespaces", {"metadata": {"name": NAMESPACE}})
    spec = {"selector": {"app": "pong"}, "ports": [{"name": "http", "port": 80}]}
    server.put("services", {"metadata": {"name": "pong", "namespace": NAMESPACE}, "spec": spec})
    server.put("destinationrules", destination_rule("v1", "v2", "v3"))
    server.put("virtualservices", virtual_service(*weights))
    for version in ("v1", "v2"):
        server.put("pods", pod(version))


def weights_of(server: ApiServer) -> dict[str, int]:
    """What the route says."""
    route = server.get("virtualservices", "pong", NAMESPACE)["spec"]["http"][1]["route"]
    return {entry["destination"]["subset"]: entry.get("weight") for entry in route}


def state_of(server: ApiServer) -> dict[str, Any]:
    """What the annotation says."""
    text = server.get("virtualservices", "pong", NAMESPACE)["metadata"].get("annotations", {}).get(ANNOTATION)
    return dict(json.loads(text)) if text else {}
