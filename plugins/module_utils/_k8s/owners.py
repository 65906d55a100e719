# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who made a pod. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .selectors import labels_of

HASH = "pod-template-hash"  # the label whose value a Deployment appends to the name of its ReplicaSet


def owner_of(thing: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of the controller that made a pod or ReplicaSet; empty for one that was made by hand."""
    for reference in thing["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return reference["kind"], reference["name"]
    return "", ""


def deployment_of(pod: Mapping[str, Any]) -> str:
    """The Deployment that made a pod, which is in the name of its ReplicaSet; empty if another thing made it."""
    kind, name = owner_of(pod)
    suffix = f"-{labels_of(pod).get(HASH, '')}"
    return name.removesuffix(suffix) if kind == "ReplicaSet" and name.endswith(suffix) else ""


def workload_of(pod: Mapping[str, Any]) -> str:
    """The name by which Istio's metrics know the workload of a pod, such as that of its Deployment."""
    return deployment_of(pod) or owner_of(pod)[1] or str(pod["metadata"]["name"])
