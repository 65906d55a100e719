# SPDX-License-Identifier: GPL-3.0-or-later
"""The state as the JSON of the annotation, and back. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypeVar, cast, get_args

from .._common.clock import stamp, to_milliseconds
from .._common.shares import Share, exact, rest_of
from .._common.values import from_json
from .plan import LONGEST_INTERVAL, Step, rising
from .state import HISTORY, PROCESS, HistoryEntry, LeaseHolder, Phase, Result, State, Unreadable, Verdict, clip

VERSION = 1


_Value = TypeVar("_Value")


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
    """What the annotation says: None where there is none, Unreadable where it is not a legal state of version 1."""
    if text is None:
        return None
    try:
        return _state(_Fields(from_json(text), "the annotation"))
    except _Malformed as problem:
        return Unreadable(str(problem))
    except ValueError as problem:
        return Unreadable(f"it is not JSON ({problem})")


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
        """The fields that were not taken."""
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
