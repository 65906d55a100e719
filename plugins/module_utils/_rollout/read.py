# SPDX-License-Identifier: GPL-3.0-or-later
"""One read of everything that a decision about a canary rests on."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace

from .._common.background import begin
from .._istio.mesh import Mesh, name_of
from .._k8s.auth import ClusterError
from .._k8s.client import DEPLOYMENT, DESTINATION_RULE, NAMESPACE, POD, SERVICE, VIRTUAL_SERVICE, Cluster
from .._release.state import State
from .._routing.hosts import ServiceName, service_of
from .._routing.subsets import Subset, subsets_of
from .._routing.virtual_service import listed
from .followers import follow, followers_of, is_dispensable
from .parse import parse, parse_for_rollback, rewritten
from .snapshot import Follower, Object, Refused, Snapshot, Target, versions_of

QUICK = 0.5  # seconds that a read takes at most where the API server is not slow
BOUND = 2.0  # seconds that a rollback waits for what it can do without
FRESH = 30.0  # seconds after which what no watch keeps current is read again for the next step of a run
LONGER = 8.0  # the same where the first read was quick: then the rest is late by accident, such as a busy controller
_OUTSIDE = (
    "is no Service of this cluster: write it bare or as name.namespace.svc.cluster.local; if it is a host of a "
    "ServiceEntry, set min_ready: 0 (canary_min_ready)"
)
_PODS_COUNT = "min_ready is 0: it must be at least 1"


def read(cluster: Cluster, target: Target, *, lenient: bool = False, rivals: bool = False) -> Snapshot:
    """The snapshot, or Refused with all mistakes in what the user named.

    lenient: only the VirtualService must be there, and whatever else is missing or broken is noted as a problem.
    rivals: read all VirtualServices of the cluster, which is one request too, to know of those for the same hosts.
    """
    begun = time.monotonic()
    snapshot = replace(_virtual_service(cluster, target, rivals), read_at=begun)
    problems = snapshot.problems
    mistakes: list[str] = []
    try:
        snapshot, mistakes = _with_followers(cluster, snapshot, rivals)
        snapshot = _behind(cluster, snapshot)
        mistakes += _mistakes(snapshot, lenient and isinstance(snapshot.state, State))
    except ClusterError as error:
        if not lenient:
            raise
        mistakes.append(str(error))
    if mistakes and not lenient:
        raise Refused(mistakes, snapshot)
    return replace(snapshot, problems=(*problems, *mistakes))


def read_on(cluster: Cluster, known: Snapshot) -> Snapshot:
    """The snapshot for the next step of a run, or Refused; `known` is younger than FRESH.

    Its VirtualService and its pods are watched. What defines the versions is not, and a write does not test it, so it
    is read again, as the VirtualServices are that follow.
    """
    snapshot = rewritten(known, known.virtual_service)
    snapshot, mistakes = _with_followers(cluster, snapshot)
    snapshot = (_with_services if snapshot.route.by_service else _with_subsets)(cluster, snapshot)
    mistakes += _mistakes(snapshot)
    if mistakes:
        raise Refused(mistakes)
    return snapshot


def read_for_rollback(cluster: Cluster, target: Target) -> Snapshot:
    """The snapshot that a rollback rests on: the VirtualService, and as much of the rest as comes within the bound.

    Refused only if the VirtualService is not there or splits nothing between the two versions.
    """
    began = time.monotonic()
    found = cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
    bound = LONGER if time.monotonic() - began < QUICK else BOUND
    if found is None:
        raise Refused([_missing(cluster, target)])
    snapshot = parse_for_rollback(target, found)
    snapshot = replace(snapshot, mesh=Mesh(virtual_services=(found,)))
    following = begin(lambda: _followers_for_rollback(cluster, snapshot))
    # It must be known to have pods before it gets a place.
    needed = any(target.stable not in route.destinations for route in snapshot.routes)
    try:
        snapshot = begin(lambda: _behind(cluster, snapshot, at_once=True)).result(None if needed else bound)
        problems = _mistakes(snapshot)
    except TimeoutError:
        unseen = f"the API server did not answer within {bound:g} s"
        problems = [f"the pods of {target.stable} were not read before the write because {unseen}"]
    except ClusterError as error:
        problems = [str(error)]
    snapshot, missing = _in_time(snapshot, following, max(0.0, began + bound - time.monotonic()))
    return replace(snapshot, problems=(*snapshot.problems, *missing, *problems))


def _in_time(
    snapshot: Snapshot, following: Future[tuple[Snapshot, list[str]]], seconds: float
) -> tuple[Snapshot, list[str]]:
    """The snapshot with the followers as far as they are read by then, and with all others by name."""
    try:
        found, problems = following.result(seconds)
    except (TimeoutError, ClusterError) as error:
        unread, problems = followers_of(snapshot), [f"the VirtualServices that follow were not read before: {error}"]
        return replace(snapshot, unread=unread), problems if unread else []
    known = max(found.mesh.virtual_services, snapshot.mesh.virtual_services, key=len)
    mesh = replace(snapshot.mesh, virtual_services=known)
    return replace(snapshot, followers=found.followers, unread=found.unread, mesh=mesh), problems


def _followers_for_rollback(cluster: Cluster, snapshot: Snapshot) -> tuple[Snapshot, list[str]]:
    """With the followers, and with what delegates to those, where that may be read."""
    snapshot, problems = _with_followers(cluster, snapshot)
    try:
        return (_with_roots(cluster, snapshot) if snapshot.followers and not snapshot.bound else snapshot), problems
    except ClusterError as error:
        return snapshot, [*problems, str(error)]


def _with_followers(cluster: Cluster, snapshot: Snapshot, listed: bool = False) -> tuple[Snapshot, list[str]]:
    """The snapshot with the VirtualServices that follow, and why some do not. listed: all of the cluster were read.

    A rollback goes on with those that are there, and tries the others again after its first write.
    """
    known = {name_of(each): each for each in snapshot.mesh.virtual_services} if listed else {}
    found: list[Follower] = []
    unread: list[Target] = []
    mistakes: list[str] = []
    for target in followers_of(snapshot):
        try:
            thing = known.get(ServiceName(target.namespace, target.name))
            thing = thing or cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
            if thing is None:
                if is_dispensable(snapshot, target):
                    continue
                raise Refused([f"{target.place}, which follows {snapshot.target.place}, does not exist"])
            found.append(follow(snapshot, target, thing))
        except Refused as refused:
            mistakes += refused.mistakes
        except ClusterError as error:
            if not snapshot.lenient:
                raise
            unread.append(target)
            mistakes.append(str(error))
    snapshot = replace(snapshot, followers=tuple(found), unread=tuple(unread))
    return snapshot, mistakes


def pods_of(cluster: Cluster, snapshot: Snapshot, at_once: bool = False) -> Snapshot:
    """The same with the pods as they are now, and how many are wanted. at_once: over two connections."""
    if snapshot.service is None or not snapshot.has_pods:
        return snapshot
    namespace = snapshot.service.namespace
    begun = begin(lambda: _deployments(cluster, namespace)) if at_once else None
    pods, version = cluster.list_versioned(POD, namespace, snapshot.selector)
    deployments = begun.result() if begun else _deployments(cluster, namespace)
    return replace(snapshot, pods=tuple(pods), pods_version=version, deployments=deployments)


def _deployments(cluster: Cluster, namespace: str) -> tuple[Object, ...] | None:
    try:
        return tuple(cluster.list(DEPLOYMENT, namespace))
    except ClusterError as error:
        if error.status != 403:
            raise
        return None


def _virtual_service(cluster: Cluster, target: Target, rivals: bool) -> Snapshot:
    found, problems = _all_of_them(cluster) if rivals else (None, ())
    if found is None:
        one = cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
        found = (one,) if one else ()
    wanted = ServiceName(target.namespace, target.name)
    virtual_service = next((each for each in found if name_of(each) == wanted), None)
    if virtual_service is None:
        raise Refused([_missing(cluster, target)])
    snapshot = parse(target, virtual_service)
    return replace(snapshot, mesh=Mesh(virtual_services=found), problems=(*snapshot.problems, *problems))


def _all_of_them(cluster: Cluster) -> tuple[tuple[Object, ...] | None, tuple[str, ...]]:
    try:
        return tuple(cluster.list(VIRTUAL_SERVICE)), ()
    except ClusterError as error:
        if error.status != 403:
            raise
        unknown = "whether others route the same hosts was not seen (skip_checks: [one_route_per_gateway_host])"
        return None, (f"{unknown}: {error}",)


def _behind(cluster: Cluster, snapshot: Snapshot, at_once: bool = False) -> Snapshot:
    """With the Service, the subsets and the pods behind the route. at_once: over several connections."""
    if not snapshot.bound:
        snapshot = _with_roots(cluster, snapshot)
    namespace = snapshot.target.namespace
    if snapshot.route.by_service:
        return pods_of(cluster, _with_services(cluster, snapshot), at_once)
    service = service_of(snapshot.route.host, namespace)
    if service is None:
        return _with_subsets(cluster, snapshot)
    begun = begin(lambda: cluster.get(SERVICE, service.name, service.namespace)) if at_once else None
    snapshot = _with_subsets(cluster, replace(snapshot, service=service))
    found = begun.result() if begun else cluster.get(SERVICE, service.name, service.namespace)
    selects = ((found or {}).get("spec") or {}).get("selector") or {}
    mesh = replace(snapshot.mesh, services=(found,) if found else ())
    return pods_of(cluster, replace(snapshot, selects=selects, mesh=mesh), at_once)


def _with_roots(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """With the VirtualServices that may delegate to its own: all of the cluster, or those of the namespace."""
    found, _problems = _all_of_them(cluster)
    if found is None:
        found = tuple(cluster.list(VIRTUAL_SERVICE, snapshot.target.namespace))
    return replace(snapshot, mesh=replace(snapshot.mesh, virtual_services=found))


def _with_subsets(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """With the DestinationRules of its own namespace and of that of the Service."""
    own, service = snapshot.target.namespace, snapshot.service
    namespaces = dict.fromkeys((own, service.namespace) if service else (own,))
    rules = [rule for each in namespaces for rule in cluster.list(DESTINATION_RULE, each)]
    subsets = subsets_of(snapshot.route.host, snapshot.target.namespace, rules)
    return replace(snapshot, subsets=subsets, mesh=replace(snapshot.mesh, destination_rules=tuple(rules)))


def _with_services(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """With the Services of the versions, where each is one."""
    names = versions_of(snapshot.target, snapshot.state)
    places = {name: service_of(name, snapshot.target.namespace) for name in dict.fromkeys(names)}
    found = {name: cluster.get(SERVICE, place.name, place.namespace) for name, place in places.items() if place}
    selectors = {name: (each.get("spec") or {}).get("selector") or {} for name, each in found.items() if each}
    subsets = {name: Subset(name, labels, "") for name, labels in selectors.items() if labels}
    first = next(iter(subsets.values()), None)
    shared = {
        key: value
        for key, value in (first.labels if first else {}).items()
        if all(each.labels.get(key) == value for each in subsets.values())
    }
    services = tuple(each for each in found.values() if each)
    service, mesh = places[snapshot.target.stable], replace(snapshot.mesh, services=services)
    return replace(snapshot, service=service, selects=shared, subsets=subsets, mesh=mesh)


def _mistakes(snapshot: Snapshot, outside: bool = False) -> list[str]:
    """outside: hosts may be no Services though that is not said."""
    target, host = snapshot.target, snapshot.route.host
    outside = outside or target.min_ready == 0
    if snapshot.route.by_service:
        return _mistakes_in_services(snapshot, outside)
    if snapshot.service is None and not outside:
        return [f"host {host} of {listed(snapshot.routes)} in {target.place} {_OUTSIDE}"]
    mistakes = []
    if snapshot.service and target.min_ready == 0:
        mistakes.append(f"{_PODS_COUNT}, since {snapshot.service} is a Service of this cluster")
    if snapshot.service and not snapshot.selects:
        mistakes.append(
            f"Service {snapshot.service}, the host of {listed(snapshot.routes)} in {target.place}, "
            "does not exist or selects no pods"
        )
    known = ", ".join(sorted(snapshot.subsets)) or "none"
    for version in (target.stable, target.canary):
        if version not in snapshot.subsets and not _cleaned_up(snapshot, version):
            rules = ", ".join(sorted({subset.destination_rule for subset in snapshot.subsets.values()}))
            where = f"DestinationRule {rules}" if rules else f"any DestinationRule for host {host}"
            mistakes.append(f"subset {version} is not in {where}; its subsets: {known}")
    return mistakes


def _mistakes_in_services(snapshot: Snapshot, outside: bool) -> list[str]:
    """The same where each version is a Service."""
    target, mistakes = snapshot.target, []
    services = {name: service_of(name, target.namespace) for name in (target.stable, target.canary)}
    for name, service in services.items():
        if service is None and not outside:
            mistakes.append(f"{name}, a version in {listed(snapshot.routes)} of {target.place}, {_OUTSIDE}")
        elif service and target.min_ready == 0:
            mistakes.append(f"{_PODS_COUNT}, since {service} is a Service of this cluster")
        elif service and name not in snapshot.subsets and not _cleaned_up(snapshot, name):
            mistakes.append(
                f"Service {service}, a version in {listed(snapshot.routes)} of {target.place}, "
                "does not exist or selects no pods"
            )
    namespaces = sorted({service.namespace for service in services.values() if service})
    if len(namespaces) > 1:
        mistakes.append(
            f"{target.stable} and {target.canary} are Services of the namespaces {' and '.join(namespaces)}: the "
            "versions of a release must be Services of one namespace"
        )
    return mistakes


def _cleaned_up(snapshot: Snapshot, version: str) -> bool:
    """Whether the version took part in a release that is over, and has been removed since."""
    state = snapshot.state
    return (
        isinstance(state, State)
        and state.weights.get(version) == 0
        and not any(version in route.destinations for route in snapshot.routes)
    )


def _missing(cluster: Cluster, target: Target) -> str:
    try:
        if cluster.get(NAMESPACE, target.namespace) is None:
            return f"namespace {target.namespace} does not exist in {cluster.where}"
        known = [each["metadata"]["name"] for each in cluster.list(VIRTUAL_SERVICE, target.namespace)]
    except ClusterError as error:
        if error.status != 403:
            raise
        return f"{target.place} does not exist in {cluster.where}"
    names = f"; there: {', '.join(sorted(known))}" if known else ", which has no VirtualService at all"
    return f"{target.place} does not exist in {cluster.where}{names}"
