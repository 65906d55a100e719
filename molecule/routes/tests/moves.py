"""What the tests of all services here do: write an object of Istio, move a release, measure its split, start anew."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from molecule_helpers import Kube, module

NAMESPACE = "routes"
KUBE = Kube(NAMESPACE)
STEPS = [5, 20, 50, 100]
REQUESTED = int(os.environ.get("ROUTES_REQUESTS", "400"))  # by rule and step

Object = dict[str, Any]


def istio_object(kind: str, name: str, namespace: str = NAMESPACE, **spec: Any) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def move(name: str, state: str, **options: Any) -> Object:
    """Run the module on a VirtualService; nothing soaks unless that is asked for."""
    stepwise = {"interval": 0, "watch": 0} if state == "advanced" else {}
    fixed = {"name": name, "namespace": NAMESPACE, "wait_timeout": 60, "proof_timeout": 60, "state": state}
    return module("canary", **{**fixed, **stepwise, **options})


def split(url: str, host: str, shares: Mapping[str, int], **headers: str) -> Object:
    """How requests split, against the exact 99.9 % ranges of these shares by version."""
    return module(
        "traffic_probe",
        url=url,
        headers={"Host": host, **headers},
        requests=REQUESTED,
        concurrency=8,
        deadline=300,
        expect=dict(shares),
        version_pattern=f"({'|'.join(shares)})",
    )


def start_anew(name: str, rules: Sequence[Object]) -> None:
    """Give a VirtualService these rules, and no release that is known."""
    operations = [
        {"op": "replace", "path": "/spec/http", "value": rules},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
    ]
    KUBE.run("patch", "virtualservice", name, "--type=json", "-p", json.dumps(operations))
