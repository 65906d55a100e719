# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a teardown may remove, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._hosts import ServiceName, identity
from ansible_collections.progressive.istio.plugins.plugin_utils._objects import MANAGED_BY

Object = Mapping[str, Any]

# Whoever names another object goes before it.
ORDER = ("VirtualService", "Gateway", "DestinationRule", "Deployment", "Service")
WORKLOADS = ("Deployment", "Service")


def teardown_plan(
    objects: list[Object], names: Mapping[str, str], *, app: str, host: str, route: str
) -> dict[str, list[Any]]:
    """Sort what there is into routing, workloads, and what other people have a part in.

    Looked at are the objects of these names, a name for each kind, and all Deployments of the application.
    """
    ours = [one for one in objects if _is_meant(one, names, app)]
    ours.sort(key=lambda one: (ORDER.index(one["kind"]), one["metadata"]["name"]))
    plan: dict[str, list[Any]] = {"routing": [], "workloads": [], "kept": []}
    gone: list[Object] = []
    for one in ours:
        kind, metadata = one["kind"], one["metadata"]
        # VirtualServices come first, so that it is known which of them stay when the others are looked at.
        staying = [other for other in objects if other["kind"] == "VirtualService" and other not in gone]
        reason = _foreign(one, route) or _use(one, staying, host)
        if reason:
            plan["kept"].append(f"{kind} {metadata['namespace']}/{metadata['name']} stays: {reason}")
        else:
            gone.append(one)
            plan["workloads" if kind in WORKLOADS else "routing"].append(
                {"api_version": one["apiVersion"], "kind": kind, "name": metadata["name"]}
            )
    return plan


def _is_meant(one: Object, names: Mapping[str, str], app: str) -> bool:
    metadata = one["metadata"]
    if one["kind"] == "Deployment":
        return bool((metadata.get("labels") or {}).get("app") == app)
    return bool(metadata["name"] == names[one["kind"]])


def _use(one: Object, services: list[Object], host: str) -> str:
    """Which VirtualService that stays could not do without the object."""
    namespace, name, kind = one["metadata"]["namespace"], one["metadata"]["name"], one["kind"]
    for service in services:
        spec, place = service["spec"], f"VirtualService {namespace}/{service['metadata']['name']}"
        if kind == "Gateway" and {name, f"{namespace}/{name}"} & set(spec.get("gateways") or []):
            return f"{place} is bound to it"
        if kind in ("DestinationRule", *WORKLOADS) and identity(host, namespace) in _hosts(spec, namespace):
            return f"{place} leads to it"
    return ""


def _hosts(spec: Object, namespace: str) -> set[ServiceName | str]:
    rules = [rule for protocol in ("http", "tls", "tcp") for rule in spec.get(protocol) or []]
    return {identity(one["destination"]["host"], namespace) for rule in rules for one in rule.get("route") or []}


def _foreign(one: Object, route: str) -> str:
    """What makes the object other people's."""
    labels = one["metadata"].get("labels") or {}
    made = all(labels.get(key) == value for key, value in MANAGED_BY.items())
    return _additions(one, route) if made else "it was there before"


def _additions(one: Object, route: str) -> str:
    """What other people have added to an object since."""
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


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, list[Any]]]]:
        """Name it."""
        return {"teardown_plan": teardown_plan}
