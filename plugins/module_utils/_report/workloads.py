# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs a version: its ready pods, its Deployments, and the images of its containers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._k8s.conditions import is_live
from .._k8s.pods import SIDECAR
from .._k8s.selectors import includes, labels_of, template_labels
from .._rollout.snapshot import Snapshot

Object = Mapping[str, Any]


def workloads_of(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """By version with a share. Without the right to read pods or Deployments, their lists are empty."""
    return {name: _workload(snapshot, name) for name in snapshot.shares}


def _workload(snapshot: Snapshot, name: str) -> dict[str, Any]:
    version, subset = snapshot.versions[name], snapshot.subsets.get(name)
    deployments: list[Object] = []
    pods: list[Object] = []
    if subset is not None:
        labels = {**snapshot.selects, **subset.labels}
        deployments = [each for each in snapshot.deployments or () if includes(labels, template_labels(each))]
        pods = [pod for pod in snapshot.pods or () if is_live(pod) and includes(labels, labels_of(pod))]
    specs = [pod["spec"] for pod in pods] or [each["spec"]["template"].get("spec") or {} for each in deployments]
    return {
        "ready": version.ready,
        "total": version.total,
        "deployments": sorted(str(each["metadata"]["name"]) for each in deployments),
        "images": _images(specs),
    }


def _images(specs: Iterable[Object]) -> list[str]:
    """Those of all containers but Istio's."""
    containers = [each for spec in specs for each in spec.get("containers") or []]
    return sorted({str(each["image"]) for each in containers if each["name"] != SIDECAR and each.get("image")})
