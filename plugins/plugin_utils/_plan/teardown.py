# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a teardown may remove, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils._istio.delegation import delegates_of
from ...module_utils._routing.hosts import ServiceName, identity
from .objects import is_managed

Object = Mapping[str, Any]

# An object is removed before those that it names.
ORDER = ("VirtualService", "Gateway", "DestinationRule", "Deployment", "Service")
WORKLOADS = ("Deployment", "Service")


def plan(
    objects: list[Object], names: Mapping[str, str], *, app: str, host: str, route: str, routes: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """Sort the objects into routing, workloads, and those that stay.

    Looked at are the objects of these names, a name for each kind, and all Deployments of the application.
    routes: what k8s_info found of the VirtualServices of all namespaces; no `resources` if it may not read them.
    """
    cluster = routes.get("resources")
    ours = [one for one in objects if _is_meant(one, names, app)]
    ours.sort(key=lambda one: (ORDER.index(one["kind"]), one["metadata"]["name"]))
    sorted_: dict[str, list[Any]] = {"routing": [], "workloads": [], "kept": []}
    gone: list[Object] = []
    for one in ours:
        kind, metadata = one["kind"], one["metadata"]
        # VirtualServices come first, so that it is known which of them stay when the others are looked at.
        staying = [other for other in objects if other["kind"] == "VirtualService" and other not in gone]
        others = [other for other in cluster or [] if _namespace(other) != metadata["namespace"]]
        reason = _foreign(one, route) or _use(one, [*staying, *others], host) or _unseen(one, cluster)
        if reason:
            sorted_["kept"].append(f"{kind} {metadata['namespace']}/{metadata['name']} stays: {reason}")
        else:
            gone.append(one)
            sorted_["workloads" if kind in WORKLOADS else "routing"].append(
                {"api_version": one["apiVersion"], "kind": kind, "name": metadata["name"]}
            )
    return sorted_


def _is_meant(one: Object, names: Mapping[str, str], app: str) -> bool:
    metadata = one["metadata"]
    if one["kind"] == "Deployment":
        return bool((metadata.get("labels") or {}).get("app") == app)
    return bool(metadata["name"] == names[one["kind"]])


def _use(one: Object, services: list[Object], host: str) -> str:
    """Which VirtualService that stays needs the object."""
    namespace, name, kind = _namespace(one), one["metadata"]["name"], one["kind"]
    for service in services:
        spec, home = service["spec"], _namespace(service)
        place = f"VirtualService {home}/{service['metadata']['name']}"
        if kind == "VirtualService" and service is not one and (namespace, name) in delegates_of(service):
            return f"{place} delegates to it"
        if kind == "Gateway" and (namespace, name) in {_gateway(text, home) for text in spec.get("gateways") or []}:
            return f"{place} is bound to it"
        if kind in ("DestinationRule", *WORKLOADS) and identity(host, namespace) in _hosts(spec, home):
            return f"{place} routes to it"
    return ""


def _unseen(one: Object, cluster: list[Object] | None) -> str:
    """All namespaces may use a Gateway, so it is removed only if their routes can be read."""
    if one["kind"] != "Gateway" or cluster is not None:
        return ""
    return "whether routes of other namespaces are bound to it cannot be read (list virtualservices in the cluster)"


def _namespace(one: Object) -> str:
    return str(one["metadata"]["namespace"])


def _gateway(text: str, home: str) -> tuple[str, str]:
    """Namespace and name of the Gateway that a VirtualService of namespace `home` means."""
    if "/" in text:
        namespace, _slash, name = text.partition("/")
        return (home if namespace == "." else namespace), name
    name, _dot, rest = text.partition(".")  # as it was written before there were slashes: NAME.NAMESPACE.svc.DOMAIN
    return (rest.partition(".")[0] or home), name


def _hosts(spec: Object, namespace: str) -> set[ServiceName | str]:
    rules = [rule for protocol in ("http", "tls", "tcp") for rule in spec.get(protocol) or []]
    routes = [*(one for rule in rules for one in rule.get("route") or []), *(_mirrors(rules))]
    return {identity(one["destination"]["host"], namespace) for one in routes}


def _mirrors(rules: list[Object]) -> list[Object]:
    """Where copies of requests go, as if they were routes."""
    many = [one for rule in rules for one in rule.get("mirrors") or []]
    return [*many, *({"destination": rule["mirror"]} for rule in rules if rule.get("mirror"))]


def _foreign(one: Object, route: str) -> str:
    """Why the object is not ours alone."""
    return _additions(one, route) if is_managed(one) else "it existed before"


def _additions(one: Object, route: str) -> str:
    """What others have added to an object."""
    spec = one["spec"]
    if one["kind"] == "VirtualService":
        more = [rule.get("name") or "unnamed" for rule in spec.get("http") or [] if rule.get("name") != route]
        more += [protocol for protocol in ("tcp", "tls") if spec.get(protocol)]
        return f"it has other routes too ({', '.join(more)})" if more else ""
    if one["kind"] == "Gateway":
        more = [server["port"]["name"] for server in spec.get("servers") or []][1:]
        return f"it has other servers too ({', '.join(more)})" if more else ""
    if one["kind"] == "DestinationRule":
        more = [
            subset["name"]
            for subset in spec.get("subsets") or []
            if (subset.get("labels") or {}) != {"version": subset["name"]}
        ]
        return f"it has other subsets too ({', '.join(more)})" if more else ""
    return ""
