# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The state of a release, as the annotation on its VirtualService holds it. Pure.

The text is compact JSON with a fixed order of keys. Fields that this writer does not know survive being read and
written again, at every level, so that a newer minor writer and this one can share a release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeVar, cast, get_args

from .._common.shares import Share, exact, rest_of
from .._common.values import from_json
from .plan import LONGEST_INTERVAL, Step, rising
from .._common.clock import stamp, to_milliseconds

ANNOTATION = "progressive.istio/canary"
VERSION = 1
HISTORY = 20  # transitions that are kept
LONGEST_WHY = 400  # characters of a reason that are kept
PROCESS = ("boot", "pid_namespace", "start")  # what tells one process from another with the same host name and pid

Result = Literal["pass", "fail", "inconclusive"]
_Value = TypeVar("_Value")


class Phase(StrEnum):
    """Where a release stands.

    none: nothing was begun (never written). progressing: a weight below 100 is set and soaks. paused: the step waits
    for a person. held: stopped by a verdict or by a person. promoted: finished at 100. rolled_back: finished at 0.
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
    """One transition that was made. weight: that of the canary after it; by: the person or account that asked."""

    at: datetime
    event: str
    canary: str
    weight: Share
    why: str
    by: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """A release under way or finished. All times are UTC, in whole milliseconds.

    weight: percent of the requests that go to the canary, as written; the stable version has the rest.
    steps, interval: those of the plan that the last transition was made by.
    since: when the present weight or phase was reached.
    run: the run that wrote last; holder: its lease, or None after it let go.
    verdict: the last one about the present weight; a `fail` stays until a person confirms or another release begins.
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
        """Whether the last verdict is a failure. What is promoted in spite of one, a person confirmed."""
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

    That is after what another canary did, for a version may return that was released long ago; and after the last
    return to 0 before it, for which it may have ended with another.
    """
    end = len(past)
    while end and past[end - 1][1:] == (canary, 0):
        end -= 1
    begin = end
    while begin and past[begin - 1][1] == canary and (past[begin - 1][2] or past[begin - 1][0] == "started"):
        begin -= 1
    return begin


def encode(state: State) -> str:
    """The text of the annotation."""
    return json.dumps(
        {
            "version": VERSION,
            "stable": state.stable,
            "canary": state.canary,
            "phase": state.phase.value,
            "step": state.step,
            "weights": {"stable": _decimal(rest_of(state.weight)), "canary": _decimal(state.weight)},
            "since": stamp(state.since),
            "interval": _number(state.interval),
            "steps": [{"weight": step.weight, "pause": step.pause, **step.extra} for step in state.steps],
            "verdict": _encode_verdict(state.verdict) if state.verdict else None,
            "before": {name: _decimal(share) for name, share in sorted(state.before.items())},
            "run": state.run,
            "holder": _encode_holder(state.holder) if state.holder else None,
            "history": [_encode_past(past) for past in state.history[-HISTORY:]],
            **state.extra,
        },
        separators=(",", ":"),
    )


def decode(text: str | None) -> State | Unreadable | None:
    """What the annotation says: None where there is none, Damaged where it is not a legal state of version 1."""
    if text is None:
        return None
    try:
        return _state(_Fields(from_json(text), "the annotation"))
    except _Malformed as problem:
        return Unreadable(str(problem))
    except ValueError as problem:
        return Unreadable(f"it is not JSON ({problem})")




def clip(why: str) -> str:
    """A reason, cut to what the annotation keeps."""
    return why if len(why) <= LONGEST_WHY else f"{why[: LONGEST_WHY - 3]}..."


def _encode_verdict(verdict: Verdict) -> dict[str, Any]:
    return {"result": verdict.result, "why": clip(verdict.why), "at": stamp(verdict.at), **verdict.extra}


def _encode_holder(holder: LeaseHolder) -> dict[str, Any]:
    return {
        "who": holder.who,
        "host": holder.host,
        "pid": holder.pid,
        **{name: value for name in PROCESS if (value := getattr(holder, name))},
        "since": stamp(holder.since),
        "until": stamp(holder.until),
        **holder.extra,
    }


def _encode_past(past: HistoryEntry) -> dict[str, Any]:
    return {
        "at": stamp(past.at),
        "event": past.event,
        "canary": past.canary,
        "weight": _decimal(past.weight),
        "why": clip(past.why),
        "by": past.by,
        **past.extra,
    }


def _decimal(share: Share) -> int | float:
    """A share in full length, so that it is found again exactly."""
    return share if isinstance(share, int) else float(share)


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


class _Malformed(Exception):
    """What is wrong with the annotation, as a clause."""


class _Fields:
    """One JSON object: gives each field once, of the type asked for, and keeps the rest."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise _Malformed(f"{where} is not an object")
        self._left: dict[str, Any] = dict(value)
        self._where = where

    def rest(self) -> dict[str, Any]:
        """The fields that nobody asked for."""
        return self._left

    def take(self, key: str) -> object:
        if key not in self._left:
            raise _Malformed(f"{self._where} has no {key}")
        return self._left.pop(key)

    def typed(self, key: str, kind: type[_Value], what: str) -> _Value:
        value = self.take(key)
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise _Malformed(f"{key} of {self._where} is not {what}")
        return value

    def text(self, key: str) -> str:
        return self.typed(key, str, "text")

    def name(self, key: str) -> str:
        name = self.text(key)
        if not name:
            raise _Malformed(f"{key} of {self._where} is empty")
        return name

    def text_or_empty(self, key: str) -> str:
        """Empty where it is not there or no text: a field that nothing legal depends on."""
        value = self._left.pop(key, "")
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        return self.typed(key, bool, "true or false")

    def whole(self, key: str, low: int, high: int) -> int:
        value = self.typed(key, int, "a whole number")
        if not low <= value <= high:
            raise _Malformed(f"{key} of {self._where} is {value}, outside {low} to {high}")
        return value

    def share(self, key: str) -> Share:
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _Malformed(f"{key} of {self._where} is not a number")
        if not 0 <= value <= 100:
            raise _Malformed(f"{key} of {self._where} is {value}, outside 0 to 100")
        return exact(value)

    def seconds(self, key: str) -> float:
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST_INTERVAL:
            raise _Malformed(f"{key} of {self._where} is not a number of seconds from 0 to {LONGEST_INTERVAL}")
        return float(value)

    def time(self, key: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self.text(key).replace("Z", "+00:00"))
            if moment.tzinfo is None or not 1971 <= moment.year <= 9000:
                raise ValueError(key)
        except ValueError:
            raise _Malformed(f"{key} of {self._where} is not a time such as 2026-01-31T12:00:00Z") from None
        return to_milliseconds(moment)

    def items(self, key: str) -> list[Any]:
        return self.typed(key, list, "a list")

    def within(self, key: str) -> _Fields:
        return _Fields(self.take(key), f"{key} of {self._where}")

    def within_or_none(self, key: str) -> _Fields | None:
        value = self.take(key)
        return None if value is None else _Fields(value, f"{key} of {self._where}")




def _state(fields: _Fields) -> State:
    version = fields.take("version")
    if not isinstance(version, int) or isinstance(version, bool) or version != VERSION:
        raise _Malformed(f"its version is {json.dumps(version)}, and this collection reads version {VERSION}")
    fields.take("step")  # for readers; it follows from the weight
    weights = fields.within("weights")
    weight = weights.share("canary")
    if weights.share("stable") + weight != 100:
        raise _Malformed("its weights do not sum to 100")
    holder, verdict = fields.within_or_none("holder"), fields.within_or_none("verdict")
    state = State(
        stable=fields.name("stable"),
        canary=fields.name("canary"),
        phase=_phase(fields.text("phase")),
        weight=weight,
        since=fields.time("since"),
        steps=_steps(fields.items("steps")),
        interval=fields.seconds("interval"),
        run=fields.text("run"),
        holder=_holder(holder) if holder else None,
        verdict=_verdict(verdict) if verdict else None,
        before=_before(fields.within("before")),
        history=tuple(_past(_Fields(past, "an entry of history")) for past in fields.items("history"))[-HISTORY:],
        extra=fields.rest(),
    )
    _check(state)
    return state


def _check(state: State) -> None:
    if state.stable == state.canary:
        raise _Malformed(f"its stable and canary are both {state.stable}")
    legal = {
        Phase.NONE: False,
        Phase.PROGRESSING: state.weight < 100,
        Phase.PROMOTED: state.weight == 100,
        Phase.ROLLED_BACK: state.weight == 0,
    }
    if not legal.get(state.phase, True):
        raise _Malformed(f"its phase is {state.phase} at a weight of {state.weight}")


def _phase(text: str) -> Phase:
    try:
        return Phase(text)
    except ValueError:
        raise _Malformed(f"its phase is {json.dumps(text)}, which this collection does not know") from None


def _steps(items: list[Any]) -> tuple[Step, ...]:
    steps = tuple(
        Step(fields.whole("weight", 1, 100), fields.flag("pause"), fields.rest())
        for fields in (_Fields(item, "a step") for item in items)
    )
    if not rising(steps):
        raise _Malformed("its steps do not rise")
    return steps


def _holder(fields: _Fields) -> LeaseHolder:
    return LeaseHolder(
        who=fields.text("who"),
        host=fields.text("host"),
        pid=fields.whole("pid", 0, 2**31),
        since=fields.time("since"),
        until=fields.time("until"),
        **{name: fields.text_or_empty(name) for name in PROCESS},
        extra=fields.rest(),
    )


def _verdict(fields: _Fields) -> Verdict:
    result = fields.text("result")
    if result not in get_args(Result):
        raise _Malformed(f"its verdict is {json.dumps(result)}, which this collection does not know")
    return Verdict(cast(Result, result), fields.text("why"), fields.time("at"), fields.rest())


def _past(fields: _Fields) -> HistoryEntry:
    return HistoryEntry(
        at=fields.time("at"),
        event=fields.text("event"),
        canary=fields.text("canary"),
        weight=fields.share("weight"),
        why=fields.text("why"),
        by=fields.text("by"),
        extra=fields.rest(),
    )


def _before(fields: _Fields) -> dict[str, Share]:
    return {name: fields.share(name) for name in list(fields.rest())}
