# SPDX-License-Identifier: GPL-3.0-or-later
"""What one Envoy is expected to show: each expectation is asked again until it holds. No I/O but the given `get`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .._common.shares import said
from . import envoy_config
from .envoy_config import EnvoyRule, HostSubset

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
    """Expects all routes of a rule to split requests as it says."""

    def __init__(self, rule: EnvoyRule) -> None:
        self._rule = rule
        self._configs: tuple[str, ...] = ()  # where the routes were found, so that the next answer is small

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        found = envoy_config.weights_by_config(get(envoy_config.routes_path(self._configs)), self._rule)
        if not found and self._configs:
            found = envoy_config.weights_by_config(get(envoy_config.routes_path()), self._rule)
        self._configs = tuple(found)
        routes = [weights for each in found.values() for weights in each]
        expected = self._rule.weights
        if not routes:
            return Observation(sidecar, "has no such route", concerned=not sidecar)
        other = [weights for weights in routes if not envoy_config.same_shares(weights, expected)]
        shares = envoy_config.percentages((other or routes)[0], expected)
        return Observation(not other, f"{RUNS} {said(shares)}", shares)


@dataclass(frozen=True)
class SubsetsExpectation:
    """Expects a cluster for each of these subsets, with a healthy host unless it may be `empty`."""

    subsets: frozenset[HostSubset]
    empty: bool = False

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        found = envoy_config.hosts(get(envoy_config.hosts_path(self.subsets)))
        known = self.subsets & found.keys()
        if not known and sidecar:
            return Observation(True, "has no such cluster", concerned=False)
        missing = [f"no cluster for {place}" for place in self.subsets - known]
        missing += [
            f"{found[place].healthy} of {found[place].total} hosts of {place} healthy"
            for place in known
            if not (self.empty or found[place].healthy)
        ]
        complete = "a cluster for each" if self.empty else "healthy hosts"
        return Observation(not missing, f"has {' and '.join(sorted(missing)) or complete}")


@dataclass(frozen=True)
class AbsenceExpectation:
    """Expects no route to these subsets."""

    subsets: frozenset[HostSubset]

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        present = envoy_config.destinations(get(envoy_config.routes_path())) & self.subsets
        names = ", ".join(sorted(map(str, present)))
        return Observation(not present, f"has routes to {names}" if names else "has no route to it")
