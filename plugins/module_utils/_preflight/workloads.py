# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for what a Service leads to: pods, ports, selectors, and replicas in proportion to weights. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, permutations
from math import ceil
from typing import Any

from .._common.text import listing, plural
from .._istio.mesh import Mesh, Object, RuleDestination, behind, name_of, serves
from .._k8s.conditions import is_ready
from .._k8s.kubectl import describe_pods, patch, replace, show
from .._k8s.pods import examine, why_no_pods
from .._k8s.selectors import as_text, labels_of, selects, template_labels
from .._routing.hosts import ServiceName
from . import subject as about
from .finding import Finding, error, warning
from .timestamps import Timestamp, written

_SERVICE = "Service"
_DEPLOYMENT = "Deployment"

# What Istio reads as HTTP: the first word of the port's name, or the whole appProtocol.
_HTTP_NAMES = frozenset({"http", "http2", "grpc", "https"})
_HTTP_PROTOCOLS = _HTTP_NAMES | {"grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss"}


@dataclass(frozen=True)
class _Version:
    """One destination of a rule and what is behind it: the pods of its Service that have the labels of its subset."""

    destination: RuleDestination
    service: Object
    labels: Mapping[str, str]
    pods: tuple[Object, ...]

    @property
    def ready(self) -> int:
        return sum(map(is_ready, self.pods))


def subset_selects_ready_pods(mesh: Mesh) -> Iterator[Finding]:
    """Every version that a route names has at least one ready pod."""
    for version in _versions(mesh):
        if version.ready:
            continue
        subset, share = version.destination.subset, version.destination.share
        namespace = version.service["metadata"]["namespace"]
        selector = {**version.service["spec"]["selector"], **version.labels}
        deployments = [each for each in mesh.deployments if name_of(each).namespace == namespace]
        why = listing(examine("", {}, version.pods).problems, separator="; ") or why_no_pods(selector, deployments)
        lacks = f"has 0 ready of {plural(len(version.pods), 'pod')}{_of(subset)}"
        problem = f"{lacks}, which gets {share:g} % of the requests: {why}"
        command, since = _relabel(mesh, version) if share and not version.pods else ("", None)
        remedy = "select the pods with its name"
        if not command:
            command = describe_pods(namespace, as_text(selector))
            remedy = "see why"
        theirs = _concerned(version, made=bool(version.pods))
        yield (error if share else warning)(_SERVICE, version.service, problem, remedy, command, since, theirs)


def capacity_for_weight(mesh: Mesh) -> Iterator[Finding]:
    """A version has ready pods in proportion to its weight, compared with the version that has the most."""
    for _rule, versions in groupby(_versions(mesh), key=_rule_of):
        rivals = list(versions)
        most = max(version.ready for version in rivals)
        for version in rivals:
            destination = version.destination
            needed = ceil(destination.share * most / 100)
            if 0 < version.ready < needed:
                problem = (
                    f"has {plural(version.ready, 'ready pod')}{_of(destination.subset)} for "
                    f"{destination.share:g} % of the requests, where {most} carry all"
                )
                remedy = f"scale that version to {plural(needed, 'replica')}"
                theirs = _concerned(version, made=len(version.pods) >= needed)
                yield warning(_SERVICE, version.service, problem, remedy, about=theirs)


def service_selector_without_version(mesh: Mesh) -> Iterator[Finding]:
    """The selector of a Service does not select one version: subsets do."""
    for service, destinations in mesh.targets():
        selector = service["spec"].get("selector") or {}
        named = {key for each in destinations for key in _labels(mesh, each)} & set(selector)
        defined = [subset.labels for each in destinations for subset in mesh.subsets(each).values()]
        # A subset may repeat what all pods of the Service have.
        differ = {key for key in named if any(each.get(key, selector[key]) != selector[key] for each in defined)}
        for key in sorted(differ):
            problem = f"selects by {key}={selector[key]}, the label that its subsets differ in, so others get no pods"
            command = show(_SERVICE, service)  # without it, callers without a route would get the other versions
            remedy = f"remove {key} from its selector if no caller needs it, or route to a Service of all versions"
            since = written(service, "spec", "selector")
            theirs = [
                about.version(name_of(service), each.subset)
                for each in destinations
                if _labels(mesh, each).get(key, selector[key]) != selector[key]
            ]
            yield error(_SERVICE, service, problem, remedy, command, since, theirs)


def deployments_apart(mesh: Mesh) -> Iterator[Finding]:
    """No Deployment of a Service selects the pods of another one."""
    for service, _destinations in mesh.targets():
        for one, other in permutations([each for each in mesh.deployments if serves(each, service)], 2):
            if selects(one["spec"]["selector"], template_labels(other)):
                by = as_text(one["spec"]["selector"].get("matchLabels") or {})
                problem = f"selects by {by}, which the pods of Deployment {name_of(other).name} have too"
                remedy = (
                    "replace it, once the new pods are ready, by a Deployment with the version in "
                    "spec.selector.matchLabels, since that field cannot be changed"
                )
                yield error(_DEPLOYMENT, one, problem, remedy, show(_DEPLOYMENT, one))


def port_named_http(mesh: Mesh) -> Iterator[Finding]:
    """A port that gets HTTP is declared as HTTP, so that proxies do not have to detect it."""
    for service, destinations in mesh.targets():
        ports = service["spec"].get("ports") or []
        wanted = {each.port for each in destinations if each.rule.protocol == "http"}
        for port in ports:
            routed = port["port"] in wanted or (None in wanted and len(ports) == 1)
            if not routed or _is_http(port):
                continue
            called = f"is named {port['name']} and has" if port.get("name") else "has no name and"
            command = show(_SERVICE, service)  # a port of gRPC must not be declared as HTTP/1
            remedy = "set appProtocol to its protocol, such as http, http2 or grpc"
            problem = f"gets HTTP on port {port['port']}, which {called} no appProtocol that says HTTP"
            yield warning(_SERVICE, service, problem, remedy, command, written(service, "spec", "ports"))


def _concerned(version: _Version, made: bool) -> list[str]:
    """What a lack of ready pods concerns; also the creation of new pods, unless all exist."""
    name = name_of(version.service)
    return [about.version(name, version.destination.subset), *([] if made else [about.new_pods(name.namespace)])]


def _relabel(mesh: Mesh, version: _Version) -> tuple[str, Timestamp | None]:
    """The command that makes a subset select the pods with its name, and since when it does not."""
    name, service = version.destination.subset, name_of(version.service)
    rules = [rule for rule in mesh.rules_for(service) if name_of(rule).namespace == service.namespace]
    for rule in rules if mesh.owns(service) else []:
        for index, subset in enumerate(rule["spec"].get("subsets") or []):
            keys = list(subset.get("labels") or {})
            named = [pod for pod in behind(version.service, mesh.pods) if keys and labels_of(pod).get(keys[0]) == name]
            if subset["name"] == name and len(keys) == 1 and named:
                change = replace(f"/spec/subsets/{index}/labels", {keys[0]: name})
                return patch("DestinationRule", rule, [change]), written(rule, "spec", "subsets")
    return "", None


def _versions(mesh: Mesh) -> Iterator[_Version]:
    """The destinations, each once in a rule, of Services with a selector and of defined subsets."""
    seen = set()
    for destination in mesh.destinations():
        service = mesh.service(destination.service) if destination.service else None
        mark = (name_of(destination.virtual_service), destination.rule.label, destination.host, destination.subset)
        if mark in seen or not service or not service["spec"].get("selector"):
            continue
        seen.add(mark)
        if not destination.subset or mesh.subset(destination):
            labels = _labels(mesh, destination)
            yield _Version(destination, service, labels, tuple(behind(service, mesh.pods, labels)))


def _of(subset: str) -> str:
    return f" of subset {subset}" if subset else ""


def _rule_of(version: _Version) -> tuple[ServiceName, str]:
    return name_of(version.destination.virtual_service), version.destination.rule.label


def _labels(mesh: Mesh, destination: RuleDestination) -> Mapping[str, str]:
    subset = mesh.subset(destination)
    return subset.labels if subset else {}


def _is_http(port: Mapping[str, Any]) -> bool:
    name = port.get("name") or ""
    return port.get("appProtocol", "").lower() in _HTTP_PROTOCOLS or name.split("-")[0] in _HTTP_NAMES
