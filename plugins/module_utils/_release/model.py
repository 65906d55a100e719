# SPDX-License-Identifier: GPL-3.0-or-later
"""What the state machine takes and gives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from .._common.shares import Share
from .hints import Hints
from .plan import Plan
from .state import Phase, State, Verdict

LEASE = timedelta(seconds=60)  # how long a write keeps other runs away
LEASE_SLACK = timedelta(seconds=60)  # by which the clocks of two runs may differ
RENEW = LEASE / 2  # a watching run renews its lease when less than this is left


class Want(StrEnum):
    """What can be asked for.

    weighted: exactly this weight, by hand. advanced: the next step, if its time has come. rolled_back: all to stable.
    held: keep the weight until a user confirms. watched: keep the lease while a step soaks, and act on its verdict.
    """

    WEIGHTED = "weighted"
    ADVANCED = "advanced"
    ROLLED_BACK = "rolled_back"
    HELD = "held"
    WATCHED = "watched"


class Event(StrEnum):
    """Why a state was written; all but renewed and judged enter the history."""

    STARTED = "started"  # the route gained a destination for the canary, at weight 0
    ADVANCED = "advanced"
    CONFIRMED = "confirmed"
    PROMOTED = "promoted"
    HELD = "held"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    WEIGHTED = "weighted"
    ADOPTED = "adopted"
    CLEANED = "cleaned"  # a version without requests left the route
    JUDGED = "judged"  # a step passed
    RENEWED = "renewed"  # the lease, nothing else


@dataclass(frozen=True)
class Run:
    """Who asks. id: the same for all calls of one play; who: a user or account; host, pid: where the run lives.

    boot: the boot of that machine; pid_namespace: where the pid counts; start: when the process began, as its
    kernel says it. Together with the pid they name one process for good; each is empty where it is not known.
    """

    id: str
    who: str
    host: str
    pid: int
    boot: str = ""
    pid_namespace: str = ""
    start: str = ""


@dataclass(frozen=True)
class Ready:
    """What a version's ready, injected pods can carry.

    upto: percent of all requests, by the size of the larger version. filled: percent of its own wanted pods that are
    ready. why: the reason if one of them is below 100.
    """

    upto: int = 100
    why: str = ""
    filled: int = 100


@dataclass(frozen=True)
class Observed:
    """What the cluster shows now.

    weights: percent by subset, of every destination of the route that the plan or the state names (absent = not a
        destination of the route); destinations of other services are left out, and the rest is scaled to 100.
    stable, canary: readiness of the plan's two versions.
    holder_ended: the state's holder ran on this host and its process has ended.
    others: readiness of the versions that only the state names.
    routes: the weights of each route that the release moves, by its name; `weights` is those of one of them.
    """

    weights: Mapping[str, Share]
    stable: Ready = Ready()
    canary: Ready = Ready()
    holder_ended: bool = False
    others: Mapping[str, Ready] = field(default_factory=dict)
    routes: Mapping[str, Mapping[str, Share]] = field(default_factory=dict)

    @property
    def uneven(self) -> bool:
        """Whether some of the routes have other weights."""
        names = {*self.weights, *(name for each in self.routes.values() for name in each)}
        return any(each.get(name, 0) != self.weights.get(name, 0) for each in self.routes.values() for name in names)


@dataclass(frozen=True)
class Command:
    """What the state machine is asked to do.

    by: the run that asks.
    weight: for weighted only, 0 to 100.
    verdict: for advanced and watched: the analysis of the present weight, if there is one.
    evidence: for advanced: the present weight must have passed an analysis before a higher one follows.
    since: for watched: State.since of the weight that is watched and that the verdict is about.
    confirm: a user takes the responsibility: ends a pause or a hold, restarts what failed. It never shortens a
        soak. A caller that asks in a loop confirms with its first request only.
    adopt: accept weights of another writer, or an annotation that cannot be read.
    why: for rolled_back and held: the user's reason.
    force: for rolled_back: all requests at once, whatever the stable version can carry.
    begun: for rolled_back: what stable could carry has been written already, or cannot be noted in the annotation.
    hints: how the caller goes on where the release stops.
    """

    want: Want
    by: Run
    weight: int | None = None
    verdict: Verdict | None = None
    evidence: bool = False
    since: datetime | None = None
    confirm: bool = False
    adopt: bool = False
    why: str = ""
    force: bool = False
    begun: bool = False
    hints: Hints = field(default_factory=Hints)


@dataclass(frozen=True)
class Transition:
    """Write this. state: the new annotation; before, weights: percent by subset now and after; why: the report.

    Where the routes of a release differ, before is the least that any of them has.
    A name in weights that is not in before is a destination that the route must gain.
    again: this write only prepared the way; prove it, then ask the same again in the same call.
    """

    state: State
    before: Mapping[str, Share]
    weights: Mapping[str, Share]
    event: Event
    why: str
    again: bool = False

    @property
    def moves(self) -> bool:
        """Whether the route changes, not the annotation alone."""
        return any(self.before.get(name) != weight for name, weight in self.weights.items())

    @property
    def raises(self) -> bool:
        """Whether the canary gets more requests than before."""
        return self.weights.get(self.state.canary, 0) > self.before.get(self.state.canary, 0)

    @property
    def falls(self) -> bool:
        """Whether the canary gets fewer requests, or those of it go back."""
        return self.returns or self.weights.get(self.state.canary, 0) < self.before.get(self.state.canary, 0)

    @property
    def returns(self) -> bool:
        """Whether requests go back to stable by this."""
        return self.event in (Event.ROLLED_BACK, Event.FAILED)

    @property
    def retreats(self) -> bool:
        """Whether this takes requests back or stops the release: it is urgent, and waits for no proof."""
        return self.returns or self.event is Event.HELD

    @property
    def partial(self) -> bool:
        """Whether this is the part of a rollback that stable can carry now; the rest follows as its pods come."""
        return self.event is Event.ROLLED_BACK and self.state.phase is Phase.HELD

    @property
    def changed(self) -> bool:
        """Whether this is a change to a user: a renewed lease or a passed step is none."""
        return self.event not in (Event.JUDGED, Event.RENEWED)


@dataclass(frozen=True)
class Wait:
    """Not yet. until: when to ask again; None: as soon as the pods are ready. hint: how to go on."""

    until: datetime | None
    why: str
    hint: str = ""


@dataclass(frozen=True)
class NoOp:
    """Nothing to do; no error. hint: how to go on."""

    why: str
    hint: str = ""


@dataclass(frozen=True)
class Rejected:
    """Not done, and a user must act. why: what prevents it, since when, and what to do, unless the hint says that."""

    why: str
    hint: str = ""


Decision: TypeAlias = "Transition | Wait | NoOp | Rejected"


@dataclass(frozen=True)
class Case:
    """One question: the arguments of decide() but the state."""

    observed: Observed
    plan: Plan
    command: Command
    now: datetime

    def share(self, name: str) -> Share:
        """Percent of the requests that a subset has now."""
        return self.observed.weights.get(name, 0)

    def least(self, name: str) -> Share:
        """The least percentage that a subset has in any route."""
        return min(each.get(name, 0) for each in (self.observed.weights, *self.observed.routes.values()))

    def ready(self, name: str) -> Ready:
        """Readiness of a version; one that could not be read counts as ready."""
        known = {**self.observed.others, self.plan.stable: self.observed.stable, self.plan.canary: self.observed.canary}
        return known.get(name, Ready())


def sentence(decision: Wait | NoOp | Rejected) -> str:
    """Why, and how to go on."""
    return f"{decision.why}; {decision.hint}" if decision.hint else decision.why


def same_release(case: Case, state: State) -> bool:
    return (state.stable, state.canary) == (case.plan.stable, case.plan.canary)
