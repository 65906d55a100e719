# SPDX-License-Identifier: GPL-3.0-or-later
"""What one Envoy is expected to show: each expectation is asked again until it holds. No I/O but the given `get`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .._common.shares import said
from .._routing.hosts import HostSubset
from .._routing.virtual_service import HTTP
from . import envoy_config
from .envoy_config import EnvoyRoutes, EnvoyRule, Weights, same_shares

Get = Callable[[str], bytes]

RUNS = "runs"  # how the text begins that lists the weights of a proxy


@dataclass(frozen=True)
class Observation:
    """What one answer showed, as text and as percent by subset.

    concerned: False if the proxy has nothing of what was asked for. A sidecar may be kept from having it, so such a
    sidecar agrees; a gateway does not. read: False if it gave no answer.
    """

    agrees: bool
    shows: str
    weights: Mapping[str, float] = field(default_factory=dict)
    concerned: bool = True
    read: bool = True


class Expectation(Protocol):
    """Observes one proxy."""

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        """get: returns the answer to a path of the admin interface."""


class WeightsExpectation:
    """Expects all routes of these rules to split requests as they say, and at least one of the rules to be there.

    A proxy need not have all of them, since a rule may be bound to other gateways, or never be reached. The rules are
    of one VirtualService, so that a proxy gets them together: where Envoy cannot tell a rule from others that do not
    move, it is enough that some of its routes have the new weights and none has any that no rule has.
    """

    def __init__(self, rules: Sequence[EnvoyRule]) -> None:
        self._rules = rules
        requests = [rule for rule in rules if rule.protocol == HTTP]
        connections = [rule for rule in rules if rule.protocol != HTTP]
        self._sources = [
            *([_Source(requests, envoy_config.routes_path, envoy_config.routes_of)] if requests else []),
            *([_Source(connections, envoy_config.listeners_path, envoy_config.chains_of)] if connections else []),
        ]

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        present = [found for source in self._sources for found in source.read(get)]
        if not present:
            return Observation(sidecar, "has no such route", concerned=not sidecar)
        wrong = [(rule, weights) for rule, routes in present for weights in _wrong(rule, routes)]
        rule, weights = (wrong or [(rule, routes[0]) for rule, routes in present])[0]
        shares = envoy_config.percentages(weights, rule.weights)
        where = f" in {rule.called}" if wrong and len(self._rules) > 1 else ""
        return Observation(not wrong, f"{RUNS} {said(shares)}{where}", shares)


@dataclass
class _Source:
    """Where a proxy has the routes of some rules. configs: the parts with them, so that the next answer is small."""

    rules: Sequence[EnvoyRule]
    path: Callable[[Iterable[str]], str]
    parse: Callable[[bytes, Sequence[EnvoyRule]], EnvoyRoutes]
    configs: frozenset[str] = frozenset()

    def read(self, get: Get) -> list[tuple[EnvoyRule, Sequence[Weights]]]:
        """The rules that are there, with the weights of their routes."""
        found = self.parse(get(self.path(self.configs)), self.rules)
        if not found.configs and self.configs:
            found = self.parse(get(self.path(())), self.rules)
        self.configs = found.configs
        return [(rule, routes) for rule, routes in zip(self.rules, found.weights, strict=True) if routes]


def _wrong(rule: EnvoyRule, routes: Sequence[Weights]) -> list[Weights]:
    """The weights of a rule's routes in a proxy that it should not have."""
    own = [weights for weights in routes if same_shares(weights, rule.weights)]
    known = (rule.weights, *rule.siblings)
    other = [weights for weights in routes if not any(same_shares(weights, each) for each in known)]
    return other or ([] if own else [routes[0]])


@dataclass(frozen=True)
class ClustersExpectation:
    """Expects a cluster for each of these versions, with a healthy host unless it may be `empty`."""

    versions: frozenset[HostSubset]
    empty: bool = False

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        found = envoy_config.hosts(get(envoy_config.hosts_path(self.versions)))
        known = self.versions & found.keys()
        if not known and sidecar:
            return Observation(True, "has no such cluster", concerned=False)
        missing = [f"no cluster for {place}" for place in self.versions - known]
        missing += [
            f"{found[place].healthy} of {found[place].total} hosts of {place} healthy"
            for place in known
            if not (self.empty or found[place].healthy)
        ]
        complete = "a cluster for each" if self.empty else "healthy hosts"
        return Observation(not missing, f"has {' and '.join(sorted(missing)) or complete}")


@dataclass(frozen=True)
class AbsenceExpectation:
    """Expects no route to these versions, for requests or for connections."""

    versions: frozenset[HostSubset]

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        routes, chains = get(envoy_config.routes_path()), get(envoy_config.listeners_path())
        present = (envoy_config.destinations(routes) | envoy_config.chain_destinations(chains, sidecar)) & self.versions
        names = ", ".join(sorted(map(str, present)))
        return Observation(not present, f"has routes to {names}" if names else "has no route to it")
