# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings with which the release of a VirtualService is found. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .._istio.mesh import Object
from .._rollout.read import Target
from .._routing.hosts import ServiceName, identity, service_of

_DOMAIN = "svc.cluster.local"


@dataclass(frozen=True)
class _Split:
    """A rule with one host and at least one subset of it; weights by subset."""

    label: str
    host: ServiceName | str
    weights: dict[str, int]


def settings_for(target: Target, virtual_service: Object) -> str:
    """What to set so that a release is found, such as "canary_host: pay.shop.svc.cluster.local"; empty if unknown."""
    rules = (virtual_service.get("spec") or {}).get("http") or []
    delegates = [rule["delegate"] for rule in rules if rule.get("delegate")]
    namespace = target.namespace
    fitting = _fitting(target, _splits(rules, namespace))
    if not fitting:
        names = {(each.get("namespace") or namespace, each["name"]) for each in delegates}
        wanted = [f"canary_namespace: {where} and canary_virtual_service: {name}" for where, name in sorted(names)]
        return " or ".join(wanted)
    labels = [each.label for each in fitting]
    found = [*_host(target, fitting[0]), *_versions(target, fitting[0])]
    if len(fitting) == 1:
        named = labels[0] or '""'
        found += [f"canary_route: {named}"] if target.route and target.route != labels[0] else []
    elif all(labels) and len(set(labels)) == len(labels):
        found.append(f"canary_route: {' or '.join(labels)}")
    else:
        return ""
    return " and ".join(found)


def _splits(rules: list[Object], namespace: str) -> list[_Split]:
    found: dict[tuple[int, ServiceName | str], _Split] = {}
    for index, rule in enumerate(rules):
        for entry in rule.get("route") or []:
            place, host = entry["destination"], identity(entry["destination"]["host"], namespace)
            split = found.setdefault((index, host), _Split(str(rule.get("name") or ""), host, {}))
            if place.get("subset"):
                split.weights.setdefault(place["subset"], entry.get("weight") or 0)
    return [each for each in found.values() if each.weights]


def _fitting(target: Target, splits: list[_Split]) -> list[_Split]:
    """Those that have the most of what was named: versions, then the host, then the route; two versions at least."""
    host = identity(target.destination_host, target.namespace) if target.destination_host else None
    wanted: list[Callable[[_Split], bool]] = [
        lambda each: len(each.weights) > 1,
        lambda each: {target.stable, target.canary} <= each.weights.keys(),
        lambda each: each.host == host,
        lambda each: each.label == target.route,
    ]
    for fits in wanted:
        splits = [each for each in splits if fits(each)] or splits
    return splits


def _host(target: Target, split: _Split) -> list[str]:
    if not target.destination_host or identity(target.destination_host, target.namespace) == split.host:
        return []
    if not isinstance(split.host, ServiceName):
        return [f"canary_host: {split.host}"]
    given = target.destination_host.split(".", 2)[2:]
    domain = given[0] if given and service_of(target.destination_host, target.namespace) else _DOMAIN
    return [f"canary_host: {split.host.name}.{split.host.namespace}.{domain}"]


def _versions(target: Target, split: _Split) -> list[str]:
    """The one with the most requests is the stable one, and the other one the canary, unless there are several."""
    names = sorted(split.weights, key=lambda name: -split.weights[name])
    if target.stable != target.canary and {target.stable, target.canary} <= set(names):
        return []
    stable = target.stable if target.stable in names else names[0]
    rest = [name for name in names if name != stable]
    found = [] if stable == target.stable else [f"canary_stable_version: {stable}"]
    if rest and (target.canary not in rest):
        found.append(f"canary_version: {' or '.join(rest)}")
    return found
