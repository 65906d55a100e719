# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What Kubernetes says of the state of a pod, a node or a Deployment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_ready(thing: Mapping[str, Any]) -> bool:
    """Whether its condition Ready is true."""
    conditions: list[Mapping[str, str]] = thing["status"].get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether the pod is there to stay: neither being deleted nor at its end."""
    return not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed")


def keeps_serving(deployment: Mapping[str, Any]) -> bool:
    """Whether it has ready pods all the while that a restart replaces them."""
    spec = deployment["spec"]
    strategy, replicas = spec.get("strategy") or {}, spec.get("replicas", 1)
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or spec.get("paused"):
        return False
    most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%")
    missing = int(most.removesuffix("%")) * replicas // 100 if isinstance(most, str) else most
    return bool(missing < replicas)
