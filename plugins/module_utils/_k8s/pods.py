# SPDX-License-Identifier: GPL-3.0-or-later
"""How many pods of a version are ready for requests, and why the others are not. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._common.text import plural
from .conditions import condition, is_live, is_ready, is_true
from .owners import deployment_of, owner_of
from .selectors import includes, labels_of, template_labels

SIDECAR = "istio-proxy"
AMBIENT = "ambient.istio.io/redirection"
NAMED = 3  # how many pods a sentence names


@dataclass(frozen=True)
class Version:
    """The pods of one version.

    ready: pods that are ready and in the mesh. total: desired pods, without the surge of a rolling update and without
    the failed pods of an older one. absent: why there is no pod at all.
    """

    name: str
    ready: int
    total: int
    problems: tuple[str, ...]
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
        """The percentage of its desired pods that are ready, 0 only without any; `minimum` ready pods count as all."""
        if minimum is not None and self.ready >= minimum:
            return 100
        return max(_percent(self.ready, self.total), min(self.ready, 1))

    @property
    def lack(self) -> str:
        """Why not all of its desired pods are ready; empty if they are."""
        return self.carries(max(self.total, 1))[1]

    @property
    def count(self) -> str:
        """How many of the desired pods are ready, such as "1 of 2"."""
        return f"{min(self.ready, self.total)} of {self.total}"

    def _shortage(self, needed: int) -> str:
        if self.absent:
            return f"it has no pods ({self.absent})"
        if not self.total and not self.ready:
            return "it has no pods"
        if self.ready >= self.total:
            ready = f"its {plural(self.ready, 'pod')} {'is' if self.ready == 1 else 'are'} ready"
            return f"{ready}, but all requests need {needed}; scale it up, or set min_ready (canary_min_ready)"
        more = len(self.problems) - NAMED
        reasons = "; ".join(self.problems[:NAMED]) + (f"; and {more} more" if more > 0 else "")
        return f"{self.ready} of {plural(max(needed, 1), 'pod')} ready" + (f": {reasons}" if reasons else "")


def examine(
    name: str,
    labels: Mapping[str, str],
    pods: Iterable[Mapping[str, Any]],
    deployments: Iterable[Mapping[str, Any]] | None = None,
) -> Version:
    """The version whose pods have these labels.

    deployments: all of the namespace, for the number of desired pods; None if not known, then the pods are counted.
    """
    mine = [pod for pod in pods if is_live(pod) and includes(labels, labels_of(pod))]
    makers = {_name(each): each for each in deployments or () if _makes(each, labels)}
    problems = {_name(pod): problem for pod in mine if (problem := _problem(pod))}
    listed = [f"pod {pod} {problem}" for pod, problem in sorted(problems.items())]
    total = sum(map(_replicas, makers.values())) + _desired([pod for pod in mine if deployment_of(pod) not in makers])
    if len(mine) < total:
        listed += [
            f"Deployment {maker} cannot make pods: {failure}"
            for maker, each in sorted(makers.items())
            if (failure := create_failure(each))
        ]
    return Version(
        name,
        ready=len(mine) - len(problems),
        total=total,
        problems=tuple(listed),
        absent="" if mine or deployments is None else why_no_pods(labels, makers.values()),
    )


def containers_of(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The containers of a pod with its init containers, one of which a native sidecar is."""
    return [*(pod["spec"].get("containers") or []), *(pod["spec"].get("initContainers") or [])]


def environment_of(pod: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of a pod's containers that have a literal value, by name."""
    variables = [each for container in containers_of(pod) for each in container.get("env") or []]
    return {each["name"]: each["value"] for each in variables if each.get("value") is not None}


def has_sidecar(pod: Mapping[str, Any]) -> bool:
    """Whether Istio's proxy is a container of the pod, or a native sidecar among its init containers."""
    return any(container["name"] == SIDECAR for container in containers_of(pod))


def in_mesh(pod: Mapping[str, Any]) -> bool:
    """Whether the pod has a sidecar or is part of the ambient mesh."""
    return has_sidecar(pod) or (pod["metadata"].get("annotations") or {}).get(AMBIENT) == "enabled"


def why_not_ready(pod: Mapping[str, Any]) -> str:
    """Why a pod is not ready, such as "cannot be scheduled: ..."; empty for one that is."""
    return "" if is_ready(pod) else next(_reasons(pod), "is not ready")


def create_failure(owner: Mapping[str, Any]) -> str:
    """Why a Deployment or ReplicaSet cannot create pods, such as an exceeded quota; empty if it can."""
    return _sentence(condition(owner, "ReplicaFailure")) if is_true(owner, "ReplicaFailure") else ""


def why_no_pods(labels: Mapping[str, str], deployments: Iterable[Mapping[str, Any]]) -> str:
    """Why there are no pods with these labels, by the status of the Deployments that should make them."""
    makers = [each for each in deployments if _makes(each, labels)]
    for each in makers:
        if failure := create_failure(each):
            return f"Deployment {_name(each)} cannot make pods: {failure}"
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


def _desired(pods: Iterable[Mapping[str, Any]]) -> int:
    """How many pods are desired, judged by the pods: those of a rolling update replace each other."""
    updates: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for pod in pods:
        updates[deployment_of(pod)].append(pod)
    alone = updates.pop("", [])
    return len(alone) + sum(map(_desired_of_one, updates.values()))


def _desired_of_one(pods: Collection[Mapping[str, Any]]) -> int:
    replicas = Counter(owner_of(pod) for pod in pods)
    return max(*replicas.values(), sum(not _problem(pod) for pod in pods))


def _makes(deployment: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return not deployment["metadata"].get("deletionTimestamp") and includes(labels, template_labels(deployment))


def _name(found: Mapping[str, Any]) -> str:
    return str(found["metadata"]["name"])


def _replicas(deployment: Mapping[str, Any]) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _problem(pod: Mapping[str, Any]) -> str:
    if is_ready(pod):
        return "" if in_mesh(pod) else "has no sidecar: restart it once its namespace is labelled for injection"
    return why_not_ready(pod)


def _reasons(pod: Mapping[str, Any]) -> Iterator[str]:
    """The most precise reason first."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"cannot be scheduled: {_sentence(scheduled)}"
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        if reason := _waits(container) or _ended(container):
            yield f"container {container['name']} {reason}"
    for container in containers:
        if "running" in (container.get("state") or {}) and not container.get("ready"):
            restarts = container.get("restartCount", 0)
            again = f" after {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
            yield f"container {container['name']} runs{again}, but its readiness probe does not pass"
    gates = {gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []}
    closed = sorted(gate for gate in gates if not is_true(pod, gate))
    if closed:
        yield f"waits for its readiness gate {closed[0]}"
    if status.get("reason") or status.get("message"):
        yield f"is not ready: {_sentence(status)}"


def _waits(container: Mapping[str, Any]) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") == "CrashLoopBackOff":
        last = (container.get("lastState") or {}).get("terminated") or {}
        return f"crashes (CrashLoopBackOff, {container.get('restartCount', 0)} restarts; last {_end(last)})"
    if not is_starting(container):
        return f"cannot start: {_sentence(waiting)}"
    return ""


def is_starting(container: Mapping[str, Any]) -> bool:
    """Whether the status of a container shows no reason but start-up for which it waits."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    return waiting.get("reason", "") in ("", "ContainerCreating", "PodInitializing")


def _ended(container: Mapping[str, Any]) -> str:
    terminated = (container.get("state") or {}).get("terminated") or {}
    if not terminated or (terminated.get("exitCode") == 0 and terminated.get("reason") == "Completed"):
        return ""  # an init container that is done
    return f"ended ({_end(terminated)})"


def _end(terminated: Mapping[str, Any]) -> str:
    message = " ".join(str(terminated.get("message", "")).split())
    end = f"{terminated.get('reason', 'end unknown')}, exit code {terminated.get('exitCode', 'unknown')}"
    return f"{end}: {message}" if message else end


def _sentence(status: Mapping[str, Any]) -> str:
    return ": ".join(" ".join(str(status[key]).split()) for key in ("reason", "message") if status.get(key))
