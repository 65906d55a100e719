# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a release when something is decided about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._common.shares import Share, said
from .._istio.delegation import Binding, bindings
from .._istio.mesh import Mesh
from .._k8s.pods import Version, examine
from .._k8s.selectors import as_text
from .._proxy.attachment import Attachment, attachment_of
from .._release.following import Following
from .._release.messages import drifted
from .._release.model import Observed, Ready
from .._release.services import HOST, read_notes
from .._release.state import State, Unreadable
from .._routing.hosts import ServiceName, short_name
from .._routing.subsets import Subset
from .._routing.virtual_service import HTTP, Route, RuleId, hosts_of, note_of

Object = Mapping[str, Any]

ALL = "all"  # in place of names of routes
ROUTES_OPTION = {"type": "list", "elements": "str", "default": [ALL], "aliases": ["route"]}

ROUTES = "routes"  # the field of a state that says which routes the release moves, where these are not all
ROUTE = "route"  # the same of writers that moved one
FOLLOWERS = "followers"  # the field of a state that lists the VirtualServices that move with its own
FOLLOWERS_OPTION = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str"},
        "routes": {key: value for key, value in ROUTES_OPTION.items() if key != "aliases"},
    },
}


class Refused(Exception):
    """Everything that prevents the request, one sentence each. seen: what was read before, if it was."""

    def __init__(self, mistakes: Iterable[str], seen: Snapshot | None = None) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        self.seen = seen
        super().__init__("; ".join(self.mistakes))


@dataclass(frozen=True)
class Target:
    """What the user named: a VirtualService and two versions in it; without names, those that are found there.

    stable, canary: names of subsets, or of Services as the VirtualService may name them most briefly.

    routes: names or numbers of the routes to move; empty for all with these versions.
    min_ready: 0 for hosts that are no Service, of which no pods are known.
    followers: the VirtualServices that move with it, by name, namespace and routes; empty for those of the state.
    """

    name: str
    namespace: str
    stable: str = ""
    canary: str = ""
    routes: tuple[str, ...] = ()
    destination_host: str | None = None
    min_ready: int | None = None
    followers: tuple[Target, ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Target:
        """That of a module's options; those that it does not have are not named."""
        namespace = params["namespace"]
        followers = {
            (each["name"], each["namespace"] or namespace): _routes(each["routes"])
            for each in params.get("virtual_services") or []
            if (each["name"], each["namespace"] or namespace) != (params["name"], namespace)
        }
        return cls(
            params["name"],
            namespace,
            short_name(params["stable"] or "", namespace),
            short_name(params["canary"] or "", namespace),
            _routes(params["routes"]),
            params["destination_host"] or None,
            params.get("min_ready"),
            tuple(cls(*place, routes=routes) for place, routes in followers.items()),
        )

    @property
    def place(self) -> str:
        return f"VirtualService {self.namespace}/{self.name}"


def _routes(names: Iterable[str]) -> tuple[str, ...]:
    given = tuple(filter(None, names))
    return () if ALL in given else given


@dataclass(frozen=True)
class Follower:
    """A VirtualService that moves with the leader, which is that of the snapshot.

    following: what its annotation says of that; None where it has not followed yet.
    """

    target: Target
    virtual_service: Object
    routes: tuple[Route, ...]
    following: Following | None = None

    @property
    def rules(self) -> tuple[RuleId, ...]:
        """Where the routes are."""
        return tuple(sorted(route.id for route in self.routes))

    def has(self, shares: Mapping[str, Share]) -> bool:
        """Whether all of its routes have these shares. Absent is 0."""
        return all(
            each.get(name, 0) == shares.get(name, 0)
            for each in (route.shares(shares) for route in self.routes)
            for name in shares
        )

    def is_left_with(self, names: Iterable[str]) -> bool:
        """Whether its routes still have what a run has written to them."""
        versions = tuple(names)
        following = self.following
        return following is not None and all(following.matches(route.shares(versions)) for route in self.routes)

    def most(self, canary: str, names: Iterable[str]) -> Mapping[str, Share]:
        """The shares of the route that has the most for the canary."""
        versions = tuple(names)
        return max((route.shares(versions) for route in self.routes), key=lambda each: each.get(canary, 0))


@dataclass(frozen=True)
class Snapshot:
    """The VirtualService, what it says, and the pods behind it.

    pods_version: the resourceVersion of their list, from which a watch continues; empty without one.
    deployments: all of the Service's namespace; None if they may not be read.
    service, selects: the Service and its selector. Where each version is a Service: that of the stable version, and
        what all of them select by.
    subsets: by version, also where each is a Service.
    routes: all that are moved; the first one tells the present shares: before a rollback, that with the most for the
        canary.
    foreign: the state is that of a release on other routes of the service, and is not ours to write.
    unnoted: the weights are written, and the annotation does not say so.
    lenient: it was read for a rollback, which accepts what it finds.
    mesh: the objects as they were read, with all other VirtualServices if they were asked for.
    problems: what could not be made sure of.
    read_at: when all of it was read (monotonic).
    followers: the VirtualServices that move with this one. unread: those of them that a rollback has not read.
    """

    target: Target
    virtual_service: Object
    state: State | Unreadable | None
    routes: tuple[Route, ...]
    service: ServiceName | None = None
    selects: Mapping[str, str] = field(default_factory=dict)
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    pods: tuple[Object, ...] | None = None
    pods_version: str = ""
    deployments: tuple[Object, ...] | None = None
    mesh: Mesh = field(default_factory=Mesh)
    problems: tuple[str, ...] = ()
    foreign: bool = False
    unnoted: bool = False
    lenient: bool = False
    read_at: float = 0.0
    followers: tuple[Follower, ...] = ()
    unread: tuple[Target, ...] = ()

    @property
    def route(self) -> Route:
        """The one that tells the shares, and the host of all."""
        return self.routes[0]

    @property
    def of_connections(self) -> bool:
        """Whether its own routes split connections, and none of them requests."""
        return all(route.protocol != HTTP for route in self.routes)

    @property
    def every_route(self) -> tuple[Route, ...]:
        """Its own, and those of the followers."""
        return (*self.routes, *(route for each in self.followers for route in each.routes))

    @property
    def rules(self) -> tuple[RuleId, ...]:
        """Where the routes are."""
        return tuple(sorted(route.id for route in self.routes))

    @property
    def resource_version(self) -> str:
        """That of the VirtualService."""
        return str(self.virtual_service["metadata"]["resourceVersion"])

    @cached_property
    def bindings(self) -> tuple[Binding, ...]:
        """Where the routes are: here and in the followers, or in what delegates to these VirtualServices."""
        return tuple(each for bound in self._bound for each in bound)

    @property
    def bound(self) -> bool:
        """Whether it is known of each VirtualService where its routes are."""
        return all(self._bound)

    @cached_property
    def _bound(self) -> list[tuple[Binding, ...]]:
        moved = [(self.virtual_service, self.rules), *((each.virtual_service, each.rules) for each in self.followers)]
        world = (*self.mesh.virtual_services, *(virtual_service for virtual_service, _rules in moved))
        return [bindings(virtual_service, rules, world) for virtual_service, rules in moved]

    @property
    def attachment(self) -> Attachment:
        """The gateways and the mesh that have the routes."""
        return attachment_of(self.virtual_service, self.bindings)

    @property
    def has_pods(self) -> bool:
        """Whether a Service selects any pods."""
        return self.service is not None and bool(self.selects or (self.route.by_service and self.subsets))

    @property
    def selector(self) -> str:
        """The Service's, in the syntax of the API server."""
        return as_text(self.selects)

    @cached_property
    def shares(self) -> Mapping[str, Share]:
        """Percent by version that the request or the state names, of what these have together."""
        return self.route.shares(versions_of(self.target, self.state))

    @cached_property
    def all_shares(self) -> Mapping[str, Share]:
        """Percent of all requests of the rule, by version, and by name of each further destination."""
        return self.route.of_all(self.shares)

    @cached_property
    def versions(self) -> Mapping[str, Version]:
        """The pods of each version that the request or the state names, the request's first."""
        return {name: self._version(name) for name in versions_of(self.target, self.state)}

    def _version(self, name: str) -> Version:
        subset = self.subsets.get(name)
        if subset is None:
            lacking = "there is no such Service with a selector"
            absent = lacking if self.route.by_service else "no DestinationRule has this subset"
            return Version(name, 0, 0, (), absent=absent)
        return examine(name, {**self.selects, **subset.labels}, self.pods or (), self.deployments)

    def observed(self, holder_ended: bool = False, anywhere: bool = False) -> Observed:
        """What the state machine asks for. Pods that could not be read count as ready.

        anywhere: a version without requests counts as a destination if any of the routes has it, not only if all have.
        """
        destinations = [set(route.destinations) for route in self.every_route]
        placed = set.union(*destinations) if anywhere else set.intersection(*destinations)
        shares = {name: share for name, share in (self.ahead or self.shares).items() if share or name in placed}
        if anywhere:
            shares |= {name: 0 for name in versions_of(self.target, self.state) if name in placed - shares.keys()}
        routes = self._by_route()
        if self.pods is None:
            return Observed(shares, holder_ended=holder_ended, routes=routes)
        minimum = self.target.min_ready or None
        whole = max(self.versions[name].total for name in (self.target.stable, self.target.canary))
        ready = {
            name: Ready(*version.carries(whole, minimum), version.filled(minimum))
            for name, version in self.versions.items()
        }
        stable, canary = ready.pop(self.target.stable), ready.pop(self.target.canary)
        return Observed(shares, stable, canary, holder_ended, ready, routes)

    @cached_property
    def ahead(self) -> Mapping[str, Share] | None:
        """The most that the canary has in a follower, where a rollback is to take back more there than in the leader.

        None where the stable version could not answer there.
        """
        known = self.state if isinstance(self.state, State) else self.target
        names = versions_of(self.target, self.state)
        most = [each.most(known.canary, names) for each in self.followers if self.lenient]
        first = max([self.shares, *most], key=lambda each: each.get(known.canary, 0))
        dead = self.pods is not None and not self.versions[known.stable].ready
        return None if first is self.shares or dead else first

    def _by_route(self) -> dict[str, Mapping[str, Share]]:
        """The shares of each route, by its name; of one that a run has spread to, those that its leader has."""
        names = versions_of(self.target, self.state)
        called = [route.name for route in self.routes]
        found: dict[str, Mapping[str, Share]] = {
            route.name if called.count(route.name) == 1 else f"{route.name} (number {route.rule + 1})": route.shares(
                names
            )
            for route in sorted(self.routes, key=lambda each: each.order)
        }
        for each in self.followers:
            for route in each.routes:
                name = f"{route.name} of {each.target.namespace}/{each.target.name}"
                found[name] = self.shares if each in self.spread else route.shares(names)
        return found

    @property
    def astray(self) -> tuple[Follower, ...]:
        """The followers that have other weights than the leader."""
        shares = {name: self.shares.get(name, 0) for name in versions_of(self.target, self.state)}
        return tuple(each for each in self.followers if not each.has(shares))

    @cached_property
    def spread(self) -> tuple[Follower, ...]:
        """Those that a run has left so which ended between its writes; the next one completes that, or takes it back.

        A rollback takes all of them as they are.
        """
        names = versions_of(self.target, self.state)
        written = self.state.weights if isinstance(self.state, State) else self.shares
        left = [each for each in self.astray if each.is_left_with(names) and not each.has(written)]
        return () if self.lenient else tuple(left)

    def with_pods(self, pods: Iterable[Object]) -> Snapshot:
        """The same with these pods, as a watch shows them; others than before may be due to other Deployments."""
        now = tuple(pods)
        same = {pod["metadata"]["uid"] for pod in now} == {pod["metadata"]["uid"] for pod in self.pods or ()}
        return replace(self, pods=now, read_at=self.read_at if same else 0.0)

    def with_problem(self, problem: str) -> Snapshot:
        """The same, with one more thing that could not be made sure of."""
        return replace(self, problems=(*self.problems, problem))

    def noted(self, state: State, remember: bool = False) -> str:
        """The annotation that says this of these routes, and keeps what it says of other services.

        remember: name the routes though they are all, for a version leaves them, and does not tell them apart then.
        """
        given = chosen(self.target, self.state) or remember
        place: dict[str, Any] = {ROUTES: _labels(self.routes)} if given else {}
        if self.followers or self.unread:
            named = {each.target for each in self.followers if each.target.routes or remember}
            place[FOLLOWERS] = [
                *(_listed(each.target, each.routes if each.target in named else ()) for each in self.followers),
                *(_listed(each) for each in self.unread),
            ]
        rest = {name: value for name, value in state.extra.items() if name not in (ROUTES, ROUTE, HOST, FOLLOWERS)}
        namespace = self.target.namespace
        notes = read_notes(note_of(self.virtual_service), namespace)
        host = self.route.service(self.target.stable, self.target.canary)
        noted = replace(state, extra={**rest, **place, HOST: host})
        return notes.written(host, noted, hosts_of(self.virtual_service))


def _labels(routes: Iterable[Route]) -> list[str]:
    """How a state names these routes."""
    return [route.key for route in sorted(routes, key=lambda each: each.order)]


def _listed(follower: Target, routes: Sequence[Route] = ()) -> dict[str, Any]:
    """How a state lists a follower. routes: those that it moves there, where these are not all."""
    names = _labels(routes) or list(follower.routes)
    return {"namespace": follower.namespace, "name": follower.name} | ({ROUTES: names} if names else {})


def chosen(target: Target, state: State | Unreadable | None) -> tuple[str, ...]:
    """The routes that a release is restricted to: those that are named, or else those that it was begun in."""
    same = isinstance(state, State) and (target.stable, target.canary) == (state.stable, state.canary)
    return target.routes or (restriction(state) if same else ())


def drift(snapshot: Snapshot) -> str:
    """The weights that differ from those of the state, and where, as a clause; empty if none does."""
    state, observed = snapshot.state, snapshot.observed()
    if not isinstance(state, State) or (state.matches(observed.weights) and not observed.uneven):
        return ""
    return f"{drifted(state, observed)} now, {said(state.weights)} when the release wrote them"


def restriction(state: State | Unreadable | None) -> tuple[str, ...]:
    """The names of the routes that a release moves; empty for all."""
    if not isinstance(state, State):
        return ()
    names = state.extra.get(ROUTES) or [state.extra.get(ROUTE)]
    return tuple(str(name) for name in names if name) if isinstance(names, list) else ()


def versions_of(target: Target, state: State | Unreadable | None) -> tuple[str, ...]:
    named = (target.stable, target.canary)
    return named + ((state.stable, state.canary) if isinstance(state, State) else ())
