# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a cluster as hosts of an inventory: their names, variables and groups. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._routing.hosts import ServiceName
from .services import Found

CANARIES, CANDIDATES = "canaries", "candidates"


@dataclass(frozen=True)
class Place:
    """The cluster that services were found in, as its settings name it.

    name: for people. suffix: what distinguishes its hosts from those of other clusters, or empty.
    """

    name: str
    context: str = ""
    kubeconfig: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class InventoryHost:
    """A host of the inventory."""

    name: str
    groups: list[str]
    variables: dict[str, Any]


def hosts(found: Sequence[Found], place: Place) -> list[InventoryHost]:
    """A host for each service in each VirtualService, named after the service."""
    ends = f"@{place.suffix}" if place.suffix else ""
    return [
        InventoryHost(f"{name}{ends}", _groups(each, place), _variables(each, place))
        for name, each in zip(_names(found), found, strict=True)
    ]


def _names(found: Sequence[Found]) -> list[str]:
    routes: dict[ServiceName | str, list[Found]] = {}
    for each in found:
        routes.setdefault(each.service, []).append(each)
    names: list[str] = []
    for each in found:
        name = _spelt(_name(each, routes[each.service]))
        names.append(next(one for one in _numbered(name) if one not in names))
    return names


def _numbered(name: str) -> Iterable[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _name(found: Found, routes: Sequence[Found]) -> str:
    """SERVICE.NAMESPACE, followed by the VirtualService where several route the service."""
    service = found.service
    parts = [f"{service.name}.{service.namespace}" if isinstance(service, ServiceName) else service]
    if len(routes) > 1:
        parts.append(found.name)
    return ".".join(parts)


def _spelt(name: str) -> str:
    """Without characters that have a meaning in patterns of hosts or in names of files."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


def _groups(found: Found, place: Place) -> list[str]:
    service = found.service
    namespace = service.namespace if isinstance(service, ServiceName) else found.namespace
    groups = [CANDIDATES if found.why else CANARIES, _group("namespace", namespace)]
    clusters = [_group("cluster", place.suffix)] if place.suffix else []
    phases = [] if found.why else [_group("phase", found.phase)]
    return [*groups, *clusters, *phases]


def _group(kind: str, name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{kind}_{name}")


def _variables(found: Found, place: Place) -> dict[str, Any]:
    """What the role canary needs to know, and canary_found for groups and variables of the user's own."""
    service = found.service
    name = service.name if isinstance(service, ServiceName) else service
    seen = {"phase": found.phase, "weights": found.weights, "labels": dict(found.labels), "cluster": place.name}
    rule = found.destination_rule
    given = {
        "canary_stable_version": found.stable,
        "canary_version": found.canary,
        "canary_destination_rule": rule.name if rule and rule.namespace == found.namespace else "",
        "canary_gateway_hosts": found.gateway_hosts,
        "canary_virtual_services": [
            {"name": each.name, "namespace": each.namespace} | ({"routes": list(each.routes)} if each.routes else {})
            for each in found.followers
        ],
        "canary_context": place.context,
        "canary_kubeconfig": place.kubeconfig,
    }
    return {
        "canary_app": _app(name, found.name),
        "canary_namespace": found.namespace,
        "canary_service": name,
        "canary_host": found.host,
        "canary_virtual_service": found.name,
        **{setting: value for setting, value in given.items() if value},
        "canary_found": {**seen, "why": found.why} if found.why else seen,
    }


def _app(service: str, virtual_service: str) -> str:
    """The application. What site.yml made has objects named after it, by which cleanup.yml finds its Deployments."""
    app = service.removesuffix("-service")
    return app if virtual_service == f"{app}-virtual-service" else service
