# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans what to write of a DestinationRule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import identity
from ansible_collections.progressive.istio.plugins.plugin_utils._objects import (
    Object,
    Refused,
    changed,
    named,
    new,
    objects_of,
)


def destination_rule_plan(
    found: Mapping[str, Any], *, name: str, namespace: str, host: str, subsets: list[str]
) -> Object:
    """Make sure of one subset a version; other subsets and all policies stay."""
    try:
        definition = _definition(objects_of(found, "DestinationRule"), name, namespace, host, list(subsets))
    except Refused as refused:
        return {"problem": printable(f"DestinationRule {namespace}/{name}: {refused}"), "definition": None}
    return {"problem": "", "definition": definition}


def _definition(objects: list[Object], name: str, namespace: str, host: str, subsets: list[str]) -> Object | None:
    rivals = [
        one["metadata"]["name"] for one in objects if _same(one, namespace, host) and one["metadata"]["name"] != name
    ]
    if rivals:
        raise Refused(
            f"{rivals[0]} speaks of {host} already and Istio reads only one DestinationRule a host: "
            f"give it as canary_destination_rule={rivals[0]}"
        )
    current = named(objects, name)
    if current is None:
        wanted = [_subset(version) for version in subsets]
        return new("DestinationRule", name, namespace, {"host": host, "subsets": wanted})
    if not _same(current, namespace, host):
        raise Refused(
            f"its host is {current['spec']['host']}, not {host}: correct its host, "
            "or give another name as canary_destination_rule"
        )
    present: list[Object] = list(current["spec"].get("subsets") or [])
    for subset in present:
        version = (subset.get("labels") or {}).get("version")
        if subset["name"] in subsets and version != subset["name"]:
            raise Refused(
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


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Object]]:
        """Name it."""
        return {"destination_rule_plan": destination_rule_plan}
