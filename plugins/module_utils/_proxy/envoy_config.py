# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Envoy runs, from the answers of its admin interface. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any
from urllib.parse import urlencode

from .._common.shares import number, share_of
from .._common.values import from_json, understood
from .._istio.delegation import Binding
from .._routing.hosts import HostSubset, ServiceName, identity

Weights = Mapping[HostSubset, int]


@dataclass(frozen=True)
class EnvoyRule:
    """A rule of `spec.http` as it should run. names: of its routes in Envoy, one for each match.

    siblings: the weights of other rules of its VirtualService that Envoy cannot tell from it: they have the same name,
    or no name either and destinations in common.
    """

    virtual_service: str  # namespace/name
    label: str
    names: frozenset[str]
    weights: Weights
    siblings: tuple[Weights, ...] = ()

    def like(self, other: EnvoyRule) -> bool:
        """Whether Envoy cannot tell the routes of the two apart."""
        shared = self.names & other.names
        return bool(shared - {""}) or bool(shared and self.weights.keys() & other.weights.keys())


def rules_of(virtual_service: Mapping[str, Any], indexes: Iterable[int]) -> tuple[EnvoyRule, ...]:
    """The rules with these indexes in `spec.http`."""
    every = [_rule_of(virtual_service, index) for index in range(len(virtual_service["spec"]["http"]))]
    return tuple(
        replace(rule, siblings=tuple(each.weights for each in every if each is not rule and rule.like(each)))
        for rule in (every[index] for index in sorted(indexes))
    )


def bound_rules(bound: Iterable[Binding]) -> tuple[EnvoyRule, ...]:
    """The rules that are bound there."""
    return tuple(rule for each in bound for rule in rules_of(each.virtual_service, each.rules))


def _rule_of(virtual_service: Mapping[str, Any], index: int) -> EnvoyRule:
    meta, rule = virtual_service["metadata"], virtual_service["spec"]["http"][index]
    name = rule.get("name", "")
    matches = [match.get("name") for match in rule.get("match") or [{}]]
    entries = rule.get("route") or []
    weights: dict[HostSubset, int] = {}
    for entry in entries:
        place = entry["destination"]
        destination = HostSubset(identity(place["host"], meta["namespace"]), place.get("subset", ""))
        # Istio ignores the weight of a single destination.
        weights[destination] = weights.get(destination, 0) + (1 if len(entries) == 1 else entry.get("weight") or 0)
    return EnvoyRule(
        f"{meta['namespace']}/{meta['name']}",
        name or f"number {index + 1}",
        frozenset(f"{name}.{match}" if match else name for match in matches),
        weights,
    )


def routes_path(configs: Iterable[str] = ()) -> str:
    """The admin path of all routes, or of those in the route configurations with these names."""
    query = {"resource": "dynamic_route_configs"}
    names = sorted(configs)
    if names:
        query["name_regex"] = "|".join(re.escape(name) for name in names)
    return f"/config_dump?{urlencode(query)}"


@dataclass(frozen=True)
class EnvoyRoutes:
    """The routes of some rules. configs: the names of their route configurations; weights: by rule, in their order."""

    configs: frozenset[str]
    weights: tuple[tuple[Weights, ...], ...]


@understood("config_dump")
def routes_of(dump: bytes, rules: Sequence[EnvoyRule]) -> EnvoyRoutes:
    """The routes of these rules."""
    configs: set[str] = set()
    weights: list[list[Weights]] = [[] for _rule in rules]
    for config, route in _routes(dump):
        for rule, found in zip(rules, weights, strict=True):
            if _belongs_to(rule, route):
                configs.add(config)
                found.append(_weights(route))
    return EnvoyRoutes(frozenset(configs), tuple(map(tuple, weights)))


@understood("config_dump")
def destinations(dump: bytes) -> set[HostSubset]:
    """The destinations of all routes of VirtualServices; sidecars have others of their own, to each Service."""
    return {destination for _config, route in _routes(dump) if _origin(route) for destination in _weights(route)}


def same_shares(one: Weights, other: Weights) -> bool:
    """Whether both split requests equally. Envoy has no destinations of weight 0, and sums need not be 100."""
    return _reduced(one) == _reduced(other)


def percentages(weights: Weights, known: Iterable[HostSubset] = ()) -> dict[str, float]:
    """Percent by subset, or by host where there is none. Those in `known` are included even with 0."""
    places = dict.fromkeys([*known, *weights])
    several = len({place.host for place in places}) > 1
    whole = sum(weights.values()) or 1
    return {_named(place, several): number(share_of(weights.get(place, 0), whole)) for place in places}


def hosts_path(wanted: Iterable[HostSubset]) -> str:
    """The admin path of the hosts of these destinations. Envoy before 1.38 ignores the filter."""
    pattern = "|".join(_cluster_pattern(destination) for destination in sorted(wanted, key=str))
    return f"/clusters?{urlencode({'format': 'json', 'filter': pattern})}"


@dataclass(frozen=True)
class HostHealth:
    """The number of hosts of a cluster."""

    healthy: int
    total: int


@understood("list of clusters")
def hosts(clusters: bytes) -> dict[HostSubset, HostHealth]:
    """The hosts of each destination; Envoy lists no cluster that is still warming.

    A destination with several ports has several clusters; the one with the fewest healthy hosts counts.
    """
    found: dict[HostSubset, HostHealth] = {}
    for cluster in from_json(clusters).get("cluster_statuses") or []:
        destination = destination_of(cluster["name"])
        if destination is None:
            continue
        entries = cluster.get("host_statuses") or []
        here = HostHealth(sum(is_healthy(entry.get("health_status") or {}) for entry in entries), len(entries))
        found[destination] = min(found.get(destination, here), here, key=lambda each: each.healthy)
    return found


def _routes(dump: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in from_json(dump).get("configs") or []:
        config = entry.get("route_config") or {}
        for virtual_host in config.get("virtual_hosts") or []:
            for route in virtual_host.get("routes") or []:
                yield config.get("name", ""), route


def _origin(route: Mapping[str, Any]) -> str:
    """The object that istiod has made the route from."""
    metadata = (route.get("metadata") or {}).get("filter_metadata") or {}
    return str((metadata.get("istio") or {}).get("config", ""))


def _belongs_to(rule: EnvoyRule, route: Mapping[str, Any]) -> bool:
    origin = _origin(route)
    namespace, name = rule.virtual_service.split("/")
    if not origin.endswith(f"/namespaces/{namespace}/virtual-service/{name}"):
        return False
    name = route.get("name", "")
    # A rule without a name is recognized by its destinations.
    return name in rule.names and (name != "" or bool(_weights(route).keys() & rule.weights.keys()))


def _weights(route: Mapping[str, Any]) -> Weights:
    action = route.get("route") or {}
    weighted = (action.get("weighted_clusters") or {}).get("clusters") or []
    entries = weighted or ([{"name": action["cluster"], "weight": 1}] if "cluster" in action else [])
    found: dict[HostSubset, int] = {}
    for entry in entries:
        destination = destination_of(entry["name"]) or HostSubset(entry["name"], "")
        found[destination] = found.get(destination, 0) + entry.get("weight", 0)
    return found


def destination_of(cluster: str) -> HostSubset | None:
    """The destination of a cluster named `outbound|port|subset|host`; None for any other cluster."""
    parts = cluster.split("|")
    if len(parts) != 4 or parts[0] != "outbound":
        return None
    return HostSubset(identity(parts[3], ""), parts[2])


def _named(place: HostSubset, several: bool) -> str:
    host = str(place.host)
    return f"{place.subset} of {host}" if several and place.subset else place.subset or host


def _cluster_pattern(destination: HostSubset) -> str:
    host = destination.host
    if isinstance(host, ServiceName):
        host = rf"{re.escape(host.name)}\.{re.escape(host.namespace)}\.svc\..*"
    else:
        host = re.escape(host)
    return rf"^outbound\|[0-9]+\|{re.escape(destination.subset)}\|{host}$"


def _reduced(weights: Weights) -> dict[HostSubset, int]:
    divisor = gcd(*weights.values())
    return {each: weight // divisor for each, weight in weights.items() if weight}


def is_healthy(status: Mapping[str, Any]) -> bool:
    eds = status.get("eds_health_status", "UNKNOWN")
    return eds in ("UNKNOWN", "HEALTHY", "DEGRADED") and not any(value is True for value in status.values())
