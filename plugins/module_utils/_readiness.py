# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What the pods of a version can carry, and in each pod's own words why they cannot. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SIDECAR = "istio-proxy"
AMBIENT = "ambient.istio.io/redirection"
NAMED = 3  # how many pods a sentence names


@dataclass(frozen=True)
class Version:
    """The pods of one version. ready: those that are ready and in the mesh; total: those that should be."""

    name: str
    ready: int
    total: int
    troubles: tuple[str, ...]

    def carries(self, whole: int, minimum: int | None = None) -> tuple[int, str]:
        """The percentage of all requests that the ready pods can take, and the reason if that is less than all.

        whole: how many pods all requests need. minimum: as many ready pods can take everything, fewer nothing.
        """
        if minimum is not None:
            upto, needed = (100 if self.ready >= minimum else 0), minimum
        else:
            upto, needed = min(100, self.ready * 100 // whole) if whole else 0, whole
        return upto, "" if upto == 100 else self._shortage(needed)

    def _shortage(self, needed: int) -> str:
        if not self.total:
            return "it has no pods"
        if self.ready == self.total:
            return f"its {self.ready} pods are ready, but all requests need {needed}; scale it up, or set min_ready"
        more = len(self.troubles) - NAMED
        reasons = "; ".join(self.troubles[:NAMED]) + (f"; and {more} more" if more > 0 else "")
        return f"{self.ready} of {max(needed, 1)} pods ready" + (f": {reasons}" if reasons else "")


def examine(name: str, labels: Mapping[str, str], pods: Iterable[Mapping[str, Any]]) -> Version:
    """The version that these labels tell from the other pods of the Service."""
    mine = [pod for pod in pods if _counts(pod) and labels.items() <= (pod["metadata"].get("labels") or {}).items()]
    troubles = {pod["metadata"]["name"]: trouble for pod in mine if (trouble := _trouble(pod))}
    return Version(
        name,
        ready=len(mine) - len(troubles),
        total=len(mine),
        troubles=tuple(f"pod {pod} {trouble}" for pod, trouble in sorted(troubles.items())),
    )


def unmade(labels: Mapping[str, str], deployments: Iterable[Mapping[str, Any]]) -> str:
    """Why there are no pods with these labels, as the Deployments that should make them say."""
    wanted = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    for deployment in deployments:
        name, template = deployment["metadata"]["name"], deployment["spec"]["template"]["metadata"].get("labels") or {}
        if not labels.items() <= template.items():
            continue
        for condition in _conditions(deployment):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                return f"Deployment {name} cannot make pods: {_sentence(condition)}"
        if not deployment["spec"].get("replicas", 1):
            return f"Deployment {name} is scaled to 0"
        return f"Deployment {name} has not made its pods yet"
    return f"no Deployment makes pods with {wanted}"


def _counts(pod: Mapping[str, Any]) -> bool:
    """Whether it is there to stay: neither being deleted nor at its end."""
    return not pod["metadata"].get("deletionTimestamp") and _status(pod).get("phase") not in ("Succeeded", "Failed")


def _trouble(pod: Mapping[str, Any]) -> str:
    if _true(pod, "Ready"):
        return "" if _in_mesh(pod) else "has no sidecar: restart it once its namespace is labelled for injection"
    return next(_reasons(pod), "is not ready")


def _in_mesh(pod: Mapping[str, Any]) -> bool:
    spec = pod["spec"]
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    annotations = pod["metadata"].get("annotations") or {}
    return any(container["name"] == SIDECAR for container in containers) or annotations.get(AMBIENT) == "enabled"


def _reasons(pod: Mapping[str, Any]) -> Iterator[str]:
    """Why it is not ready, the most telling first."""
    for condition in _conditions(pod):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"cannot be scheduled: {_sentence(condition)}"
    status = _status(pod)
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        reason = _waits(container) or _ended(container)
        if reason:
            yield f"container {container['name']} {reason}"
    for container in containers:
        if "running" in (container.get("state") or {}) and not container.get("ready"):
            restarts = container.get("restartCount", 0)
            again = f" after {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
            yield f"container {container['name']} runs{again}, but its readiness probe does not pass"
    gates = {gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []}
    closed = sorted(gate for gate in gates if not _true(pod, gate))
    if closed:
        yield f"waits for its readiness gate {closed[0]}"
    if status.get("reason") or status.get("message"):
        yield f"is not ready: {_sentence(status)}"


def _waits(container: Mapping[str, Any]) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason == "CrashLoopBackOff":
        last = (container.get("lastState") or {}).get("terminated") or {}
        return f"crashes (CrashLoopBackOff, {container.get('restartCount', 0)} restarts; last {_end(last)})"
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return f"cannot start: {_sentence(waiting)}"
    return ""


def _ended(container: Mapping[str, Any]) -> str:
    terminated = (container.get("state") or {}).get("terminated") or {}
    if not terminated or (terminated.get("exitCode") == 0 and terminated.get("reason") == "Completed"):
        return ""  # an init container that has done its work
    return f"ended ({_end(terminated)})"


def _end(terminated: Mapping[str, Any]) -> str:
    message = " ".join(str(terminated.get("message", "")).split())
    end = f"{terminated.get('reason', 'end unknown')}, exit code {terminated.get('exitCode', 'unknown')}"
    return f"{end}: {message}" if message else end


def _sentence(status: Mapping[str, Any]) -> str:
    return ": ".join(" ".join(str(status[key]).split()) for key in ("reason", "message") if status.get(key))


def _true(pod: Mapping[str, Any], kind: str) -> bool:
    return any(condition["type"] == kind and condition["status"] == "True" for condition in _conditions(pod))


def _conditions(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _status(pod).get("conditions") or []


def _status(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod.get("status") or {}
