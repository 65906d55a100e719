# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a release when something is decided about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._common.shares import Share
from .._istio.mesh import Mesh
from .._k8s.pods import Version, examine
from .._k8s.selectors import as_text
from .._release.annotation import encode
from .._release.model import Observed, Ready
from .._release.state import State, Unreadable
from .._routing.hosts import ServiceName
from .._routing.subsets import Subset
from .._routing.virtual_service import Route

Object = Mapping[str, Any]

ROUTE = "route"  # the field of the annotation that says which HTTP route the release is on
HOST = "host"  # the same for the host of its destinations


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


def versions_of(target: Target, state: State | Unreadable | None) -> tuple[str, ...]:
    named = (target.stable, target.canary)
    return named + ((state.stable, state.canary) if isinstance(state, State) else ())
