# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans what of the versions that no route leads to is removed, and says why the rest stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils._k8s.selectors import includes, template_labels
from ...module_utils._routing.hosts import ServiceName, identity
from .objects import Object, changed, is_managed

Result = Mapping[str, Any]


def plan(
    deployments: list[Object], rules: list[Object], services: list[Object], *, host: str, result: Result
) -> dict[str, Any]:
    """What to write into the DestinationRule (or None), which Deployments to delete, and a sentence for all that stays.

    deployments: of the application; a version is named by the label `version`. rules: of the namespace. services: the
    one that may be the host, and only what is behind it is looked at. result: of `canary` with state cleaned.
    """
    rules = [one for one in rules if _is_for(one, host)]
    deployments = [one for one in deployments if any(_is_behind(one, service, host) for service in services)]
    gone, left = _sorted(deployments, result)
    definition = None
    for rule in rules:
        subsets = rule["spec"].get("subsets") or []
        place = f"DestinationRule {rule['metadata']['namespace']}/{rule['metadata']['name']}"
        ours = [one for one in subsets if one["name"] in gone and is_managed(rule) and _only_names(one)]
        definition = changed("DestinationRule", rule, {"subsets": [one for one in subsets if one not in ours]})
        for one in subsets:
            if one["name"] in gone and one not in ours:
                why = (
                    "it has more than the label of the version"
                    if is_managed(rule)
                    else "this collection did not make it"
                )
                left.append(
                    f"subset {one['name']} of {place} stays: {why}; no route names it, so its owner can remove it"
                )
    doomed = [one for one in deployments if _version(one) in gone]
    left += [
        f"Deployment {one['metadata']['namespace']}/{one['metadata']['name']} of {_version(one)} stays: this "
        "collection did not make it; no route names it, so its owner can remove it"
        for one in doomed
        if not is_managed(one)
    ]
    return {
        "definition": definition,
        "deployments": sorted(one["metadata"]["name"] for one in doomed if is_managed(one)),
        "left": left,
    }


def _sorted(deployments: list[Object], result: Result) -> tuple[list[str], list[str]]:
    """The versions to remove, and why others stay."""
    gone, left = [], []
    if result.get("removed") and result["used_by"]:
        left.append(f"{result['removed']} stays: {', '.join(result['used_by'])} routes to it")
    elif result.get("removed"):
        gone.append(result["removed"])
    for one in result.get("leftovers") or []:
        reason = next(_obstacles(one, deployments, result), "")
        if reason:
            left.append(f"{one['version']}, of no known release, stays: {reason}")
        else:
            gone.append(one["version"])
    return gone, left


def _obstacles(one: Mapping[str, Any], deployments: list[Object], result: Result) -> Iterator[str]:
    """Why a version that is not of the last release must stay."""
    if one["used_by"]:
        yield f"{', '.join(one['used_by'])} routes to it"
    if one["why"]:
        yield one["why"]
    made = [_since(each) for each in deployments if _version(each) == one["version"]]
    newest = max(
        (_since(each) for each in deployments if _version(each) in (result["stable"], result["canary"])), default=""
    )
    if not made:
        yield "it has a subset and no Deployment"
    elif max(made) >= newest:
        yield "its Deployment is newer than those of the last release, so it may be of the next one"


def _is_for(rule: Object, host: str) -> bool:
    namespace = rule["metadata"]["namespace"]
    return identity(rule["spec"]["host"], namespace) == identity(host, namespace)


def _is_behind(deployment: Object, service: Object, host: str) -> bool:
    """Whether the Service is the host and selects the pods of the Deployment."""
    namespace, selector = service["metadata"]["namespace"], service["spec"].get("selector") or {}
    is_host = identity(host, namespace) == ServiceName(namespace, service["metadata"]["name"])
    return is_host and bool(selector) and includes(selector, template_labels(deployment))


def _version(deployment: Object) -> str:
    return str((deployment["metadata"].get("labels") or {}).get("version") or "")


def _since(deployment: Object) -> str:
    """When it was made; such times sort as text."""
    return str(deployment["metadata"].get("creationTimestamp") or "")


def _only_names(subset: Object) -> bool:
    return bool(subset == {"name": subset["name"], "labels": {"version": subset["name"]}})
