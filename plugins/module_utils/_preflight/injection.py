# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for sidecars: which namespaces ask for them, what injects them, and which pods have none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._common.text import listing, plural
from .._istio.injection import injectors, is_injector
from .._istio.mesh import ROOT_NAMESPACE, Mesh, Object, behind, name_of
from .._k8s.conditions import is_ready, keeps_serving
from .._k8s.kubectl import describe, listed, merge, restart, show
from .._k8s.owners import deployment_of
from .._k8s.pods import in_mesh
from .._k8s.selectors import labels_of
from .._routing.hosts import ServiceName
from . import subject as about
from .finding import Finding, error, warning
from .timestamps import created, earliest, latest, written

_NAMESPACE = "Namespace"
_SERVICE = "Service"
_WEBHOOK = "MutatingWebhookConfiguration"
_VALIDATION = "ValidatingWebhookConfiguration"

_INJECTION = "istio-injection"
_REVISION = "istio.io/rev"
_AMBIENT = "istio.io/dataplane-mode"
_OPT_OUT = "sidecar.istio.io/inject"
_INJECTED = {"labels": {_OPT_OUT: "true"}}
_DECIDES = "keep one, as the owner of the namespace decides, since it applies to all new pods"


def single_injection_label(mesh: Mesh) -> Iterator[Finding]:
    """A namespace asks for sidecars, or for the ambient mesh, by one label."""
    for namespace in mesh.namespaces:
        labels, command = labels_of(namespace), show(_NAMESPACE, namespace)
        sidecars = [key for key in (_INJECTION, _REVISION) if labels.get(key, "disabled") != "disabled"]
        if labels.get(_AMBIENT) == "ambient" and sidecars:
            problem = (
                f"has the labels {_AMBIENT}=ambient and {_label(labels, sidecars[0])}: its pods get one of the two"
            )
            since = latest(*(written(namespace, "metadata", "labels", key) for key in (_AMBIENT, sidecars[0])))
            yield error(_NAMESPACE, namespace, problem, _DECIDES, command, since)
        elif _INJECTION in labels and _REVISION in labels:
            problem = f"has the labels {_label(labels, _INJECTION)} and {_label(labels, _REVISION)}: the first applies"
            since = latest(*(written(namespace, "metadata", "labels", key) for key in (_INJECTION, _REVISION)))
            yield warning(_NAMESPACE, namespace, problem, _DECIDES, command, since)


def injection_label_answered(mesh: Mesh) -> Iterator[Finding]:
    """The injection label of a namespace is selected by an installed injector."""
    for namespace in mesh.namespaces:
        labels = labels_of(namespace)
        asked = [key for key in (_INJECTION, _REVISION) if labels.get(key, "disabled") != "disabled"]
        if not asked or labels.get(_INJECTION) == "disabled" or injectors(mesh.mutating_webhooks, labels_of(namespace)):
            continue
        revisions = sorted(
            {
                labels_of(each).get(_REVISION, "default")
                for each in mesh.mutating_webhooks
                if any(map(is_injector, each.get("webhooks") or []))
            }
        )
        problem = (
            f"has the label {_label(labels, asked[0])}, which no sidecar injector selects, so its new pods get none"
        )
        remedy = (
            f"its owner may label it for an installed revision ({', '.join(revisions)})"
            if revisions
            else "install Istio, for example by the role progressive.istio.istio with istio_install=true"
        )
        command = show(_NAMESPACE, namespace)
        since = written(namespace, "metadata", "labels", asked[0])
        yield error(_NAMESPACE, namespace, problem, remedy, command, since)


def injector_ready(mesh: Mesh) -> Iterator[Finding]:
    """The injector of a namespace is ready: otherwise, with failurePolicy Fail, no pod can be created there."""
    for namespace in mesh.namespaces:
        for configuration, webhook in injectors(mesh.mutating_webhooks, labels_of(namespace)):
            failure = _failure(mesh, webhook)
            if failure and webhook.get("failurePolicy", "Fail") == "Fail":
                where = (webhook["clientConfig"].get("service") or {}).get("namespace", ROOT_NAMESPACE)
                problem = f"{failure}, so no pod of namespace {namespace['metadata']['name']} can be created"
                command = listed("pods", where, "app=istiod")
                theirs = [about.new_pods(namespace["metadata"]["name"])]
                yield error(_WEBHOOK, configuration, problem, "see why", command, about=theirs)


def pods_injected(mesh: Mesh) -> Iterator[Finding]:
    """Every ready pod behind a routed Service is in the mesh."""
    for service, _destinations in mesh.targets():
        ready = [pod for pod in behind(service, mesh.pods) if is_ready(pod)]
        bare = [pod for pod in ready if not in_mesh(pod)]
        for pods in _by_deployment(bare):
            named = [str(name_of(pod).name) for pod in pods]
            problem = f"selects {len(pods)} of {plural(len(ready), 'ready pod')} without a sidecar: {listing(named)}"
            since = earliest(*(created(pod, f"pod {name_of(pod).name}") for pod in pods))
            yield error(_SERVICE, service, problem, *_remedy(mesh, service, pods), since)


def configuration_validated(mesh: Mesh) -> Iterator[Finding]:
    """Istio validates its objects: otherwise proxies ignore a mistake silently."""
    webhooks = [
        webhook
        for configuration in mesh.validating_webhooks
        for webhook in configuration.get("webhooks") or []
        if any("networking.istio.io" in (rule.get("apiGroups") or []) for rule in webhook.get("rules") or [])
    ]
    if any(webhook.get("failurePolicy", "Fail") == "Fail" for webhook in webhooks):
        return
    for virtual_service in mesh.focused():
        how = "only with failurePolicy Ignore" if webhooks else "by no webhook"
        problem = f"is validated {how}, so a mistake in it would be accepted and ignored"
        command = listed(_VALIDATION)
        remedy = "see which webhooks there are: istiod creates one for its default revision"
        yield warning("VirtualService", virtual_service, problem, remedy, command)


def _label(labels: Mapping[str, str], key: str) -> str:
    return f"{key}={labels[key]}"


def _failure(mesh: Mesh, webhook: Mapping[str, Any]) -> str:
    """Why an injector cannot answer; empty for one outside the cluster, which cannot be checked."""
    config = webhook["clientConfig"]
    if not config.get("caBundle"):
        return f"has no caBundle for {webhook['name']}"
    if "service" not in config:
        return ""
    name = ServiceName(config["service"]["namespace"], config["service"]["name"])
    service = mesh.service(name)
    if not service:
        return f"calls Service {name}, which does not exist"
    pods = behind(service, mesh.injectors)
    return "" if any(map(is_ready, pods)) else f"calls Service {name}, which has 0 ready of {plural(len(pods), 'pod')}"


def _by_deployment(pods: Iterable[Object]) -> list[list[Object]]:
    """The pods by their Deployment, since each is fixed by itself."""
    found: dict[str, list[Object]] = {}
    for pod in pods:
        found.setdefault(deployment_of(pod), []).append(pod)
    return list(found.values())


def _remedy(mesh: Mesh, service: Object, pods: list[Object]) -> tuple[str, str]:
    """How these pods of one Deployment get a sidecar, and the command that does it, or shows more."""
    namespace, command = name_of(service).namespace, describe("Pod", pods[0])
    if any(pod["spec"].get("hostNetwork") for pod in pods):
        return "run them without hostNetwork: Istio cannot inject such pods", command
    made_by = ServiceName(namespace, deployment_of(pods[0]))
    deployment = next((each for each in mesh.deployments if name_of(each) == made_by), None)
    home = next((each for each in mesh.namespaces if name_of(each).name == namespace), None)
    marks = [{**(pod["metadata"].get("annotations") or {}), **labels_of(pod)} for pod in pods]
    if any(mark.get(_OPT_OUT) == "false" for mark in marks):
        remedy = f"remove {_OPT_OUT}: false from their template"
        change: Mapping[str, Any] = {place: {_OPT_OUT: None} for place in ("labels", "annotations")}
    elif home and injectors(mesh.mutating_webhooks, labels_of(home)):
        remedy, change = "restart them, since they are older than the injection", {}
    elif home and injectors(mesh.mutating_webhooks, labels_of(home), {_OPT_OUT: "true"}):
        remedy, change = (f"label their template {_OPT_OUT}=true, or ask for the label of the namespace", _INJECTED)
    else:
        return "ask the owner of the namespace to label it for injection", command
    if deployment is None or not mesh.owns(name_of(service)):
        return remedy, command
    if not keeps_serving(deployment):
        return (f"{remedy}, when it may stop: Deployment {made_by.name} has no ready pod during a restart", command)
    if not change:
        return remedy, restart(deployment)
    return remedy, merge("Deployment", deployment, {"spec": {"template": {"metadata": change}}})
