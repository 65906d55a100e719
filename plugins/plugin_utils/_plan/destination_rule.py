# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write into a DestinationRule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils._routing.hosts import identity
from .objects import NotOurs, Object, about, changed, named, new, objects_of


def plan(found: Mapping[str, Any], *, name: str, namespace: str, host: str, subsets: list[str]) -> Object:
    """Ensure one subset for each version; other subsets and all policies stay."""
    with about("DestinationRule", namespace, name):
        objects = objects_of(found, "DestinationRule")
        return {"definition": _definition(objects, name, namespace, host, list(subsets))}


def _definition(objects: list[Object], name: str, namespace: str, host: str, subsets: list[str]) -> Object | None:
    rivals = [
        one["metadata"]["name"] for one in objects if _same(one, namespace, host) and one["metadata"]["name"] != name
    ]
    if rivals:
        raise NotOurs(
            f"{rivals[0]} configures {host} already, and Istio uses only one DestinationRule per host: "
            f"set canary_destination_rule={rivals[0]}"
        )
    current = named(objects, name)
    if current is None:
        wanted = [_subset(version) for version in subsets]
        return new("DestinationRule", name, namespace, {"host": host, "subsets": wanted})
    if not _same(current, namespace, host):
        raise NotOurs(
            f"its host is {current['spec']['host']}, not {host}: correct its host, "
            "or give another name as canary_destination_rule"
        )
    present: list[Object] = list(current["spec"].get("subsets") or [])
    for subset in present:
        version = (subset.get("labels") or {}).get("version")
        if subset["name"] in subsets and version != subset["name"]:
            raise NotOurs(
                f"its subset {subset['name']} selects pods with version={version}, not version={subset['name']}: "
                "correct its labels, or give the version another name"
            )
    names = {subset["name"] for subset in present}
    absent = [version for version in subsets if version not in names]
    return changed(
        "DestinationRule",
        current,
        {"subsets": [*present, *(_subset(version) for version in absent)]},
        f"its owner can give it the subsets {', '.join(absent)}",
    )


def _same(rule: Object, namespace: str, host: str) -> bool:
    return identity(rule["spec"]["host"], namespace) == identity(host, namespace)


def _subset(version: str) -> Object:
    return {"name": version, "labels": {"version": version}}
