# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Questions to one Envoy, asked again and again until it agrees. Pure but for the way to ask, which they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from . import admin
from .admin import EnvoyRule, HostSubset

Get = Callable[[str], bytes]

RUNS = "runs"  # how the words begin that tell the weights a proxy has


@dataclass(frozen=True)
class Observation:
    """What a look showed, in words and as percent by subset.

    concerned: False if the proxy knows nothing of what was asked. Routes and clusters can be kept from sidecars, so
    such a sidecar agrees; a gateway does not. read: False if it gave no answer.
    """

    agrees: bool
    shows: str
    weights: Mapping[str, float] = field(default_factory=dict)
    concerned: bool = True
    read: bool = True


class Expectation(Protocol):
    """A question to one proxy, with what it remembers of it."""

    def __call__(self, get: Get, sidecar: bool) -> Observation: ...


class WeightsExpectation:
    """Whether all its routes of a rule split the requests as they should."""

    def __init__(self, rule: EnvoyRule) -> None:
        self._rule = rule
        self._configs: tuple[str, ...] = ()  # where the routes were found, for a small answer the next time

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        found = admin.weights_by_config(get(admin.routes_path(self._configs)), self._rule)
        if not found and self._configs:
            found = admin.weights_by_config(get(admin.routes_path()), self._rule)
        self._configs = tuple(found)
        routes = [weights for each in found.values() for weights in each]
        wanted = self._rule.weights
        if not routes:
            return Observation(sidecar, "has no such route", concerned=not sidecar)
        other = [weights for weights in routes if not admin.same_shares(weights, wanted)]
        shares = admin.percentages((other or routes)[0], wanted)
        return Observation(not other, f"{RUNS} {said(shares)}", shares)


class DefinitionsExpectation:
    """Whether it knows each of these subsets."""

    def __init__(self, wanted: frozenset[HostSubset]) -> None:
        self._wanted = wanted

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        lacks = self._wanted - admin.hosts(get(admin.hosts_path(self._wanted))).keys()
        if lacks == self._wanted and sidecar:
            return Observation(True, "has no such cluster", concerned=False)
        missing = [f"no cluster for {named(place)}" for place in lacks]
        return Observation(not lacks, f"has {' and '.join(sorted(missing)) or 'a cluster for each'}")


class SubsetsExpectation:
    """Whether it has a healthy host for each of these subsets."""

    def __init__(self, wanted: frozenset[HostSubset]) -> None:
        self._wanted = wanted

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        found = admin.hosts(get(admin.hosts_path(self._wanted)))
        known = self._wanted & found.keys()
        if not known and sidecar:
            return Observation(True, "has no such cluster", concerned=False)
        lacks = [f"no cluster for {named(place)}" for place in self._wanted - known]
        lacks += [
            f"{found[place].healthy} of {found[place].total} hosts of {named(place)} healthy"
            for place in known
            if not found[place].healthy
        ]
        return Observation(not lacks, f"has {' and '.join(sorted(lacks)) or 'healthy hosts'}")


class AbsenceExpectation:
    """Whether none of its routes leads to these subsets."""

    def __init__(self, unwanted: frozenset[HostSubset]) -> None:
        self._unwanted = unwanted

    def __call__(self, get: Get, sidecar: bool) -> Observation:
        present = admin.destinations(get(admin.routes_path())) & self._unwanted
        names = ", ".join(sorted(named(place) for place in present))
        return Observation(not present, f"has routes to {names}" if names else "has no route to it")


def said(shares: Mapping[str, float]) -> str:
    """Shares as people read them."""
    return ", ".join(f"{name} {share:g} %" for name, share in shares.items())


def named(place: HostSubset) -> str:
    """A subset as people read it."""
    return f"subset {place.subset} of {place.host}"
