# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What the pods of a version can carry, and in each pod's own words why they cannot. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .owners import deployment_of, owner_of
from .selectors import labels_of

SIDECAR = "istio-proxy"
AMBIENT = "ambient.istio.io/redirection"
NAMED = 3  # how many pods a sentence names


@dataclass(frozen=True)
class Version:
    """The pods of one version.

    ready: pods that are ready and in the mesh. total: pods that are wanted, which the surge of a rolling update and the
    wreck of an older one are not. absent: why there is no pod at all.
    """

    name: str
    ready: int
    total: int
    troubles: tuple[str, ...]
    absent: str = ""

    def carries(self, whole: int, minimum: int | None = None) -> tuple[int, str]:
        """The percentage of all requests that the ready pods can take, and the reason if that is less than all.

        whole: how many pods all requests need. minimum: as many ready pods can take everything, fewer nothing.
        """
        if minimum is not None:
            upto, needed = (100 if self.ready >= minimum else 0), minimum
        else:
            upto, needed = _percent(self.ready, whole), whole
        return upto, "" if upto == 100 else self._shortage(needed)

    def filled(self, minimum: int | None = None) -> int:
        """The percentage of its own wanted pods that are ready, 0 only without any; `minimum` are as good as all."""
        if minimum is not None and self.ready >= minimum:
            return 100
        return max(_percent(self.ready, self.total), min(self.ready, 1))

    @property
    def lack(self) -> str:
        """Why not all of its wanted pods are ready; empty if they are."""
        return self.carries(max(self.total, 1))[1]

    @property
    def count(self) -> str:
        """How many of the wanted pods are ready."""
        return f"{min(self.ready, self.total)} of {self.total}"

    def _shortage(self, needed: int) -> str:
        if self.absent:
            return f"it has no pods ({self.absent})"
        if not self.total and not self.ready:
            return "it has no pods"
        if self.ready >= self.total:
            return f"its {self.ready} pods are ready, but all requests need {needed}; scale it up, or set min_ready"
        more = len(self.troubles) - NAMED
        reasons = "; ".join(self.troubles[:NAMED]) + (f"; and {more} more" if more > 0 else "")
        return f"{self.ready} of {max(needed, 1)} pods ready" + (f": {reasons}" if reasons else "")


def examine(
    name: str,
    labels: Mapping[str, str],
    pods: Iterable[Mapping[str, Any]],
    deployments: Iterable[Mapping[str, Any]] | None = None,
) -> Version:
    """The version whose pods have these labels.

    deployments: all of the namespace, for how many pods are wanted. None: not known, so the pods tell it as far as
    they can.
    """
    mine = [pod for pod in pods if _counts(pod) and labels.items() <= labels_of(pod).items()]
    makers = {_name(each): each for each in deployments or () if _makes(each, labels)}
    troubles = {pod["metadata"]["name"]: trouble for pod in mine if (trouble := _trouble(pod))}
    told = [f"pod {pod} {trouble}" for pod, trouble in sorted(troubles.items())]
    total = sum(map(_replicas, makers.values())) + _wanted([pod for pod in mine if deployment_of(pod) not in makers])
    if len(mine) < total:
        told += [f"Deployment {maker} {stuck}" for maker, each in sorted(makers.items()) if (stuck := _stuck(each))]
    return Version(
        name,
        ready=len(mine) - len(troubles),
        total=total,
        troubles=tuple(told),
        absent="" if mine or deployments is None else unmade(labels, makers.values()),
    )


def unmade(labels: Mapping[str, str], deployments: Iterable[Mapping[str, Any]]) -> str:
    """Why there are no pods with these labels, as the Deployments that should make them say."""
    makers = [each for each in deployments if _makes(each, labels)]
    for each in makers:
        if stuck := _stuck(each):
            return f"Deployment {_name(each)} {stuck}"
    for each in makers:
        if _replicas(each):
            return f"Deployment {_name(each)} has not made its pods yet"
    for each in makers:
        return f"Deployment {_name(each)} is scaled to 0"
    return f"no Deployment makes pods with {','.join(f'{key}={value}' for key, value in sorted(labels.items()))}"


def _percent(ready: int, needed: int) -> int:
    if not needed:
        return 100 if ready else 0
    return min(100, ready * 100 // needed)


def _wanted(pods: Iterable[Mapping[str, Any]]) -> int:
    """How many pods are wanted, as far as the pods tell: those of a rolling update stand for each other."""
    updates: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for pod in pods:
        updates[deployment_of(pod)].append(pod)
    alone = updates.pop("", [])
    return len(alone) + sum(map(_wanted_of_one, updates.values()))


def _wanted_of_one(pods: Collection[Mapping[str, Any]]) -> int:
    replicas = Counter(owner_of(pod) for pod in pods)
    return max(*replicas.values(), sum(not _trouble(pod) for pod in pods))


def _makes(deployment: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    template = deployment["spec"]["template"].get("metadata") or {}
    going = deployment["metadata"].get("deletionTimestamp")
    return not going and labels.items() <= (template.get("labels") or {}).items()


def _name(deployment: Mapping[str, Any]) -> str:
    return str(deployment["metadata"]["name"])


def _replicas(deployment: Mapping[str, Any]) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _stuck(deployment: Mapping[str, Any]) -> str:
    for condition in _conditions(deployment):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"cannot make pods: {_sentence(condition)}"
    return ""


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
