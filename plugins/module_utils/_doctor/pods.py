# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of versions and gateways that are not ready, grouped by Deployment, and how to fix them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._common.text import listing, plural
from .._istio.mesh import Mesh, Object, behind, name_of, serves
from .._k8s.conditions import condition, is_live, is_ready
from .._k8s.kubectl import describe, logs, scale, undo
from .._k8s.owners import deployment_of
from .._k8s.pods import is_starting, why_no_pods, why_not_ready
from .._k8s.selectors import includes, labels_of, template_labels
from .._preflight import subject as about
from .._preflight.finding import Finding, error
from .._preflight.timestamps import created, earliest, turned, written

PODS_READY = "pods_ready"
GATEWAY_PODS_READY = "gateway_pods_ready"
STARTING = timedelta(seconds=10)  # a new pod may take that long
NAMED = 2  # how many pods a sentence names
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class UnreadyPods:
    """A finding about pods, and the names of the objects whose events belong to it."""

    finding: Finding
    names: frozenset[str]


def unready_versions(mesh: Mesh, now: datetime) -> Iterator[UnreadyPods]:
    """The Deployments of the routed Services with pods that are not ready, or without pods and with requests."""
    if "pods" in mesh.unread or "services" in mesh.unread:
        return
    for service, _destinations in mesh.targets():
        pods = behind(service, mesh.pods)
        deployments = [each for each in mesh.deployments if serves(each, service)]
        known = {name_of(each).name for each in deployments}
        for deployment in deployments:
            mine = [pod for pod in pods if deployment_of(pod) == name_of(deployment).name]
            unready = [pod for pod in mine if _is_unready(pod, now)]
            theirs = _versions(mesh, service, template_labels(deployment))
            if unready:
                yield _unready(deployment, unready, len(mine), mesh.owns(name_of(service)), theirs)
            elif not mine and _share(mesh, service, deployment):
                yield _empty(mesh, service, deployment, [about.new_pods(name_of(service).namespace), *theirs])
        for pod in pods:
            if _is_unready(pod, now) and deployment_of(pod) not in known:
                yield _alone(PODS_READY, pod, _versions(mesh, service, labels_of(pod)))


def unready_gateways(mesh: Mesh, now: datetime) -> Iterator[UnreadyPods]:
    """The pods of the route's Gateways that are not ready."""
    pods = [] if "proxies" in mesh.unread else [pod for pod in mesh.proxies if is_live(pod) and _is_unready(pod, now)]
    for pod in pods:
        mine = [each for each in mesh.gateways if includes(each["spec"].get("selector") or {}, labels_of(pod))]
        down = [each for each in mine if not any(is_ready(one) for one in mesh.gateway_pods(each))]
        yield _alone(GATEWAY_PODS_READY, pod, [about.thing("Gateway", each) for each in down])


def _versions(mesh: Mesh, service: Object, labels: Mapping[str, str]) -> list[str]:
    """The destinations that send requests to pods with these labels."""
    found = []
    for destination in mesh.destinations():
        subset = mesh.subset(destination)
        defined = subset is not None or not destination.subset
        if destination.service == name_of(service) and defined and includes(subset.labels if subset else {}, labels):
            found.append(about.version(name_of(service), destination.subset))
    return found


def _unready(deployment: Object, pods: list[Object], total: int, own: bool, theirs: list[str]) -> UnreadyPods:
    why = [f"pod {name_of(pod).name} {why_not_ready(pod)}" for pod in sorted(pods, key=name_of)]
    problem = f"has {len(pods)} of {plural(total, 'pod')} not ready: {listing(why, NAMED, '; ')}"
    since = earliest(*(turned(pod, "Ready", f"pod {name_of(pod).name}") for pod in pods))
    if own and _is_unfinished(deployment) and all(_cannot_start(pod) for pod in pods):
        command, remedy = undo(deployment), "go back to the previous revision, or correct it"
    else:
        command, remedy = _command(pods[0]), "see why"
    theirs = [about.thing("Deployment", deployment), *theirs]
    finding = error("Deployment", deployment, problem, remedy, command, since, theirs, PODS_READY)
    return UnreadyPods(finding, frozenset(name_of(pod).name for pod in pods))


def _empty(mesh: Mesh, service: Object, deployment: Object, theirs: list[str]) -> UnreadyPods:
    share, why = _share(mesh, service, deployment), why_no_pods(template_labels(deployment), [deployment])
    problem = f"has no pod and gets {share:g} % of the requests: {why}"
    command, since = describe("Deployment", deployment), written(deployment, "spec", "replicas")
    if deployment["spec"].get("replicas", 1):
        since = turned(deployment, "ReplicaFailure", f"Deployment {name_of(deployment).name}")
        remedy = "see why"
    elif not mesh.owns(name_of(service)):
        remedy = "ask its owner why"
    else:
        replicas = [each["spec"].get("replicas", 1) for each in mesh.deployments if serves(each, service)]
        command, remedy = scale(deployment, max(1, *replicas)), "scale it up"
    theirs = [about.thing("Deployment", deployment), *theirs]
    finding = error("Deployment", deployment, problem, remedy, command, since, theirs, PODS_READY)
    return UnreadyPods(finding, frozenset({name_of(deployment).name}))


def _alone(check: str, pod: Object, theirs: Iterable[str]) -> UnreadyPods:
    name, problem = name_of(pod).name, f"is not ready: {why_not_ready(pod)}"
    since = turned(pod, "Ready", f"pod {name}") or created(pod, f"pod {name}")
    theirs = [about.thing("Pod", pod), *theirs]
    return UnreadyPods(error("Pod", pod, problem, "see why", _command(pod), since, theirs, check), frozenset({name}))


def _share(mesh: Mesh, service: Object, deployment: Object) -> float:
    """The greatest percentage of a rule's requests that only the pods of this Deployment can take."""
    others = [each for each in mesh.deployments if each is not deployment and serves(each, service)]
    shares = [0.0]
    for destination in mesh.destinations():
        subset = mesh.subset(destination)
        if destination.service != name_of(service) or not subset:
            continue
        if includes(subset.labels, template_labels(deployment)) and not any(
            includes(subset.labels, template_labels(each)) for each in others
        ):
            shares.append(destination.share)
    return max(shares)


def _is_unready(pod: Object, now: datetime) -> bool:
    """Whether it is not ready, and not only because it is new."""
    start = created(pod, "")
    is_new = start is not None and now - start.at < STARTING
    containers = pod["status"].get("containerStatuses") or []
    starts = all(is_starting(each) and not each.get("restartCount") for each in containers)
    return not is_ready(pod) and not (is_new and starts)


def _is_unfinished(deployment: Object) -> bool:
    """Whether its newest revision was never complete, and there is a previous one."""
    revision = int((deployment["metadata"].get("annotations") or {}).get(REVISION) or 0)
    reason = condition(deployment, "Progressing").get("reason", "NewReplicaSetAvailable")
    return revision > 1 and reason != "NewReplicaSetAvailable" and not deployment["spec"].get("paused")


def _cannot_start(pod: Object) -> bool:
    """Whether a container has failed, and is not only slow."""
    containers = pod["status"].get("containerStatuses") or []
    return any("terminated" in (each.get("state") or {}) or not is_starting(each) for each in containers)


def _command(pod: Object) -> str:
    """The command that shows most of why it is not ready."""
    for container in pod["status"].get("containerStatuses") or []:
        if container.get("restartCount") and not container.get("ready"):
            return logs(pod, container["name"], previous=True)
    return describe("Pod", pod)
