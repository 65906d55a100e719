# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The pods behind a route and in front of it that are not ready, by what made them, and what mends them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .._common.text import plural
from .._istio.mesh import Mesh, Object, behind, name_of
from .._k8s.conditions import is_live, is_ready
from .._k8s.kubectl import describe, logs, scale, undo
from .._k8s.owners import deployment_of
from .._k8s.pods import why_no_pods, why_not_ready
from .._k8s.selectors import includes, labels_of
from .._preflight import subject as about
from .._preflight.finding import Finding, error
from .._preflight.timestamps import created, earliest, turned, written

PODS_READY = "pods_ready"
GATEWAY_PODS_READY = "gateway_pods_ready"
STARTING = timedelta(seconds=10)  # a pod may take that long without being called ill
NAMED = 2  # how many pods a sentence names
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class UnreadyPods:
    """What is not well, and the names by which the cluster's events tell of it."""

    finding: Finding
    names: frozenset[str]


def unready_versions(mesh: Mesh, now: datetime) -> Iterator[UnreadyPods]:
    """The Deployments of the routed Services with pods that are not ready, or without pods and with requests."""
    if "pods" in mesh.unread or "services" in mesh.unread:
        return
    for service, _destinations in mesh.targets():
        pods = behind(service, mesh.pods)
        deployments = [each for each in mesh.deployments if _serves(each, service)]
        known = {name_of(each).name for each in deployments}
        for deployment in deployments:
            mine = [pod for pod in pods if deployment_of(pod) == name_of(deployment).name]
            ill = [pod for pod in mine if _is_ill(pod, now)]
            if ill:
                found = _unready(deployment, ill, len(mine), mesh.owns(name_of(service)))
                yield _of(found, _versions(mesh, service, _template(deployment)))
            elif not mine and _share(mesh, service, deployment):
                theirs = [about.new_pods(name_of(service).namespace)]
                theirs += _versions(mesh, service, _template(deployment))
                yield _of(_empty(mesh, service, deployment), theirs)
        for pod in pods:
            if _is_ill(pod, now) and deployment_of(pod) not in known:
                yield _of(_alone(PODS_READY, pod), _versions(mesh, service, labels_of(pod)))


def unready_gateways(mesh: Mesh, now: datetime) -> Iterator[UnreadyPods]:
    """The pods of the route's Gateways that are not ready."""
    pods = [] if "proxies" in mesh.unread else [pod for pod in mesh.proxies if is_live(pod) and _is_ill(pod, now)]
    for pod in pods:
        mine = [each for each in mesh.gateways if includes(each["spec"].get("selector") or {}, labels_of(pod))]
        down = [each for each in mine if not any(is_ready(one) for one in mesh.gateway_pods(each))]
        yield _of(_alone(GATEWAY_PODS_READY, pod), [about.thing("Gateway", each) for each in down])


def _of(ill: UnreadyPods, theirs: Iterable[str]) -> UnreadyPods:
    """The same, with what else it is about."""
    return replace(ill, finding=replace(ill.finding, about=frozenset({ill.finding.place, *theirs})))


def _versions(mesh: Mesh, service: Object, labels: Mapping[str, str]) -> list[str]:
    """The destinations whose requests pods with these labels take."""
    found = []
    for destination in mesh.destinations():
        subset = mesh.subset(destination)
        wanted: Mapping[str, str] = subset.labels if subset else {}
        defined = subset is not None or not destination.subset
        if destination.service == name_of(service) and defined and includes(wanted, labels):
            found.append(about.version(name_of(service), destination.subset))
    return found


def _template(deployment: Object) -> Mapping[str, str]:
    return deployment["spec"]["template"]["metadata"].get("labels") or {}


def _unready(deployment: Object, ill: list[Object], total: int, own: bool) -> UnreadyPods:
    troubles = [f"pod {name_of(pod).name} {why_not_ready(pod)}" for pod in sorted(ill, key=name_of)]
    more = f"; and {len(troubles) - NAMED} more" if len(troubles) > NAMED else ""
    problem = f"has {len(ill)} of {plural(total, 'pod')} not ready: {'; '.join(troubles[:NAMED])}{more}"
    since = earliest(*(turned(pod, "Ready", f"pod {name_of(pod).name}") for pod in ill))
    if own and _is_unfinished(deployment) and all(_cannot_start(pod) for pod in ill):
        command = undo(deployment)
        remedy = f"go back to what it ran before, or correct it: {command}"
    else:
        command = _look(ill[0])
        remedy = f"see why: {command}"
    finding = error("Deployment", deployment, problem, remedy, command, since)
    return UnreadyPods(replace(finding, check=PODS_READY), frozenset(name_of(pod).name for pod in ill))


def _empty(mesh: Mesh, service: Object, deployment: Object) -> UnreadyPods:
    name, labels = name_of(deployment), _template(deployment)
    share, why = _share(mesh, service, deployment), why_no_pods(labels, [deployment])
    problem = f"has no pod and gets {share:g} % of the requests: {why}"
    if deployment["spec"].get("replicas", 1):
        command = describe("Deployment", deployment)
        since = turned(deployment, "ReplicaFailure", f"Deployment {name.name}")
        remedy = f"see why: {command}"
    elif not mesh.owns(name_of(service)):
        command = describe("Deployment", deployment)
        since = written(deployment, "spec", "replicas")
        remedy = f"ask whoever it belongs to, why it is: {command}"
    else:
        wanted = max(
            (each["spec"].get("replicas", 1) for each in mesh.deployments if _serves(each, service)), default=1
        )
        command = scale(deployment, max(wanted, 1))
        since = written(deployment, "spec", "replicas")
        remedy = f"scale it up: {command}"
    finding = error("Deployment", deployment, problem, remedy, command, since)
    return UnreadyPods(replace(finding, check=PODS_READY), frozenset({name.name}))


def _alone(check: str, pod: Object) -> UnreadyPods:
    name = name_of(pod)
    since = turned(pod, "Ready", f"pod {name.name}") or created(pod, f"pod {name.name}")
    command = _look(pod)
    finding = error("Pod", pod, f"is not ready: {why_not_ready(pod)}", f"see why: {command}", command, since)
    return UnreadyPods(replace(finding, check=check), frozenset({name.name}))


def _serves(deployment: Object, service: Object) -> bool:
    selector = service["spec"].get("selector") or {}
    labels = _template(deployment)
    same = name_of(deployment).namespace == name_of(service).namespace
    return bool(selector) and same and includes(selector, labels)


def _share(mesh: Mesh, service: Object, deployment: Object) -> float:
    """The greatest part of the requests of a rule that only the pods of this Deployment can take."""
    labels: Mapping[str, str] = _template(deployment)
    others = [each for each in mesh.deployments if each is not deployment and _serves(each, service)]
    shares = [0.0]
    for destination in mesh.destinations():
        subset = mesh.subset(destination)
        if destination.service != name_of(service) or not subset or not includes(subset.labels, labels):
            continue
        if not any(
            includes(subset.labels, each["spec"]["template"]["metadata"].get("labels") or {}) for each in others
        ):
            shares.append(destination.share)
    return max(shares)


def _is_ill(pod: Object, now: datetime) -> bool:
    """Whether it is not ready and does not just start."""
    if is_ready(pod):
        return False
    start = created(pod, "")
    starts = start is not None and now - start.at < STARTING
    return not (starts and all(_starts(each) for each in pod["status"].get("containerStatuses") or []))


def _starts(container: Mapping[str, Any]) -> bool:
    waiting = (container.get("state") or {}).get("waiting") or {}
    return not container.get("restartCount") and waiting.get("reason", "") in (
        "",
        "ContainerCreating",
        "PodInitializing",
    )


def _is_unfinished(deployment: Object) -> bool:
    """Whether its newest revision never came to run, and there is one before it."""
    revision = int((deployment["metadata"].get("annotations") or {}).get(REVISION) or 0)
    conditions = (deployment.get("status") or {}).get("conditions") or []
    reasons = [each.get("reason") for each in conditions if each["type"] == "Progressing"]
    unfinished = bool(reasons) and reasons[0] != "NewReplicaSetAvailable"
    return revision > 1 and unfinished and not deployment["spec"].get("paused")


def _cannot_start(pod: Object) -> bool:
    """Whether a pod fails for certain, and does not only take its time."""
    states = [each.get("state") or {} for each in pod["status"].get("containerStatuses") or []]
    reasons = [(state.get("waiting") or {}).get("reason", "") for state in states]
    return any("terminated" in state for state in states) or any(
        reason not in ("", "ContainerCreating", "PodInitializing") for reason in reasons
    )


def _look(pod: Object) -> str:
    """The command that shows most of why it is not ready."""
    for container in pod["status"].get("containerStatuses") or []:
        if container.get("restartCount") and not container.get("ready"):
            return logs(pod, container["name"], previous=True)
    return describe("Pod", pod)
