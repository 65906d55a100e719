# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a teardown may remove, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.plugin_utils._objects import MANAGED_BY

Object = Mapping[str, Any]

# Whoever names another object goes before it.
ORDER = ("VirtualService", "Gateway", "DestinationRule", "Deployment", "Service")
WORKLOADS = ("Deployment", "Service")


def teardown_plan(objects: list[Object], names: Mapping[str, str], *, app: str, route: str) -> dict[str, Any]:
    """Sort what there is into routing, workloads, and what other people have a part in.

    Looked at are the objects of these names, a name for each kind, and all Deployments of the application.
    """
    routing: list[dict[str, str]] = []
    workloads: list[dict[str, str]] = []
    kept: list[str] = []
    for one in sorted(objects, key=lambda one: (ORDER.index(one["kind"]), one["metadata"]["name"])):
        kind, metadata = one["kind"], one["metadata"]
        labels = metadata.get("labels") or {}
        if kind == "Deployment":
            if labels.get("app") != app:
                continue
        elif metadata["name"] != names[kind]:
            continue
        made = all(labels.get(key) == value for key, value in MANAGED_BY.items())
        foreign = _additions(one, route) if made else "it was there before"
        if foreign:
            kept.append(f"{kind} {metadata['namespace']}/{metadata['name']} stays: {foreign}")
        else:
            (workloads if kind in WORKLOADS else routing).append(
                {"api_version": one["apiVersion"], "kind": kind, "name": metadata["name"]}
            )
    return {"routing": routing, "workloads": workloads, "kept": kept}


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

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name it."""
        return {"teardown_plan": teardown_plan}
