# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a release when something is decided about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._common.shares import Share, said
from .._istio.delegation import Binding, bindings
from .._istio.mesh import Mesh
from .._k8s.pods import Version, examine
from .._k8s.selectors import as_text
from .._proxy.attachment import Attachment, attachment_of
from .._release.messages import drifted
from .._release.model import Observed, Ready
from .._release.services import HOST, read_notes
from .._release.state import State, Unreadable
from .._routing.hosts import ServiceName, short_name
from .._routing.subsets import Subset
from .._routing.virtual_service import Route, hosts_of, note_of

Object = Mapping[str, Any]

ALL = "all"  # in place of names of routes
ROUTES_OPTION = {"type": "list", "elements": "str", "default": [ALL], "aliases": ["route"]}

ROUTES = "routes"  # the field of a state that says which HTTP routes the release moves, where these are not all
ROUTE = "route"  # the same of writers that moved one


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

    routes: names or numbers of the HTTP routes to move; empty for all with these versions.
    min_ready: 0 for hosts that are no Service, of which no pods are known.
    """

    name: str
    namespace: str
    stable: str = ""
    canary: str = ""
    routes: tuple[str, ...] = ()
    destination_host: str | None = None
    min_ready: int | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Target:
        """That of a module's options; those that it does not have are not named."""
        routes, namespace = tuple(filter(None, params["routes"])), params["namespace"]
        return cls(
            params["name"],
            namespace,
            short_name(params["stable"] or "", namespace),
            short_name(params["canary"] or "", namespace),
            () if ALL in routes else routes,
            params["destination_host"] or None,
            params.get("min_ready"),
        )

    @property
    def place(self) -> str:
        return f"VirtualService {self.namespace}/{self.name}"


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

    @property
    def route(self) -> Route:
        """The one that tells the shares, and the host of all."""
        return self.routes[0]

    @property
    def rules(self) -> tuple[int, ...]:
        """The indexes of the routes in `spec.http`."""
        return tuple(sorted(route.rule for route in self.routes))

    @property
    def resource_version(self) -> str:
        """That of the VirtualService."""
        return str(self.virtual_service["metadata"]["resourceVersion"])

    @cached_property
    def bindings(self) -> tuple[Binding, ...]:
        """Where the routes are: here, or in what delegates to this VirtualService."""
        return bindings(self.virtual_service, self.rules, self.mesh.virtual_services)

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

    def observed(self, holder_ended: bool = False) -> Observed:
        """What the state machine asks for. Pods that could not be read count as ready."""
        everywhere = set.intersection(*(set(route.destinations) for route in self.routes))
        shares = {name: share for name, share in self.shares.items() if share or name in everywhere}
        names = versions_of(self.target, self.state)
        called = [route.name for route in self.routes]
        routes = {
            route.name if called.count(route.name) == 1 else f"{route.name} (number {route.rule + 1})": route.shares(
                names
            )
            for route in sorted(self.routes, key=lambda each: each.rule)
        }
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
        numbered = sorted(self.routes, key=lambda route: route.rule)
        place = {ROUTES: [route.label or str(route.rule + 1) for route in numbered]} if given else {}
        rest = {name: value for name, value in state.extra.items() if name not in (ROUTES, ROUTE, HOST)}
        namespace = self.target.namespace
        notes = read_notes(note_of(self.virtual_service), namespace)
        host = self.route.service(self.target.stable, self.target.canary)
        noted = replace(state, extra={**rest, **place, HOST: host})
        return notes.written(host, noted, hosts_of(self.virtual_service))


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
