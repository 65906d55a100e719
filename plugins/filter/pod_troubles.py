# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in the cluster's own words why pods are not ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable


def pod_troubles(pods: list[Mapping[str, Any]], owners: list[Mapping[str, Any]] | None = None) -> list[str]:
    """One sentence for each pod that is not ready, and for each owner that could not make its pods."""
    troubles = [f"{one['kind']} {one['metadata']['name']}: {why}" for one in owners or [] for why in _unmade(one)]
    for pod in pods:
        status = pod.get("status") or {}
        conditions = {one["type"]: one for one in status.get("conditions") or []}
        if pod["metadata"].get("deletionTimestamp") or conditions.get("Ready", {}).get("status") == "True":
            continue
        reasons = list(_reasons(status, conditions)) or [f"is {status.get('phase', 'Pending')} and not ready"]
        troubles.append(f"Pod {pod['metadata']['name']}: {'; '.join(reasons)}")
    return [printable(each) for each in troubles]


def _unmade(owner: Mapping[str, Any]) -> Iterator[str]:
    for condition in (owner.get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield f"{condition['reason']}: {condition['message']}"


def _reasons(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        yield f"{scheduled.get('reason')}: {scheduled.get('message')}"
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state, name = container.get("state") or {}, container["name"]
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        waiting = state.get("waiting") or {}
        if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            message = waiting.get("message") or ""
            yield f"container {name}: {waiting['reason']}{': ' if message else ''}{message}{_last(ended)}"
        elif ended.get("exitCode") and not container.get("ready"):
            yield f"container {name} ended{_last(ended)}"
        elif "running" in state and not container.get("ready"):
            yield f"container {name} runs, but its readiness probe does not succeed"


def _last(ended: Mapping[str, Any]) -> str:
    return f" (exit code {ended['exitCode']}, {ended.get('reason', 'no reason')})" if ended else ""


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"pod_troubles": pod_troubles}
