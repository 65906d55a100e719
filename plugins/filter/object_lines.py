# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a canary's objects in one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._k8s.pods import has_sidecar
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import rules_in

Object = Mapping[str, Any]


def object_lines(objects: list[Object]) -> list[str]:
    """One line for each DestinationRule, VirtualService and Pod."""
    return [
        printable(f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}: {_SAID[one['kind']](one)}")
        for one in objects
    ]


def _destination_rule(rule: Object) -> str:
    subsets = [
        f"{subset['name']} ({', '.join(f'{key}={value}' for key, value in (subset.get('labels') or {}).items())})"
        for subset in rule["spec"].get("subsets") or []
    ]
    return f"host {rule['spec']['host']}; subsets {', '.join(subsets) or 'none'}"


def _virtual_service(service: Object) -> str:
    spec = service["spec"]
    routes = [f"route {each.name(rule.get('name') or 'unnamed')}: {_split(rule)}" for each, rule in rules_in(service)]
    bound = f"hosts {', '.join(spec['hosts'])}; gateways {', '.join(spec.get('gateways') or ['mesh'])}"
    return "; ".join([bound, *routes])


def _split(rule: Object) -> str:
    shares = [
        f"{one['destination'].get('subset') or one['destination']['host']} {one.get('weight', 'everything')}"
        for one in rule.get("route") or []
    ]
    return ", ".join(shares) or "no destinations"


def _pod(pod: Object) -> str:
    status, labels = pod.get("status") or {}, pod["metadata"].get("labels") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(1 for container in containers if container.get("ready"))
    return (
        f"version {labels.get('version', 'none')}; {status.get('phase', 'Pending')}, "
        f"{ready} of {len(containers)} containers ready; {'a' if has_sidecar(pod) else 'no'} sidecar"
    )


_SAID: dict[str, Callable[[Object], str]] = {
    "DestinationRule": _destination_rule,
    "VirtualService": _virtual_service,
    "Pod": _pod,
}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"object_lines": object_lines}
