# SPDX-License-Identifier: GPL-3.0-or-later
"""One read of everything that a decision about a canary rests on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._common.background import begin
from .._common.shares import Share
from .._istio.mesh import Mesh, name_of
from .._k8s.auth import ClusterError
from .._k8s.client import DEPLOYMENT, DESTINATION_RULE, NAMESPACE, POD, SERVICE, VIRTUAL_SERVICE, Cluster
from .._k8s.pods import Version, examine
from .._k8s.selectors import as_text
from .._release.annotation import decode, encode
from .._release.cleanup import OVER
from .._release.model import Observed, Ready
from .._release.state import State, Unreadable
from .._routing.hosts import ServiceName, identity, same_host, service_of
from .._routing.subsets import Subset, subsets_of
from .._routing.virtual_service import Route, RouteError, candidates, described, has_route, locate, note_of, pair

Object = Mapping[str, Any]

ROUTE = "route"  # the field of the annotation that says which HTTP route the release is on
HOST = "host"  # the same for the host of its destinations
QUICK = 0.5  # seconds that a read takes at most where the API server is not slow
BOUND = 2.0  # seconds that a rollback waits for what it can do without
FRESH = 30.0  # seconds after which what no watch keeps current is read again for the next step of a run
LONGER = 8.0  # the same where the first read was quick: then the rest is late by accident, such as a busy controller


class Refused(Exception):
    """Everything that prevents the request, one sentence each. seen: what was read before, if it was."""

    def __init__(self, mistakes: Iterable[str], seen: Snapshot | None = None) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        self.seen = seen
        super().__init__("; ".join(self.mistakes))


@dataclass(frozen=True)
class Target:
    """What the user named: a VirtualService and two versions in it; without names, those that are found there."""

    name: str
    namespace: str
    stable: str = ""
    canary: str = ""
    route: str | None = None
    destination_host: str | None = None
    min_ready: int | None = None

    @property
    def place(self) -> str:
        return f"VirtualService {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Snapshot:
    """The VirtualService, what it says, and the pods behind it.

    pods_version: the resourceVersion of their list, from which a watch continues; empty without one.
    deployments: all of the Service's namespace; None if they may not be read.
    also: other routes between the same versions, which a rollback moves too where it cannot tell which one is meant.
    foreign: the annotation is that of another release on this VirtualService, and is not ours to write.
    unnoted: the weights are written, and the annotation does not say so.
    lenient: it was read for a rollback, which accepts what it finds.
    mesh: the objects as they were read, with all other VirtualServices if they were asked for.
    problems: what could not be made sure of.
    read_at: when all of it was read (monotonic).
    """

    target: Target
    virtual_service: Object
    state: State | Unreadable | None
    route: Route
    service: ServiceName | None = None
    selects: Mapping[str, str] = field(default_factory=dict)
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    pods: tuple[Object, ...] | None = None
    pods_version: str = ""
    deployments: tuple[Object, ...] | None = None
    mesh: Mesh = field(default_factory=Mesh)
    problems: tuple[str, ...] = ()
    also: tuple[Route, ...] = ()
    foreign: bool = False
    unnoted: bool = False
    lenient: bool = False
    read_at: float = 0.0

    @property
    def routes(self) -> tuple[Route, ...]:
        """All that a move is made in."""
        return (self.route, *self.also)

    @property
    def resource_version(self) -> str:
        """That of the VirtualService."""
        return str(self.virtual_service["metadata"]["resourceVersion"])

    @property
    def selector(self) -> str:
        """The Service's, in the syntax of the API server."""
        return as_text(self.selects)

    @cached_property
    def shares(self) -> Mapping[str, Share]:
        """Percent by version that the request or the state names, of what these have together."""
        return self.route.shares(_versions(self.target, self.state))

    @cached_property
    def all_shares(self) -> Mapping[str, Share]:
        """Percent of all requests of the rule, by version, and by name of each further destination."""
        return self.route.of_all(self.shares)

    @cached_property
    def versions(self) -> Mapping[str, Version]:
        """The pods of each version that the request or the state names, the request's first."""
        return {name: self._version(name) for name in _versions(self.target, self.state)}

    def _version(self, name: str) -> Version:
        subset = self.subsets.get(name)
        if subset is None:
            return Version(name, 0, 0, (), absent="no DestinationRule has this subset")
        return examine(name, {**self.selects, **subset.labels}, self.pods or (), self.deployments)

    def observed(self, holder_ended: bool = False) -> Observed:
        """What the state machine asks for. Pods that could not be read count as ready."""
        if self.pods is None:
            return Observed(self.shares, holder_ended=holder_ended)
        minimum = self.target.min_ready
        whole = max(self.versions[name].total for name in (self.target.stable, self.target.canary))
        ready = {
            name: Ready(*version.carries(whole, minimum), version.filled(minimum))
            for name, version in self.versions.items()
        }
        stable, canary = ready.pop(self.target.stable), ready.pop(self.target.canary)
        return Observed(self.shares, stable, canary, holder_ended, ready)

    def with_pods(self, pods: Iterable[Object]) -> Snapshot:
        """The same with these pods, as a watch shows them; others than before may be due to other Deployments."""
        now = tuple(pods)
        same = {pod["metadata"]["uid"] for pod in now} == {pod["metadata"]["uid"] for pod in self.pods or ()}
        return replace(self, pods=now, read_at=self.read_at if same else 0.0)

    def with_problem(self, problem: str) -> Snapshot:
        """The same, with one more thing that could not be made sure of."""
        return replace(self, problems=(*self.problems, problem))

    def noted(self, state: State) -> str:
        """The annotation that says this of this route."""
        place = {ROUTE: self.route.label} if self.route.label else {}
        rest = {name: value for name, value in state.extra.items() if name not in (ROUTE, HOST)}
        return encode(replace(state, extra={**rest, **place, HOST: self.route.host}))

    def rewritten(self, virtual_service: Object) -> Snapshot:
        """The same after a write, by us or by others; a rule that others have renamed is found again."""
        try:
            new = (parse_for_rollback if self.lenient else parse)(self.target, virtual_service)
        except Refused:
            new = parse_for_rollback(self.target, virtual_service)
            if not isinstance(new.state, State):
                raise
        return replace(
            self,
            virtual_service=virtual_service,
            state=new.state,
            route=new.route,
            also=new.also,
            foreign=new.foreign,
            lenient=new.lenient,
            unnoted=False,
        )


def read(cluster: Cluster, target: Target, *, lenient: bool = False, rivals: bool = False) -> Snapshot:
    """The snapshot, or Refused with all mistakes in what the user named.

    lenient: only the VirtualService must be there, and whatever else is missing or broken is noted as a problem.
    rivals: read all VirtualServices of the cluster, which is one request too, to know of those for the same hosts.
    """
    begun = time.monotonic()
    snapshot = replace(_virtual_service(cluster, target, rivals), read_at=begun)
    problems = snapshot.problems
    try:
        snapshot = _behind(cluster, snapshot)
        mistakes = _mistakes(snapshot)
    except ClusterError as error:
        if not lenient:
            raise
        mistakes = [str(error)]
    if mistakes and not lenient:
        raise Refused(mistakes, snapshot)
    return replace(snapshot, problems=(*problems, *mistakes))


def read_on(cluster: Cluster, known: Snapshot) -> Snapshot:
    """The snapshot for the next step of a run, or Refused; `known` is younger than FRESH.

    Its VirtualService and its pods are watched. The DestinationRules are not, and a write does not test them, so they
    are read again.
    """
    snapshot = _with_subsets(cluster, known.rewritten(known.virtual_service))
    mistakes = _mistakes(snapshot)
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
    needed = target.stable not in snapshot.route.destinations  # it must be known to have pods before it gets a place
    try:
        snapshot = begin(lambda: _behind(cluster, snapshot, at_once=True)).result(None if needed else bound)
        problems = _mistakes(snapshot)
    except TimeoutError:
        unseen = f"the API server did not answer within {bound:g} s"
        problems = [f"the pods of {target.stable} were not read before the write because {unseen}"]
    except ClusterError as error:
        problems = [str(error)]
    return replace(snapshot, problems=(*snapshot.problems, *problems))


def pods_of(cluster: Cluster, snapshot: Snapshot, at_once: bool = False) -> Snapshot:
    """The same with the pods as they are now, and how many are wanted. at_once: over two connections."""
    if snapshot.service is None or not snapshot.selects:
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


def parse(target: Target, virtual_service: Object) -> Snapshot:
    """What a VirtualService says of the release and its route, or Refused."""
    state = decode(note_of(virtual_service))
    if isinstance(state, State) and is_elsewhere(state, target, virtual_service):
        if state.phase not in OVER and _is_present(state, virtual_service):
            under_way = f"{state.canary} is {state.phase} on {_place_of(state)}, not on {_asked_for(target)}"
            raise Refused([f"{target.place}: {under_way}; only one release at a time"])
        state = None  # what is over there, or was copied from elsewhere, says nothing about this route
    if not target.stable:
        target = _completed(target, virtual_service, state)
    name = target.route or _named_by(state, virtual_service)
    try:
        route = locate(virtual_service, _versions(target, state), name=name, host=target.destination_host)
    except RouteError as error:
        raise Refused([str(error)]) from error
    return Snapshot(target, virtual_service, state, route)


def parse_for_rollback(target: Target, virtual_service: Object) -> Snapshot:
    """The same for a rollback, which takes the versions where it finds them; Refused where they are nowhere.

    If what was named is not there, it is every route that splits between the two versions of one host. A state that
    is not about the versions there counts for nothing; if it is about others that are there, it is left alone.
    """
    state = decode(note_of(virtual_service))
    own = None if isinstance(state, State) and is_elsewhere(state, target, virtual_service) else state
    refusal: RouteError | None = None
    for candidate in (own, None) if isinstance(own, State) else (own,):
        versions = _versions(target, candidate)
        for name, host in _places(target, candidate, virtual_service):
            try:
                routes = _of_one_host(virtual_service, versions, name, host)
            except RouteError as error:
                refusal = error  # the last one has looked furthest
                continue
            if isinstance(candidate, State) and not _is_about(candidate, routes[0], versions):
                break
            first = max(routes, key=lambda route: route.shares(versions).get(_canary(target, candidate), 0))
            return Snapshot(
                target,
                virtual_service,
                candidate,
                first,
                problems=_taken(target, routes, virtual_service),
                also=tuple(route for route in routes if route is not first),
                foreign=isinstance(state, State) and candidate is None and _is_present(state, virtual_service),
                lenient=True,
            )
    raise Refused([str(refusal)])


def _places(
    target: Target, state: State | Unreadable | None, virtual_service: Object
) -> list[tuple[str | None, str | None]]:
    """Names of routes and hosts to look for, the most exact first."""
    name, host = target.route or _named_by(state, virtual_service), target.destination_host
    return list(dict.fromkeys([(name, host), (None, host), (None, None)]))


def _of_one_host(virtual_service: Object, versions: tuple[str, ...], name: str | None, host: str | None) -> list[Route]:
    """The routes with the most of these versions, if all lead to the same host; RouteError otherwise."""
    routes = candidates(virtual_service, versions, name=name, host=host)
    namespace = virtual_service["metadata"]["namespace"]
    split = len(routes[0].weights(versions)) > 1
    if len({identity(route.host, namespace) for route in routes}) > 1 or (len(routes) > 1 and not split):
        return [locate(virtual_service, versions, name=name, host=host)]  # which says where they are
    return routes


def _canary(target: Target, state: State | Unreadable | None) -> str:
    return state.canary if isinstance(state, State) else target.canary


def _taken(target: Target, routes: list[Route], virtual_service: Object) -> tuple[str, ...]:
    """A warning where other routes were used than the one that was named."""
    names = " and ".join(route.name for route in routes)
    if target.route and not has_route(virtual_service, target.route):
        return (f"{target.place} has no HTTP route {target.route}: used instead: {names}, which split the versions",)
    if len(routes) > 1:
        return (
            f"{target.place} splits between the versions in {len(routes)} HTTP routes, and all were changed: {names}",
        )
    return ()


def is_elsewhere(state: State, target: Target, virtual_service: Object) -> bool:
    """Whether a state says itself that it is of another route, which is there, or of another host."""
    namespace, host, name = target.namespace, state.extra.get(HOST), state.extra.get(ROUTE)
    if host and target.destination_host and not same_host(str(host), namespace, target.destination_host, namespace):
        return True
    if not name or not target.route or name == target.route:
        return False
    return has_route(virtual_service, str(name)) and has_route(virtual_service, target.route)  # neither was renamed


def _is_present(state: State, virtual_service: Object) -> bool:
    """Whether the versions of a state are where it says that they are."""
    name, host = _named_by(state, virtual_service), state.extra.get(HOST)
    try:
        found = candidates(virtual_service, state.weights, name=name, host=str(host) if host else None)
    except RouteError:
        return False
    return any(len(route.weights(state.weights)) > 1 or state.phase in OVER for route in found)


def _is_about(state: State, route: Route, versions: tuple[str, ...]) -> bool:
    """Whether a state can be of this route: its versions are there, or it is over and others have no requests."""
    carrying = {name for name, weight in route.weights(versions).items() if weight}
    both = all(name in route.destinations for name in state.weights)
    return both or (state.phase in OVER and carrying <= state.weights.keys())


def _named_by(state: State | Unreadable | None, virtual_service: Object) -> str | None:
    """The route of a state, unless it has been renamed since."""
    name = state.extra.get(ROUTE) if isinstance(state, State) else None
    return str(name) if name and has_route(virtual_service, str(name)) else None


def _place_of(state: State) -> str:
    name = state.extra.get(ROUTE)
    return f"HTTP route {name}" if name else f"host {state.extra.get(HOST)}"


def _asked_for(target: Target) -> str:
    return target.route or f"host {target.destination_host}"


def _completed(target: Target, virtual_service: Object, state: State | Unreadable | None) -> Target:
    """The target with the versions of the release, or else those of the route."""
    if isinstance(state, State):
        return replace(target, stable=state.stable, canary=state.canary)
    versions = pair(virtual_service, name=target.route)
    if versions is None:
        has = "; ".join(described(virtual_service, target.route)) or "no HTTP route"
        raise Refused([f"{target.place} does not distinguish two versions (it has {has}): name stable and canary"])
    return replace(target, stable=versions[0], canary=versions[1])


def _behind(cluster: Cluster, snapshot: Snapshot, at_once: bool = False) -> Snapshot:
    """With the Service, the subsets and the pods behind the route. at_once: over several connections."""
    namespace = snapshot.target.namespace
    service = service_of(snapshot.route.host, namespace)
    if service is None:
        return snapshot
    begun = begin(lambda: cluster.get(SERVICE, service.name, service.namespace)) if at_once else None
    snapshot = _with_subsets(cluster, replace(snapshot, service=service))
    found = begun.result() if begun else cluster.get(SERVICE, service.name, service.namespace)
    selects = ((found or {}).get("spec") or {}).get("selector") or {}
    mesh = replace(snapshot.mesh, services=(found,) if found else ())
    return pods_of(cluster, replace(snapshot, selects=selects, mesh=mesh), at_once)


def _with_subsets(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """With the DestinationRules of its own namespace and of that of the Service."""
    if snapshot.service is None:
        return snapshot
    namespaces = dict.fromkeys((snapshot.target.namespace, snapshot.service.namespace))
    rules = [rule for each in namespaces for rule in cluster.list(DESTINATION_RULE, each)]
    subsets = subsets_of(snapshot.route.host, snapshot.target.namespace, rules)
    return replace(snapshot, subsets=subsets, mesh=replace(snapshot.mesh, destination_rules=tuple(rules)))


def _mistakes(snapshot: Snapshot) -> list[str]:
    target, host = snapshot.target, snapshot.route.host
    if snapshot.service is None:
        return [
            f"host {host} of HTTP route {snapshot.route.name} in {target.place} is no Service of this cluster: "
            "write it bare or as name.namespace.svc.cluster.local"
        ]
    mistakes = []
    if not snapshot.selects:
        mistakes.append(
            f"Service {snapshot.service}, the host of HTTP route {snapshot.route.name} in {target.place}, "
            "does not exist or selects no pods"
        )
    known = ", ".join(sorted(snapshot.subsets)) or "none"
    for version in (target.stable, target.canary):
        if version not in snapshot.subsets and not _cleaned_up(snapshot, version):
            rules = ", ".join(sorted({subset.destination_rule for subset in snapshot.subsets.values()}))
            where = f"DestinationRule {rules}" if rules else f"any DestinationRule for host {host}"
            mistakes.append(f"subset {version} is not in {where}; its subsets: {known}")
    return mistakes


def _cleaned_up(snapshot: Snapshot, version: str) -> bool:
    """Whether the version took part in a release that is over, and has been removed since."""
    state = snapshot.state
    return isinstance(state, State) and state.weights.get(version) == 0 and version not in snapshot.route.destinations


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


def _versions(target: Target, state: State | Unreadable | None) -> tuple[str, ...]:
    named = (target.stable, target.canary)
    return named + ((state.stable, state.canary) if isinstance(state, State) else ())
