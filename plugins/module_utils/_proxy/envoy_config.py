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
from .._routing.virtual_service import HTTP, TCP, TLS, RuleId, rules_in, titled

Weights = Mapping[HostSubset, int]


@dataclass(frozen=True)
class EnvoyRule:
    """A rule as it should run. label: its name, or else its number.

    names: of its routes in Envoy, one for each match. A filter chain for TLS is known by its SNI hosts, one for TCP by
    nothing: it has none of `others`, those of the rules for TLS.
    siblings: the weights of other rules of its VirtualService that Envoy cannot tell from it: they have the same name,
    or no name either and destinations in common.
    single: whether it has one destination, which proxies may have without the name of its VirtualService.
    """

    virtual_service: str  # namespace/name
    label: str
    names: frozenset[str]
    weights: Weights
    siblings: tuple[Weights, ...] = ()
    protocol: str = HTTP
    others: frozenset[str] = frozenset()
    single: bool = False

    @property
    def called(self) -> str:
        """As text."""
        return titled([self.label])

    def like(self, other: EnvoyRule) -> bool:
        """Whether Envoy cannot tell the routes of the two apart."""
        if (self.protocol == HTTP) != (other.protocol == HTTP):
            return False
        shared = self.names & other.names
        return bool(shared - {""}) or bool(shared and self.weights.keys() & other.weights.keys())


def rules_of(virtual_service: Mapping[str, Any], wanted: Iterable[RuleId]) -> tuple[EnvoyRule, ...]:
    """These rules."""
    every = {rule: _rule_of(virtual_service, rule, content) for rule, content in rules_in(virtual_service)}
    hosts = frozenset(name for rule in every.values() if rule.protocol == TLS for name in rule.names if name)
    return tuple(
        replace(
            rule,
            siblings=tuple(each.weights for each in every.values() if each is not rule and rule.like(each)),
            others=hosts if rule.protocol == TCP else frozenset(),
        )
        for rule in (every[each] for each in sorted(wanted))
    )


def bound_rules(bound: Iterable[Binding]) -> tuple[EnvoyRule, ...]:
    """The rules that are bound there."""
    return tuple(rule for each in bound for rule in rules_of(each.virtual_service, each.rules))


def _rule_of(virtual_service: Mapping[str, Any], place: RuleId, rule: Mapping[str, Any]) -> EnvoyRule:
    meta, matches = virtual_service["metadata"], rule.get("match") or [{}]
    if place.protocol == HTTP:
        label = rule.get("name", "")
        found = [match.get("name") for match in matches]
        names = [f"{label}.{match}" if match else label for match in found]
    else:
        label, names = "", [_sni(match.get("sniHosts")) if place.protocol == TLS else "" for match in matches]
    entries = rule.get("route") or []
    weights: dict[HostSubset, int] = {}
    for entry in entries:
        target = entry["destination"]
        destination = HostSubset(identity(target["host"], meta["namespace"]), target.get("subset", ""))
        # Istio ignores the weight of a single destination.
        weights[destination] = weights.get(destination, 0) + (1 if len(entries) == 1 else entry.get("weight") or 0)
    return EnvoyRule(
        f"{meta['namespace']}/{meta['name']}",
        place.name(label),
        frozenset(names),
        weights,
        protocol=place.protocol,
        single=len(entries) == 1,
    )


def _sni(hosts: Iterable[str] | None) -> str:
    """The SNI hosts of a match, as the name of its filter chain; empty for any host."""
    names = sorted(hosts or ())
    return "" if "*" in names else " ".join(names)


def routes_path(configs: Iterable[str] = ()) -> str:
    """The admin path of all routes, or of those in the route configurations with these names."""
    return _dump_path("dynamic_route_configs", configs)


def listeners_path(names: Iterable[str] = ()) -> str:
    """The admin path of all listeners, or of those with these names."""
    return _dump_path("dynamic_listeners", names)


def _dump_path(resource: str, only: Iterable[str]) -> str:
    query = {"resource": resource}
    names = sorted(only)
    if names:
        query["name_regex"] = "|".join(re.escape(name) for name in names)
    return f"/config_dump?{urlencode(query)}"


@dataclass(frozen=True)
class EnvoyRoutes:
    """The routes of some rules, by rule, in their order.

    configs: the names of what they are in, route configurations or listeners.
    """

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
def chains_of(dump: bytes, rules: Sequence[EnvoyRule]) -> EnvoyRoutes:
    """The same for rules for connections, which are filter chains of listeners."""
    listeners: set[str] = set()
    weights: list[list[Weights]] = [[] for _rule in rules]
    for listener, chain in _chains(dump):
        for rule, found in zip(rules, weights, strict=True):
            if chain.belongs_to(rule):
                listeners.add(listener)
                found.append(chain.weights)
    return EnvoyRoutes(frozenset(listeners), tuple(map(tuple, weights)))


@understood("config_dump")
def destinations(dump: bytes) -> set[HostSubset]:
    """The destinations of all routes of VirtualServices; sidecars have others of their own, to each Service."""
    return {destination for _config, route in _routes(dump) if _origin(route) for destination in _weights(route)}


@understood("config_dump")
def chain_destinations(dump: bytes, sidecar: bool) -> set[HostSubset]:
    """The same for filter chains; a gateway has none of its own, so that all of its chains count."""
    found = [chain for _listener, chain in _chains(dump) if not sidecar or chain.weighted or chain.origin]
    return {place for chain in found for place in chain.weights}


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


def _origin(made: Mapping[str, Any]) -> str:
    """The object that istiod has made a route or a filter chain from."""
    metadata = (made.get("metadata") or {}).get("filter_metadata") or {}
    return str((metadata.get("istio") or {}).get("config", ""))


@dataclass(frozen=True)
class _Chain:
    """A filter chain that proxies connections.

    origin: the object that it was made from, where that is known: istiod says so for most of a sidecar's, and for none
    of a gateway's. prefix: of its statistics, by which istiod names the VirtualService of a weighted one.
    """

    sni: str
    origin: str
    prefix: str
    weights: Weights
    weighted: bool

    def belongs_to(self, rule: EnvoyRule) -> bool:
        if rule.protocol == HTTP or not self.weights.keys() & rule.weights.keys():
            return False
        if self.sni in rule.others or (rule.protocol == TLS and self.sni not in rule.names):
            return False
        namespace, name = rule.virtual_service.split("/")
        if self.origin:
            return _is_of(self.origin, rule)
        return self.prefix == f"{name}.{namespace}" if self.weighted else rule.single


def _chains(dump: bytes) -> Iterator[tuple[str, _Chain]]:
    for entry in from_json(dump).get("configs") or []:
        listener = (entry.get("active_state") or {}).get("listener") or {}
        default = listener.get("default_filter_chain")
        for chain in [*(listener.get("filter_chains") or []), *([default] if default else [])]:
            for network_filter in chain.get("filters") or []:
                config = network_filter.get("typed_config") or {}
                if str(config.get("@type", "")).endswith(".TcpProxy"):
                    hosts = (chain.get("filter_chain_match") or {}).get("server_names")
                    weighted, prefix = "weighted_clusters" in config, str(config.get("stat_prefix", ""))
                    yield entry.get("name", ""), _Chain(_sni(hosts), _origin(chain), prefix, _split(config), weighted)


def _is_of(origin: str, rule: EnvoyRule) -> bool:
    namespace, name = rule.virtual_service.split("/")
    return origin.endswith(f"/namespaces/{namespace}/virtual-service/{name}")


def _belongs_to(rule: EnvoyRule, route: Mapping[str, Any]) -> bool:
    if not _is_of(_origin(route), rule):
        return False
    name = route.get("name", "")
    # A rule without a name is recognized by its destinations.
    return name in rule.names and (name != "" or bool(_weights(route).keys() & rule.weights.keys()))


def _weights(route: Mapping[str, Any]) -> Weights:
    return _split(route.get("route") or {})


def _split(action: Mapping[str, Any]) -> Weights:
    """How a route, or a proxy of connections, splits between clusters."""
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
