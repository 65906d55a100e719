# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The annotation: what it looks like, what survives it, and how it may be damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.clock import stamp, to_milliseconds
from ansible_collections.progressive.istio.plugins.module_utils._common.shares import share_of
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import decode, encode
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HISTORY,
    LONGEST_WHY,
    HistoryEntry,
    LeaseHolder,
    Phase,
    State,
    Unreadable,
    Verdict,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENT = NOON + timedelta(milliseconds=250)
STATE = State(
    stable="v1",
    canary="v2",
    phase=Phase.PAUSED,
    weight=20,
    since=NOON,
    steps=(Step(5), Step(20, pause=True), Step(100)),
    interval=60.0,
    run="r1",
    holder=LeaseHolder("alice", "ctl", 4711, NOON, MOMENT),
    verdict=Verdict("pass", "errors 0.1 % of 2,000", NOON),
    before={"v1": 95, "v2": 5},
    history=(HistoryEntry(NOON, "advanced", "v2", 20, "step 2 of 3", "alice"),),
)
TEXT = (
    '{"version":1,"stable":"v1","canary":"v2","phase":"paused","step":1,"weights":{"stable":80,"canary":20},'
    '"since":"2026-01-31T12:00:00Z","interval":60,'
    '"steps":[{"weight":5,"pause":false},{"weight":20,"pause":true},{"weight":100,"pause":false}],'
    '"verdict":{"result":"pass","why":"errors 0.1 % of 2,000","at":"2026-01-31T12:00:00Z"},'
    '"before":{"v1":95,"v2":5},"run":"r1",'
    '"holder":{"who":"alice","host":"ctl","pid":4711,"since":"2026-01-31T12:00:00Z","until":"2026-01-31T12:00:00.250Z"},'
    '"history":[{"at":"2026-01-31T12:00:00Z","event":"advanced","canary":"v2","weight":20,"why":"step 2 of 3",'
    '"by":"alice"}]}'
)


def test_text() -> None:
    assert encode(STATE) == TEXT
    assert decode(TEXT) == STATE


def test_no_annotation() -> None:
    assert decode(None) is None


@pytest.mark.parametrize(
    ("steps", "weight", "index"),
    [((5, 20, 100), 0, -1), ((5, 20, 100), 5, 0), ((5, 20, 100), 19, 0), ((5, 20, 100), 100, 2), ((), 50, -1)],
)
def test_step_is_the_last_one_that_the_weight_has_reached(steps: tuple[int, ...], weight: int, index: int) -> None:
    assert replace(STATE, steps=tuple(map(Step, steps)), weight=weight).step == index


@pytest.mark.parametrize(
    "path",
    [(), ("holder",), ("verdict",), ("steps", 0), ("history", 0)],
    ids=["top", "holder", "verdict", "step", "history"],
)
def test_fields_of_a_newer_writer_survive(path: tuple[str | int, ...]) -> None:
    newer = json.loads(TEXT)
    place = newer
    for key in path:
        place = place[key]
    place["tomorrow"] = {"a": [1, None]}
    state = decode(json.dumps(newer))
    assert isinstance(state, State)
    assert json.loads(encode(state)) == newer
    assert decode(encode(state)) == state


def test_history_and_reasons_are_bounded() -> None:
    long = HistoryEntry(NOON, "held", "v2", 20, "x" * 5000, "alice")
    state = replace(STATE, history=(long,) * 50, verdict=Verdict("fail", "y" * 5000, NOON))
    data = json.loads(encode(state))
    assert len(data["history"]) == HISTORY
    assert {len(past["why"]) for past in data["history"]} == {LONGEST_WHY} == {len(data["verdict"]["why"])}


def test_a_longer_history_is_read_from_its_end() -> None:
    data = json.loads(TEXT)
    data["history"] = [{**data["history"][0], "why": str(number)} for number in range(HISTORY + 5)]
    state = decode(json.dumps(data))
    assert isinstance(state, State)
    assert [past.why for past in state.history] == [str(number) for number in range(5, HISTORY + 5)]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-01-31T12:00:00Z"),
        (MOMENT, "2026-01-31T12:00:00.250Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-01-31T12:00:00Z"),
    ],
)
def test_times_are_utc(moment: datetime, text: str) -> None:
    assert stamp(moment) == text


def test_milliseconds_are_cut_not_rounded() -> None:
    assert to_milliseconds(NOON + timedelta(microseconds=999_999)) == NOON + timedelta(milliseconds=999)


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(TEXT)
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON (Expecting value: line 1 column 1 (char 0))"),
        (TEXT[:-1], f"it is not JSON (Expecting ',' delimiter: line 1 column {len(TEXT)} (char {len(TEXT) - 1}))"),
        ("[]", "the annotation is not an object"),
        ("{}", "the annotation has no version"),
        (changed(lambda d: d.update(version=2)), "its version is 2, and this collection reads version 1"),
        (changed(lambda d: d.update(version="1")), 'its version is "1", and this collection reads version 1'),
        (changed(lambda d: d.update(version=True)), "its version is true, and this collection reads version 1"),
        (changed(lambda d: d.pop("phase")), "the annotation has no phase"),
        (changed(lambda d: d.update(phase="merry")), 'its phase is "merry", which this collection does not know'),
        (changed(lambda d: d.update(phase="none")), "its phase is none at a weight of 20"),
        (changed(lambda d: d.update(phase="promoted")), "its phase is promoted at a weight of 20"),
        (changed(lambda d: d.update(phase="rolled_back")), "its phase is rolled_back at a weight of 20"),
        (
            changed(lambda d: d.update(phase="progressing", weights={"stable": 0, "canary": 100})),
            "its phase is progressing at a weight of 100",
        ),
        (changed(lambda d: d.update(canary="v1")), "its stable and canary are both v1"),
        (changed(lambda d: d.update(stable="")), "stable of the annotation is empty"),
        (changed(lambda d: d.update(stable=1)), "stable of the annotation is not text"),
        (changed(lambda d: d["weights"].update(stable=81)), "its weights do not sum to 100"),
        (
            changed(lambda d: d["weights"].update(stable=-1, canary=101)),
            "canary of weights of the annotation is 101, outside 0 to 100",
        ),
        (
            changed(lambda d: d["weights"].update(canary="20")),
            "canary of weights of the annotation is not a number",
        ),
        (
            changed(lambda d: d["weights"].update(canary=True)),
            "canary of weights of the annotation is not a number",
        ),
        (
            changed(lambda d: d.update(since="yesterday")),
            "since of the annotation is not a time such as 2026-01-31T12:00:00Z",
        ),
        (
            changed(lambda d: d.update(since="2026-01-31T12:00:00")),
            "since of the annotation is not a time such as 2026-01-31T12:00:00Z",
        ),
        (
            changed(lambda d: d.update(since="9999-12-31T23:59:59Z")),
            "since of the annotation is not a time such as 2026-01-31T12:00:00Z",
        ),
        (
            changed(lambda d: d.update(interval=-1)),
            "interval of the annotation is not a number of seconds from 0 to 31536000",
        ),
        (
            changed(lambda d: d.update(interval=float("nan"))),
            "interval of the annotation is not a number of seconds from 0 to 31536000",
        ),
        (changed(lambda d: d.update(steps={})), "steps of the annotation is not a list"),
        (changed(lambda d: d.update(steps=[5])), "a step is not an object"),
        (changed(lambda d: d["steps"].reverse()), "its steps do not rise"),
        (changed(lambda d: d["steps"][0].update(pause=1)), "pause of a step is not true or false"),
        (changed(lambda d: d["steps"][0].update(weight=0)), "weight of a step is 0, outside 1 to 100"),
        (changed(lambda d: d.update(holder="alice")), "holder of the annotation is not an object"),
        (changed(lambda d: d.pop("holder")), "the annotation has no holder"),
        (changed(lambda d: d["holder"].pop("until")), "holder of the annotation has no until"),
        (
            changed(lambda d: d["verdict"].update(result="great")),
            'its verdict is "great", which this collection does not know',
        ),
        (changed(lambda d: d.update(history=[1])), "an entry of history is not an object"),
        (changed(lambda d: d.update(before={"v1": 101})), "v1 of before of the annotation is 101, outside 0 to 100"),
    ],
)
def test_damage(text: str, reason: str) -> None:
    assert decode(text) == Unreadable(reason)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, '{"version":' + "9" * 10_000 + "}", "\x00", "NaN"])
def test_hostile_text_is_only_damage(text: str) -> None:
    assert isinstance(decode(text), Unreadable)


def test_a_share_that_is_no_whole_percentage_is_found_again_exactly() -> None:
    third = share_of(1, 3)
    state = State("v1", "v2", Phase.HELD, third, NOON, before={"v1": share_of(2, 3), "v2": third})
    found = decode(encode(state))
    assert found == state
    assert found.matches({"v1": share_of(20, 30), "v2": share_of(10, 30)})
    assert not found.matches({"v1": 67, "v2": 33})


@pytest.mark.parametrize(("phase", "legal"), [("weighted", True), ("promoted", False), ("rolled_back", False)])
def test_which_phase_a_share_between_two_percentages_may_have(phase: str, legal: bool) -> None:
    text = encode(State("v1", "v2", Phase.WEIGHTED, share_of(1, 3), NOON)).replace("weighted", phase)
    assert isinstance(decode(text), State) is legal
