# SPDX-License-Identifier: GPL-3.0-or-later
"""The controllers of pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .selectors import labels_of

HASH = "pod-template-hash"  # the label whose value a Deployment appends to the name of its ReplicaSet


def owner_of(thing: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of the controller of a pod or ReplicaSet; empty without one."""
    for reference in thing["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return reference["kind"], reference["name"]
    return "", ""


def deployment_of(pod: Mapping[str, Any]) -> str:
    """The Deployment of a pod, by the name of its ReplicaSet; empty for other controllers."""
    kind, name = owner_of(pod)
    suffix = f"-{labels_of(pod).get(HASH, '')}"
    return name.removesuffix(suffix) if kind == "ReplicaSet" and name.endswith(suffix) else ""


def workload_of(pod: Mapping[str, Any]) -> str:
    """The name of the workload of a pod in Istio's metrics, such as that of its Deployment."""
    return deployment_of(pod) or owner_of(pod)[1] or str(pod["metadata"]["name"])
