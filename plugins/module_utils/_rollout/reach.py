# SPDX-License-Identifier: GPL-3.0-or-later
"""Other ways to a version, read after the write so that nothing waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from .._istio.mesh import Mesh, Object, name_of
from .._istio.reach import MovedRules, past, sentences, unrouted_callers
from .._istio.reader import INJECTED
from .._k8s.auth import ClusterError
from .._k8s.client import DESTINATION_RULE, POD, SERVICE, VIRTUAL_SERVICE, Cluster
from .._preflight.reach import callers, callers_routed, reached_by_weight_alone, versions_of
from .._routing.hosts import service_of
from .read import FRESH
from .snapshot import Snapshot

MOST = 20  # sidecars that are looked at beside the service's own pods: one that could call is enough


class MeshCallers:
    """Whether a sidecar in the mesh could send requests, as seen at most FRESH seconds ago."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen = False
        self._read_at = -FRESH

    def seen(self, snapshot: Snapshot) -> bool:
        """The same for other pods than those of the snapshot; true where that may not be read."""
        if time.monotonic() - self._read_at >= FRESH:
            self._seen, self._read_at = _callers(self._cluster, snapshot), time.monotonic()
        return self._seen


def also_reached(
    cluster: Cluster, snapshot: Snapshot, skip: Collection[str], rivals: bool, callers: MeshCallers
) -> tuple[str, ...]:
    """The other ways to the version that is released, one sentence each.

    skip: the checks that are to be left out. rivals: whether all VirtualServices were to be read before.
    """
    if reached_by_weight_alone.__name__ in skip:
        return ()
    followers = {(name_of(each.virtual_service), rule) for each in snapshot.followers for rule in each.rules}
    split = MovedRules(snapshot.virtual_service, frozenset(snapshot.rules), snapshot.route, frozenset(followers))
    found: list[str] = list(past(split, snapshot.target.stable, snapshot.target.canary))
    try:
        world, unseen = _world(cluster, snapshot, rivals and not snapshot.problems)
        for version in versions_of(snapshot.shares, snapshot.target.canary):
            asked = callers_routed.__name__ not in skip and unrouted_callers(split, version, world) is not None
            found += sentences(split, version, world, callers=asked and callers.seen(snapshot))
    except ClusterError as error:
        unseen = str(error)
    return (*found, *([f"whether requests reach a version by another way was not seen: {unseen}"] if unseen else []))


def _world(cluster: Cluster, snapshot: Snapshot, complete: bool) -> tuple[Mesh, str]:
    """All that leads somewhere, as far as it was not read before and may be; and what may not."""
    mesh, service = snapshot.mesh, service_of(snapshot.route.host, snapshot.target.namespace)
    services, rules, routes = mesh.services, mesh.destination_rules, mesh.virtual_services
    refused: list[str] = []
    if service and not services:
        services, why = _allowed(lambda: filter(None, [cluster.get(SERVICE, service.name, service.namespace)]))
        refused += why
    if service and not rules:
        rules, why = _allowed(lambda: cluster.list(DESTINATION_RULE, service.namespace))
        refused += why
    if not complete:
        routes, why = _allowed(lambda: cluster.list(VIRTUAL_SERVICE))
        if why:
            routes, why = _allowed(lambda: cluster.list(VIRTUAL_SERVICE, snapshot.target.namespace))
        refused += why
    return Mesh(virtual_services=routes, destination_rules=rules, services=services), next(iter(refused), "")


def _allowed(read: Callable[[], Iterable[Object]]) -> tuple[tuple[Object, ...], list[str]]:
    """The objects, or the error if they may not be read."""
    try:
        return tuple(read()), []
    except ClusterError as error:
        if error.status != 403:
            raise
        return (), [str(error)]


def _callers(cluster: Cluster, snapshot: Snapshot) -> bool:
    """Whether a sidecar in the mesh could send requests; true where that may not be read."""
    own = snapshot.pods or ()
    try:
        found, more = cluster.some(POD, MOST + len(own), INJECTED)
    except ClusterError as error:
        if error.status != 403:
            raise
        return True
    return more or callers(found, own)
