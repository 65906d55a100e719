# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions others may remove, because no route and no proxy leads to them any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE
from .._proxy.fleet import NotLive, Unproven
from .._release.cleanup import leftovers, removed
from .._release.model import Rejected
from .._routing.virtual_service import users
from .context import Outcome, Request, Session
from .snapshot import Object


@dataclass(frozen=True)
class Leftover:
    """A version of an earlier release. used_by: the other routes that lead to it; why: what else keeps it."""

    version: str
    used_by: list[str]
    why: str


@dataclass(frozen=True)
class Removal:
    """What a cleanup leaves to others to remove. removed: the version that has left the route, None if none has.

    used_by: the other routes that lead to it.
    """

    removed: str | None = None
    used_by: list[str] = field(default_factory=list)
    leftovers: tuple[Leftover, ...] = ()


def removal_of(session: Session, request: Request, outcome: Outcome) -> tuple[Outcome, Removal]:
    """What may be removed after a cleanup; where that could not be seen, the outcome is a Rejected decision."""
    snapshot, target = outcome.snapshot, request.target
    over = removed(snapshot.state, snapshot.all_shares)
    asked = (target.stable, target.canary)
    older = [name for name in leftovers(snapshot.state, snapshot.all_shares, snapshot.subsets) if name not in asked]
    if over is None and not older:
        return outcome, Removal()
    try:
        services = session.cluster.list(VIRTUAL_SERVICE, target.namespace)
    except ClusterError as error:
        blind = f"whether other routes lead to {over or ', '.join(older)} could not be seen: {error}"
        return replace(outcome, decision=Rejected(blind)), Removal()
    use = _use_of(session, outcome, over, services) if over else None
    if use and use.why:
        return replace(outcome, decision=Rejected(use.why)), Removal()
    found = tuple(_use_of(session, outcome, version, services) for version in older)
    return outcome, Removal(over, use.used_by if use else [], found)


def _use_of(session: Session, outcome: Outcome, version: str, services: Iterable[Object]) -> Leftover:
    """Who still leads to a version: other routes, or else a proxy that has not dropped it yet."""
    target, route = outcome.snapshot.target, outcome.snapshot.route
    moved = [(target, outcome.snapshot.routes), *((each.target, each.routes) for each in outcome.snapshot.followers)]
    here = [
        f"{route.id.called(route.label)} of {each.namespace}/{each.name}" for each, routes in moved for route in routes
    ]
    places = [place for each in services for place in users(each, route.place(version))]
    used_by = [place for place in places if place not in here]
    return Leftover(version, used_by, "" if used_by else _why_not_absent(session, outcome, version))


def _why_not_absent(session: Session, outcome: Outcome, version: str) -> str:
    """Why a version that has left the route must stay; empty where no proxy leads to it or none is asked."""
    if session.prover is None:
        return ""
    try:
        session.prover.absent(outcome.snapshot, version)
    except NotLive as error:
        return str(error)
    except (Unproven, ClusterError) as error:
        return f"whether {version} can be removed could not be seen: {error}; fix that first"
    return ""
