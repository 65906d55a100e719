# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a release, as the annotation on its VirtualService holds it. Pure.

The text is compact JSON with a fixed order of keys. Fields that this writer does not know survive being read and
written again, at every level, so that a newer minor writer and this one can share a release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from .._common.shares import Share, rest_of
from .plan import Step

HISTORY = 20  # transitions that are kept
UNVERIFIED = ("unverified", "unproven")  # the note of a write that was not seen live, and its name until 1.1
LONGEST_WHY = 400  # characters of a reason that are kept
PROCESS = ("boot", "pid_namespace", "start")  # distinguish processes with the same host name and pid

Result = Literal["pass", "fail", "inconclusive"]


class Phase(StrEnum):
    """Where a release is.

    none: nothing was begun (never written). progressing: a weight below 100 is set and soaks. paused: the step waits
    for a user. held: stopped by a verdict or by a user. promoted: finished at 100. rolled_back: finished at 0.
    weighted: the weight was set by hand.
    """

    NONE = "none"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    HELD = "held"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    WEIGHTED = "weighted"


@dataclass(frozen=True)
class LeaseHolder:
    """The run that works on the release. since: when it began to; until: when its lease ends unless it is renewed.

    boot, pid_namespace, start: see Run. Empty where the writer was an older one, or did not know.
    """

    who: str
    host: str
    pid: int
    since: datetime
    until: datetime
    boot: str = ""
    pid_namespace: str = ""
    start: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the analysis of the present weight found. why: the numbers it rests on, in one clause."""

    result: Result
    why: str
    at: datetime
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryEntry:
    """One transition that was made. weight: that of the canary after it; by: the user or account that asked."""

    at: datetime
    event: str
    canary: str
    weight: Share
    why: str
    by: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """A release in progress or finished. All times are UTC, in whole milliseconds.

    weight: percent of the requests that go to the canary, as written; the stable version has the rest.
    steps, interval: those of the plan that the last transition was made by.
    since: when the present weight or phase was reached.
    run: the run that wrote last; holder: its lease, or None after it let go.
    verdict: the last one about the present weight; a `fail` stays until a user confirms or another release begins.
    before: percent by subset that the VirtualService had before the last transition.
    history: the last HISTORY transitions, oldest first, also those of earlier releases.
    """

    stable: str
    canary: str
    phase: Phase
    weight: Share
    since: datetime
    steps: tuple[Step, ...] = ()
    interval: float = 0.0
    run: str = ""
    holder: LeaseHolder | None = None
    verdict: Verdict | None = None
    before: Mapping[str, Share] = field(default_factory=dict)
    history: tuple[HistoryEntry, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Index of the last step that the weight has reached, -1 before the first."""
        return sum(step.weight <= self.weight for step in self.steps) - 1

    @property
    def weights(self) -> dict[str, Share]:
        """Percent by subset, as written."""
        return {self.stable: rest_of(self.weight), self.canary: self.weight}

    def matches(self, weights: Mapping[str, Share]) -> bool:
        """Whether a route with these percents by subset still has the weights as written. Absent is 0."""
        written = self.weights
        return all(weights.get(name, 0) == written.get(name, 0) for name in {*written, *weights})

    @property
    def failed(self) -> bool:
        """Whether the last verdict is a failure. A user confirmed what is promoted in spite of one."""
        return self.verdict is not None and self.verdict.result == "fail" and self.phase is not Phase.PROMOTED

    @property
    def judgeable(self) -> bool:
        """Whether a verdict about the present weight still counts. At 100 the first one is the last."""
        if self.phase in (Phase.HELD, Phase.ROLLED_BACK) or self.weight == 0:
            return False
        return self.weight < 100 or self.verdict is None

    def soaks_until(self, interval: float) -> datetime:
        """When the present weight has had its interval (seconds)."""
        return self.since + timedelta(seconds=interval)


@dataclass(frozen=True)
class Unreadable:
    """An annotation that cannot be read. reason: a clause that says what is wrong with it."""

    reason: str


def attempt(past: Sequence[tuple[str, str, Share]], canary: str) -> int:
    """Where the last attempt to release a canary begins in a history, given as events, canaries and weights.

    That is after the last entry of another canary, and after the last return to 0 before it.
    """
    end = len(past)
    while end and past[end - 1][1:] == (canary, 0):
        end -= 1
    begin = end
    while begin and past[begin - 1][1] == canary and (past[begin - 1][2] or past[begin - 1][0] == "started"):
        begin -= 1
    return begin


def clip(why: str) -> str:
    """A reason, cut to what the annotation keeps."""
    return why if len(why) <= LONGEST_WHY else f"{why[: LONGEST_WHY - 3]}..."


def unverified(state: object) -> bool:
    """Return whether the weights of this state were written, but not seen to be live."""
    return isinstance(state, State) and any(state.extra.get(name) for name in UNVERIFIED)


def verified(state: State) -> State:
    """Return the state without that note."""
    return replace(state, extra={name: value for name, value in state.extra.items() if name not in UNVERIFIED})


def pending_verification(state: State) -> State:
    """Return the state with that note."""
    return replace(state, extra={**verified(state).extra, UNVERIFIED[0]: True})
