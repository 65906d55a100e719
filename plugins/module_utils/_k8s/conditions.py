# SPDX-License-Identifier: GPL-3.0-or-later
"""The conditions of pods, nodes and Deployments. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def condition(found: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of this type in the status of an object; empty if it has none."""
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def is_true(found: Mapping[str, Any], kind: str) -> bool:
    """Whether the condition of this type is true."""
    return bool(condition(found, kind).get("status") == "True")


def is_ready(found: Mapping[str, Any]) -> bool:
    """Whether the condition Ready is true."""
    return is_true(found, "Ready")


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is neither being deleted nor completed or failed."""
    phase = (pod.get("status") or {}).get("phase")
    return not pod["metadata"].get("deletionTimestamp") and phase not in ("Succeeded", "Failed")


def keeps_serving(deployment: Mapping[str, Any]) -> bool:
    """Whether the Deployment keeps ready pods during a rolling restart."""
    spec = deployment["spec"]
    strategy, replicas = spec.get("strategy") or {}, spec.get("replicas", 1)
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or spec.get("paused"):
        return False
    most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%")
    missing = int(most.removesuffix("%")) * replicas // 100 if isinstance(most, str) else most
    return bool(missing < replicas)
