# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rules of a VirtualService are: in itself, or in those that delegate to it. Pure.

istiod merges a delegate into each VirtualService that names it, its root: a rule there becomes one for each rule of the
delegate, with the names of both. Source: `mergeHTTPRoute` in istiod's pilot/pkg/model/virtualservice.go, Istio 1.31. Of
a rule whose matches contradict those of the root there is nothing in any proxy; that is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .._routing.hosts import ServiceName, full_name
from .._routing.virtual_service import HTTP, RuleId
from .mesh import MESH, Object, gateway_names, name_of
from .visibility import is_exported


@dataclass(frozen=True)
class Binding:
    """Rules as proxies have them. virtual_service: one with hosts; rules: where they are in it."""

    virtual_service: Object
    rules: tuple[RuleId, ...]


def is_delegate(virtual_service: Object) -> bool:
    """Whether other VirtualServices decide where its rules are."""
    return not (virtual_service.get("spec") or {}).get("hosts")


def bindings(virtual_service: Object, rules: Iterable[RuleId], world: Iterable[Object] = ()) -> tuple[Binding, ...]:
    """Where these rules are. world: the VirtualServices of the cluster; without its roots a delegate is nowhere."""
    wanted = frozenset(rules)
    if not is_delegate(virtual_service):
        return (Binding(virtual_service, tuple(sorted(wanted))),)  # only rules for HTTP can be delegated
    known = {name_of(each): each for each in world} | {name_of(virtual_service): virtual_service}
    found = []
    for root in known.values():
        merged = [] if is_delegate(root) else list(_merged(root, known))
        own = [
            RuleId(HTTP, each)
            for each, (origin, at, _rule) in enumerate(merged)
            if origin is virtual_service and RuleId(HTTP, at) in wanted
        ]
        if own:
            http = [rule for _origin, _at, rule in merged]
            found.append(Binding({**root, "spec": {**root["spec"], "http": http}}, tuple(own)))
    return tuple(found)


def delegates_of(virtual_service: Object) -> list[ServiceName]:
    """The VirtualServices that its rules delegate to."""
    rules = (virtual_service.get("spec") or {}).get("http") or []
    namespace = virtual_service["metadata"]["namespace"]
    return list(dict.fromkeys(_delegate(rule, namespace) for rule in rules if rule.get("delegate")))


def _delegate(rule: Mapping[str, Any], namespace: str) -> ServiceName:
    """The one that a rule of this namespace names."""
    return ServiceName(rule["delegate"].get("namespace") or namespace, rule["delegate"]["name"])


def _merged(root: Object, known: Mapping[ServiceName, Object]) -> Iterator[tuple[Object, int, Mapping[str, Any]]]:
    """The rules of a root with those of its delegates, each with the object that it is of and its index there."""
    namespace = root["metadata"]["namespace"]
    for index, rule in enumerate(root["spec"].get("http") or []):
        if not rule.get("delegate"):
            yield root, index, rule
            continue
        leaf = known.get(_delegate(rule, namespace))
        if leaf is None or not is_delegate(leaf):
            continue
        spec = leaf.get("spec") or {}
        if is_exported(spec.get("exportTo") or (), leaf["metadata"]["namespace"], namespace):
            for number, own in enumerate(spec.get("http") or []):
                yield leaf, number, _rule(rule, own, leaf)


def _rule(root: Mapping[str, Any], own: Mapping[str, Any], leaf: Object) -> Mapping[str, Any]:
    """The rule that istiod makes of one of the root and one of its delegate, as far as proxies tell rules apart."""
    namespace = leaf["metadata"]["namespace"]
    matches = _matches(root.get("match") or [], [_resolved(each, namespace) for each in own.get("match") or []])
    route = [
        {**entry, "destination": {**entry["destination"], "host": full_name(entry["destination"]["host"], namespace)}}
        for entry in own.get("route") or []
    ]
    return {**own, "name": _joined(root.get("name"), own.get("name")), "match": matches, "route": route}


def _matches(roots: Sequence[Mapping[str, Any]], leaves: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not roots or not leaves:
        return [*roots, *leaves]
    return [
        {
            **one,
            **other,
            "name": _joined(one.get("name"), other.get("name")),
            "sourceLabels": {**(one.get("sourceLabels") or {}), **(other.get("sourceLabels") or {})},
        }
        for other, one in product(leaves, roots)
    ]


def _resolved(match: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    """The match of a delegate with gateways as its namespace reads them."""
    if not match.get("gateways"):
        return match
    named: Object = {"metadata": {"namespace": namespace}, "spec": {"gateways": match["gateways"]}}
    return {**match, "gateways": [*map(str, gateway_names(named)), *([MESH] if MESH in match["gateways"] else [])]}


def _joined(root: str | None, own: str | None) -> str:
    return "-".join(filter(None, (root, own)))
