# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each request does in each phase, and what may stand against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import decode, encode
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import released
from ansible_collections.progressive.istio.plugins.module_utils._release.machine import after, decide
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    LEASE,
    Command,
    Decision,
    Event,
    NoOp,
    Observed,
    Ready,
    Rejected,
    Run,
    Transition,
    Wait,
    Want,
)
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Plan, Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HistoryEntry,
    LeaseHolder,
    Phase,
    State,
    Unreadable,
    Verdict,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEPS = (Step(10), Step(30), Step(50, pause=True), Step(100))
PLAN = Plan("v1", "v2", STEPS, interval=60)
ALICE = Run("r1", "alice", "ctl1", 11)
BOB = Run("r2", "bob", "ctl2", 22)
FAIL = Verdict("fail", "errors 7 %", NOW)
UNSURE = Verdict("inconclusive", "3 requests", NOW)
PASS = Verdict("pass", "errors 0 %", NOW)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def state(phase: str, weight: int, *, age: float = 60, **fields: Any) -> State:
    """A state of v1 -> v2 that was reached age seconds ago, and whose run is over."""
    since = NOW - seconds(age)
    story = HistoryEntry(since, fields.pop("event", phase), "v2", weight, fields.pop("story", "a story"), "carol")
    return State("v1", "v2", Phase(phase), weight, since, STEPS, 60.0, "r0", history=(story,), **fields)


def ask(
    present: State | Unreadable | None,
    want: str,
    *,
    by: Run = ALICE,
    plan: Plan = PLAN,
    weights: Mapping[str, int] | None = None,
    now: datetime = NOW,
    observed: Mapping[str, Any] | None = None,
    **request: Any,
) -> Decision:
    """The answer, where the route has the weights of the state unless told otherwise."""
    if weights is None:
        weights = present.weights if isinstance(present, State) else {"v1": 100, "v2": 0}
    if want == "watched" and isinstance(present, State):
        request.setdefault("since", present.since)
    return decide(present, Observed(weights, **(observed or {})), plan, Command(Want(want), by, **request), now)


def made(decision: Decision) -> Transition:
    assert isinstance(decision, Transition), decision
    return decision


def short(decision: Decision) -> str:
    if isinstance(decision, Transition):
        return f"{decision.state.phase} {decision.state.weight}"
    return type(decision).__name__.lower()


# -- every phase, every request ----------------------------------------------------------------------------------------

PHASES: dict[str, State | Unreadable | None] = {
    "no annotation": None,
    "started": state("progressing", 0),
    "progressing": state("progressing", 30),
    "soaking": state("progressing", 30, age=59),
    "paused": state("paused", 50),
    "paused, soaking": state("paused", 50, age=59),
    "held": state("held", 30, age=1),
    "held, failed": state("held", 30, age=1, verdict=FAIL),
    "promoted": state("promoted", 100),
    "promoted, judged": state("promoted", 100, verdict=PASS),
    "rolled back": state("rolled_back", 0, age=1),
    "rolled back, failed": state("rolled_back", 0, age=1, verdict=FAIL),
    "weighted": state("weighted", 20),
    "weighted, failed": state("weighted", 20, verdict=FAIL),
    "weighted to all": state("weighted", 100),
    "unreadable": Unreadable("it is not JSON"),
}

REQUESTS: dict[str, dict[str, Any]] = {
    "advance": {"want": "advanced"},
    "confirm": {"want": "advanced", "confirm": True},
    "pass": {"want": "advanced", "verdict": PASS},
    "unsure": {"want": "advanced", "verdict": UNSURE},
    "fail": {"want": "advanced", "verdict": FAIL},
    "weigh": {"want": "weighted", "weight": 20},
    "weigh up": {"want": "weighted", "weight": 40},
    "back": {"want": "rolled_back"},
    "hold": {"want": "held"},
    "watch": {"want": "watched"},
    "watch pass": {"want": "watched", "verdict": PASS},
    "watch unsure": {"want": "watched", "verdict": UNSURE},
    "watch fail": {"want": "watched", "verdict": FAIL},
}

TABLE = """
phase               | advance        | confirm        | pass           | unsure         | fail
no annotation       | progressing 10 | progressing 10 | progressing 10 | progressing 10 | progressing 10
started             | progressing 10 | progressing 10 | progressing 10 | progressing 10 | progressing 10
progressing         | paused 50      | paused 50      | paused 50      | held 30        | rolled_back 0
soaking             | wait           | wait           | wait           | wait           | rolled_back 0
paused              | noop           | promoted 100   | noop           | noop           | rolled_back 0
paused, soaking     | noop           | progressing 50 | noop           | noop           | rolled_back 0
held                | rejected       | paused 50      | rejected       | rejected       | rejected
held, failed        | rejected       | paused 50      | rejected       | rejected       | rejected
promoted            | noop           | noop           | noop           | held 100       | rolled_back 0
promoted, judged    | noop           | noop           | noop           | noop           | noop
rolled back         | rejected       | progressing 10 | rejected       | rejected       | rejected
rolled back, failed | rejected       | progressing 10 | rejected       | rejected       | rejected
weighted            | progressing 30 | progressing 30 | progressing 30 | held 20        | rolled_back 0
weighted, failed    | rejected       | progressing 30 | rejected       | rejected       | rolled_back 0
weighted to all     | noop           | noop           | noop           | held 100       | rolled_back 0
unreadable          | rejected       | rejected       | rejected       | rejected       | rejected

phase               | weigh          | weigh up       | back           | hold
no annotation       | weighted 20    | weighted 40    | noop           | held 0
started             | weighted 20    | weighted 40    | rolled_back 0  | held 0
progressing         | weighted 20    | weighted 40    | rolled_back 0  | held 30
soaking             | weighted 20    | weighted 40    | rolled_back 0  | held 30
paused              | weighted 20    | weighted 40    | rolled_back 0  | held 50
paused, soaking     | weighted 20    | weighted 40    | rolled_back 0  | held 50
held                | weighted 20    | weighted 40    | rolled_back 0  | noop
held, failed        | weighted 20    | rejected       | rolled_back 0  | noop
promoted            | weighted 20    | weighted 40    | rolled_back 0  | noop
promoted, judged    | weighted 20    | weighted 40    | rolled_back 0  | noop
rolled back         | weighted 20    | weighted 40    | noop           | noop
rolled back, failed | rejected       | rejected       | noop           | noop
weighted            | noop           | weighted 40    | rolled_back 0  | held 20
weighted, failed    | noop           | rejected       | rolled_back 0  | held 20
weighted to all     | weighted 20    | weighted 40    | rolled_back 0  | held 100
unreadable          | rejected       | rejected       | rolled_back 0  | rejected

phase               | watch          | watch pass     | watch unsure   | watch fail
no annotation       | rejected       | rejected       | rejected       | rejected
started             | noop           | noop           | noop           | noop
progressing         | progressing 30 | progressing 30 | held 30        | rolled_back 0
soaking             | progressing 30 | progressing 30 | progressing 30 | rolled_back 0
paused              | paused 50      | paused 50      | paused 50      | rolled_back 0
paused, soaking     | paused 50      | paused 50      | paused 50      | rolled_back 0
held                | noop           | noop           | noop           | noop
held, failed        | noop           | noop           | noop           | noop
promoted            | promoted 100   | promoted 100   | held 100       | rolled_back 0
promoted, judged    | noop           | noop           | noop           | noop
rolled back         | noop           | noop           | noop           | noop
rolled back, failed | noop           | noop           | noop           | noop
weighted            | weighted 20    | weighted 20    | held 20        | rolled_back 0
weighted, failed    | weighted 20    | weighted 20    | weighted 20    | rolled_back 0
weighted to all     | weighted 100   | weighted 100   | held 100       | rolled_back 0
unreadable          | rejected       | rejected       | rejected       | rejected
"""


def cells() -> list[tuple[str, str, str]]:
    found = []
    for block in TABLE.strip().split("\n\n"):
        head, *rows = ([cell.strip() for cell in line.split("|")] for line in block.splitlines())
        found += [(row[0], request, cell) for row in rows for request, cell in zip(head[1:], row[1:], strict=True)]
    return found


@pytest.mark.parametrize(("phase", "request_name", "answer"), cells())
def test_table(phase: str, request_name: str, answer: str) -> None:
    assert short(ask(PHASES[phase], **REQUESTS[request_name])) == answer


def test_table_is_whole() -> None:
    assert {(phase, request) for phase, request, _answer in cells()} == {(p, r) for p in PHASES for r in REQUESTS}


# -- the way up --------------------------------------------------------------------------------------------------------


def test_a_first_step() -> None:
    first = made(ask(None, "advanced"))
    assert (first.before, first.weights) == ({"v1": 100, "v2": 0}, {"v1": 90, "v2": 10})
    assert (first.moves, first.raises, first.changed, first.again) == (True, True, True, False)
    assert first.why == "v2: step 1 of 4: from 0 to 10 %"
    assert first.state == State(
        stable="v1",
        canary="v2",
        phase=Phase.PROGRESSING,
        weight=10,
        since=NOW,
        steps=STEPS,
        interval=60,
        run="r1",
        holder=LeaseHolder("alice", "ctl1", 11, NOW, NOW + LEASE),
        before={"v1": 100, "v2": 0},
        history=(HistoryEntry(NOW, "advanced", "v2", 10, "step 1 of 4: from 0 to 10 %", "alice"),),
    )


def test_a_state_is_as_it_will_be_read() -> None:
    first = made(ask(None, "advanced", now=NOW + timedelta(microseconds=1999)))
    assert decode(encode(first.state)) == first.state


def test_a_whole_release() -> None:
    present: State | None = None
    weights: Mapping[str, int] = {"v1": 100, "v2": 0}
    walked = []
    for minute in range(4):
        step = made(ask(present, "advanced", weights=weights, now=NOW + seconds(60 * minute), confirm=minute == 3))
        present, weights = released(step.state), step.weights
        walked.append(short(step))
    assert walked == ["progressing 10", "progressing 30", "paused 50", "promoted 100"]
    assert weights == {"v1": 0, "v2": 100}


def test_a_weight_that_was_set_before_there_was_an_annotation_is_the_start() -> None:
    assert short(ask(None, "advanced", weights={"v1": 80, "v2": 20})) == "progressing 30"


def test_that_weight_is_judged_too() -> None:
    assert short(ask(None, "advanced", weights={"v1": 80, "v2": 20}, verdict=FAIL)) == "rolled_back 0"


def test_too_early() -> None:
    wait = ask(state("progressing", 30, age=18.5), "advanced")
    assert wait == Wait(
        NOW + seconds(41.5), "v2 at 30 % (step 2 of 4) soaks until 2026-01-31T12:00:41.500Z, 42 s from now"
    )


@pytest.mark.parametrize(("interval", "answer"), [(59, "paused 50"), (60, "paused 50"), (61, "wait"), (0, "paused 50")])
def test_the_interval_is_the_one_now_asked_for(interval: float, answer: str) -> None:
    assert short(ask(state("progressing", 30), "advanced", plan=replace(PLAN, interval=interval))) == answer


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        ((5, 25, 31, 100), "progressing 31"),
        ((30, 40), "progressing 40"),
        ((10, 20), "noop"),
        ((), "paused 50"),  # those of the state
    ],
)
def test_other_steps_go_on_above_the_present_weight(steps: tuple[int, ...], answer: str) -> None:
    plan = replace(PLAN, steps=tuple(map(Step, steps)))
    assert short(ask(state("progressing", 30), "advanced", plan=plan)) == answer


def test_no_steps_at_all() -> None:
    assert ask(None, "advanced", plan=replace(PLAN, steps=())) == Rejected(
        "there are no steps: set steps, such as [5, 20, 50, 100]"
    )


def test_a_partial_release_stays_progressing_until_there_is_a_higher_step() -> None:
    plan = replace(PLAN, steps=(Step(10), Step(30)))
    last = made(ask(state("progressing", 10), "advanced", plan=plan))
    assert short(last) == "progressing 30"
    later = replace(released(last.state), since=NOW - seconds(60))
    assert ask(later, "advanced", plan=plan) == NoOp(
        "v2 is at 30 %, the end of its steps 10, 30: add a higher one to continue"
    )
    assert short(ask(later, "advanced", plan=plan, verdict=FAIL)) == "rolled_back 0"
    assert short(ask(later, "advanced")) == "paused 50"


def test_a_pause_says_how_it_ends() -> None:
    assert ask(state("paused", 50), "advanced") == NoOp(
        "v2 at 50 % (step 3 of 4) waits for confirmation since 2026-01-31T11:59:00Z",
        "set confirm: true to continue, or state: rolled_back to roll back",
    )


def test_a_pause_that_is_confirmed_early_still_soaks() -> None:
    paused = state("paused", 50, age=20)
    confirmed = made(ask(paused, "advanced", confirm=True))
    assert (confirmed.event, confirmed.moves, confirmed.state.since) == (Event.CONFIRMED, False, paused.since)
    assert confirmed.why == "v2: confirmed at 50 % by alice"
    assert short(ask(confirmed.state, "advanced", confirm=True)) == "wait"
    assert short(ask(confirmed.state, "advanced", now=NOW + seconds(40))) == "promoted 100"


@pytest.mark.parametrize("age", [20, 60])
def test_a_pause_at_the_end_is_promoted_by_a_person(age: float) -> None:
    plan = replace(PLAN, steps=(Step(50), Step(100, pause=True)))
    assert short(ask(state("progressing", 50), "advanced", plan=plan)) == "paused 100"
    promoted = made(ask(state("paused", 100, age=age), "advanced", plan=plan, confirm=True))
    assert (short(promoted), promoted.event, promoted.moves) == ("promoted 100", Event.PROMOTED, False)


def test_a_hold_at_the_end_is_promoted_by_a_person_once() -> None:
    promoted = made(ask(state("held", 100, verdict=FAIL), "advanced", confirm=True))
    assert short(promoted) == "promoted 100"
    assert short(ask(promoted.state, "advanced", verdict=FAIL)) == "noop"


def test_a_hold_on_a_partial_end_soaks_again_once_confirmed() -> None:
    plan = replace(PLAN, steps=(Step(10), Step(30)))
    confirmed = made(ask(state("held", 30, verdict=FAIL), "advanced", plan=plan, confirm=True))
    assert (short(confirmed), confirmed.state.since, confirmed.state.verdict) == ("progressing 30", NOW, None)


def test_a_raise_tells_what_it_rests_on_and_starts_unjudged() -> None:
    step = made(ask(state("progressing", 30, verdict=PASS), "advanced", verdict=PASS))
    assert step.why == "v2: step 3 of 4: from 30 to 50 %, after pass: errors 0 %"
    assert step.state.verdict is None


# -- evidence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "fields", "answer"),
    [
        (None, {}, "progressing 10"),  # nothing has been sent to it yet
        (state("progressing", 30), {}, "wait"),
        (state("progressing", 30), {"verdict": PASS}, "paused 50"),
        (state("progressing", 30), {"confirm": True}, "paused 50"),
        (state("progressing", 30, verdict=PASS), {}, "paused 50"),
        (state("progressing", 30, verdict=UNSURE), {}, "wait"),
        (state("weighted", 20), {}, "wait"),
        (state("weighted", 20, verdict=PASS), {}, "progressing 30"),
        (state("paused", 50), {}, "noop"),
        (state("paused", 50), {"confirm": True}, "promoted 100"),
        (state("promoted", 100), {}, "noop"),
    ],
)
def test_no_step_without_evidence(present: State | None, fields: dict[str, Any], answer: str) -> None:
    assert short(ask(present, "advanced", evidence=True, **fields)) == answer


def test_what_is_not_judged_yet_is_told() -> None:
    assert ask(state("progressing", 30), "advanced", evidence=True) == Wait(
        NOW, "v2 at 30 % (step 2 of 4) has soaked and is not judged yet"
    )


# -- readiness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "request_fields", "upto", "answer"),
    [
        (state("progressing", 30), {"want": "advanced"}, (100, 49), "wait"),
        (state("progressing", 30), {"want": "advanced"}, (0, 50), "paused 50"),
        (state("progressing", 30), {"want": "weighted", "weight": 40}, (0, 39), "wait"),
        (state("progressing", 30), {"want": "weighted", "weight": 40}, (0, 40), "weighted 40"),
        (state("progressing", 30), {"want": "weighted", "weight": 20}, (79, 0), "wait"),
        (state("progressing", 30), {"want": "weighted", "weight": 20}, (80, 0), "weighted 20"),
        (state("progressing", 30), {"want": "weighted", "weight": 30}, (0, 0), "weighted 30"),
        (state("progressing", 30), {"want": "held"}, (0, 0), "held 30"),
        (state("progressing", 30), {"want": "rolled_back"}, (0, 0), "rolled_back 0"),
    ],
)
def test_readiness(present: State, request_fields: dict[str, Any], upto: tuple[int, int], answer: str) -> None:
    observed = {"stable": Ready(upto[0]), "canary": Ready(upto[1])}
    assert short(ask(present, observed=observed, **request_fields)) == answer


def test_unready_says_why() -> None:
    unready = {"canary": Ready(0, "pod pong-server-v2-x is in ImagePullBackOff")}
    assert ask(None, "advanced", observed=unready) == Wait(
        None, "v2 cannot take 10 % yet: pod pong-server-v2-x is in ImagePullBackOff"
    )
    assert ask(None, "advanced", observed={"canary": Ready(5)}) == Wait(
        None, "v2 cannot take 10 % yet: its ready pods carry 5 %"
    )


# -- failure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("want", ["advanced", "watched"])
@pytest.mark.parametrize(
    ("policy", "weight", "answer", "why"),
    [
        ("rollback", 30, "rolled_back 0", "failed, from 30 back to 0 %: errors 7 %"),
        ("hold", 30, "held 30", "failed: errors 7 %"),
        ("step_down", 30, "held 10", "failed, from 30 back to 10 %: errors 7 %"),
        ("step_down", 10, "rolled_back 0", "failed, from 10 back to 0 %: errors 7 %"),
    ],
)
def test_on_failure(want: str, policy: Any, weight: int, answer: str, why: str) -> None:
    failed = made(ask(state("progressing", weight), want, verdict=FAIL, plan=replace(PLAN, on_failure=policy)))
    assert (short(failed), failed.event, failed.why) == (answer, Event.FAILED, f"v2: {why}")
    assert (failed.state.verdict, failed.state.since) == (FAIL, NOW)


@pytest.mark.parametrize("policy", ["rollback", "step_down"])
def test_a_failure_sends_nothing_to_a_stable_version_without_pods(policy: Any) -> None:
    gone = {"stable": Ready(0, "v1 has no ready pod", 0)}
    held = made(
        ask(state("promoted", 100), "watched", verdict=FAIL, observed=gone, plan=replace(PLAN, on_failure=policy))
    )
    assert short(held) == "held 100"
    assert held.why == "v2: failed: errors 7 %; not rolled back because v1 takes no requests: v1 has no ready pod"


def test_a_failure_goes_back_to_a_stable_version_that_has_but_some_of_its_pods() -> None:
    some = {"stable": Ready(25, "1 of 4 pods ready", 25)}
    assert short(ask(state("progressing", 90), "watched", verdict=FAIL, observed=some)) == "rolled_back 0"


DEAD = {"canary": Ready(0, "it has no pods", 0)}


@pytest.mark.parametrize("phase", ["progressing", "paused"])
@pytest.mark.parametrize("request_fields", [{}, {"confirm": True}, {"evidence": True}], ids=str)
def test_a_canary_that_died_while_nobody_watched_goes_back_with_the_next_call(
    phase: str, request_fields: dict[str, Any]
) -> None:
    back = made(ask(state(phase, 30), "advanced", observed=DEAD, **request_fields))
    assert (short(back), back.event) == ("rolled_back 0", Event.FAILED)
    assert back.why == "v2: failed, from 30 back to 0 %: v2 has no ready pod left: it has no pods"


@pytest.mark.parametrize("present", [state("weighted", 30), state("promoted", 100), state("progressing", 0)], ids=short)
def test_what_no_step_has_set_does_not_go_back_by_itself(present: State) -> None:
    assert short(ask(present, "advanced", observed=DEAD)) == "wait"


@pytest.mark.parametrize(
    ("present", "request_fields", "observed", "why"),
    [
        (state("weighted", 20), {"weight": 20}, DEAD, "v2 has 20 % of the requests already and too few ready pods for"),
        (state("promoted", 100), {}, DEAD, "v2 has 100 % of the requests already and too few ready pods for them: it"),
        (
            state("promoted", 100),
            {},
            {"canary": Ready(50, "1 of 2 pods ready", 50)},
            "v2 has 100 % of the requests already and too few ready pods for them: 1 of 2 pods ready",
        ),
        (
            state("weighted", 20),
            {"weight": 20},
            {"stable": Ready(0, "0 of 2 pods ready", 0)},
            "v1 has 80 % of the requests already and too few ready pods for them: 0 of 2 pods ready",
        ),
        (state("weighted", 0), {"weight": 0}, {"stable": Ready(0, "no", 0)}, "v1 has 100 % of the requests already"),
        (state("progressing", 30), {"plan": Plan("v1", "v2", (Step(30),))}, {"stable": Ready(0, "no", 0)}, "v1 has 70"),
        (state("paused", 50), {}, {"stable": Ready(0, "no", 0)}, "v1 has 50 % of the requests already"),
    ],
)
def test_a_weight_that_is_there_is_no_success_without_the_pods(
    present: State, request_fields: dict[str, Any], observed: dict[str, Ready], why: str
) -> None:
    want = "weighted" if "weight" in request_fields else "advanced"
    waiting = ask(present, want, observed=observed, **request_fields)
    assert isinstance(waiting, Wait)
    assert waiting.until is None
    assert waiting.why.startswith(why)


@pytest.mark.parametrize(
    ("present", "weight", "observed"),
    [
        (state("weighted", 20), 20, {"canary": Ready(15, "too small for stable", 15)}),
        (state("weighted", 0), 0, DEAD),
        (state("weighted", 100), 100, {"stable": Ready(0, "no", 0)}),
        (state("weighted", 20), 20, {"stable": Ready(60, "3 of 5 pods ready", 60)}),
    ],
    ids=["three quarters of what it needs", "a canary at 0 %", "a stable at 0 %", "a stable that is being updated"],
)
def test_a_weight_that_is_there_is_well_with_enough_pods(
    present: State, weight: int, observed: dict[str, Ready]
) -> None:
    assert ask(present, "weighted", weight=weight, observed=observed) == NoOp(f"v2 has {weight} % already")


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        (
            state("rolled_back", 0, verdict=FAIL, story="failed, from 30 back to 0 %: errors 7 %"),
            "v2 is rolled back at 0 % since 2026-01-31T11:59:00Z (failed, from 30 back to 0 %: errors 7 %); "
            "set confirm: true to continue anyway, or release another canary",
        ),
        (
            state("held", 30, story="lunch"),
            "v2 is held at 30 % since 2026-01-31T11:59:00Z (lunch); "
            "set confirm: true to continue anyway, or release another canary",
        ),
        (
            state("weighted", 20, verdict=FAIL),
            "v2 failed at 2026-01-31T12:00:00Z (errors 7 %); "
            "set confirm: true to continue anyway, or release another canary",
        ),
    ],
)
def test_a_refusal_says_why_since_when_and_what_to_do(present: State, sentence: str) -> None:
    assert ask(present, "advanced") == Rejected(sentence)


def test_a_failure_is_not_washed_off_by_hand() -> None:
    """Neither lowering the weight, nor a later pass, nor taking on someone's weights makes a failed canary good."""
    present = made(ask(state("progressing", 50), "watched", verdict=FAIL, plan=replace(PLAN, on_failure="hold"))).state
    present = made(ask(present, "weighted", weight=20)).state
    later = NOW + seconds(120)
    present = made(ask(present, "watched", verdict=PASS, now=later)).state
    present = made(ask(present, "advanced", weights={"v1": 85, "v2": 15}, adopt=True, now=later)).state
    latest = later + seconds(120)
    assert short(ask(present, "advanced", now=latest)) == "rejected"
    assert short(ask(present, "weighted", weight=16, now=latest)) == "rejected"
    raised = made(ask(present, "weighted", weight=16, now=latest, confirm=True))
    assert raised.state.verdict is None


def test_a_weight_by_hand_after_a_persons_rollback_needs_no_confirm() -> None:
    back = made(ask(state("progressing", 30), "rolled_back", why="a bug")).state
    assert short(ask(back, "weighted", weight=20)) == "weighted 20"


# -- by hand -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0, 1, 20, 100])
def test_weighted_twice(weight: int) -> None:
    once = ask(None, "weighted", weight=weight)
    if weight == 0:
        assert once == NoOp("v2 has 0 % already")
        return
    assert made(once).weights == {"v1": 100 - weight, "v2": weight}
    assert made(once).why == f"v2: from 0 to {weight} % by hand"
    assert short(ask(made(once).state, "weighted", weight=weight)) == "noop"


@pytest.mark.parametrize("weight", [None, -1, 101])
def test_a_weight_outside_is_a_fault_of_the_caller(weight: int | None) -> None:
    with pytest.raises(ValueError, match="is not one from 0 to 100"):
        ask(None, "weighted", weight=weight)


def test_a_clock_without_zone_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ask(None, "advanced", now=NOW.replace(tzinfo=None))


def test_a_hold_gives_its_reason() -> None:
    assert made(ask(state("progressing", 30), "held", why="lunch")).state.history[-1].why == "lunch"
    assert made(ask(state("progressing", 30), "held")).state.history[-1].why == "asked by alice"


# -- the way back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [{"v1": 70, "v2": 30}, {"v2": 100}, {"v1": 50, "v2": 20, "v3": 30}, {}])
@pytest.mark.parametrize("present", list(PHASES.values()), ids=list(PHASES))
def test_a_rollback_is_one_transition_away_and_the_second_changes_nothing(
    present: State | Unreadable | None, weights: dict[str, int]
) -> None:
    back = made(ask(present, "rolled_back", weights=weights, why="a bug"))
    assert (short(back), back.again) == ("rolled_back 0", False)
    assert back.weights == {"v1": 100, **{name: 0 for name in weights if name != "v1"}}
    assert back.why == f"v2: from {weights.get('v2', 0)} back to 0 %: a bug"
    again = ask(back.state, "rolled_back", weights=back.weights)
    assert again == NoOp("v1 has all requests already: there is nothing to roll back")


def lacking(stable: int, canary: int = 100, **others: Ready) -> dict[str, Any]:
    """Versions with this percentage of their pods."""
    return {
        "stable": Ready(stable, f"{stable} of 100 pods ready", stable),
        "canary": Ready(canary, "", canary),
        "others": others,
    }


@pytest.mark.parametrize(
    ("weight", "observed", "kept"),
    [
        (100, lacking(50), 50),
        (100, lacking(0), 100),
        (100, lacking(74), 26),
        (30, lacking(50), 30),
        (30, lacking(0), 30),
    ],
)
def test_a_rollback_leaves_to_the_canary_what_stable_cannot_carry_yet(
    weight: int, observed: dict[str, Any], kept: int
) -> None:
    part = made(ask(state("weighted", weight), "rolled_back", observed=observed, why="a bug"))
    assert (short(part), part.event, part.again) == (f"held {kept}", Event.ROLLED_BACK, True)
    assert part.weights == {"v1": 100 - kept, "v2": kept}
    assert (part.raises, part.changed) == (False, True)
    moved = f"from {weight} back to {kept} %" if kept < weight else f"stays at {kept} %"
    reason = f"v1 cannot take more yet: {observed['stable'].why}"
    assert part.why == f"v2: {moved}: a bug; {reason}"
    waiting = ask(part.state, "rolled_back", observed=observed)
    assert waiting == Wait(
        None,
        f"v2 keeps {kept} % of the requests because {reason}",
        "state: rolled_back again completes it once they are ready, force: true at once",
    )
    refused = ask(part.state, "advanced", observed=observed)
    assert isinstance(refused, Rejected)
    assert refused.why.startswith(f"v2 is held at {kept} % since 2026-01-31T12:00:00Z ({moved}: a bug; {reason})")
    assert short(ask(part.state, "rolled_back")) == "rolled_back 0"
    assert short(ask(part.state, "rolled_back", observed=observed, force=True)) == "rolled_back 0"


def test_a_rollback_follows_the_pods_as_they_come() -> None:
    first = made(ask(state("weighted", 100), "rolled_back", observed=lacking(25)))
    second = made(ask(first.state, "rolled_back", observed=lacking(50)))
    assert (short(first), short(second), second.again) == ("held 75", "held 50", True)
    assert short(ask(second.state, "rolled_back", observed=lacking(25))) == "wait"


def test_a_rollback_that_waits_sees_what_others_have_moved() -> None:
    part = made(ask(state("weighted", 100), "rolled_back", observed=lacking(50)))
    again = made(ask(part.state, "rolled_back", weights={"v1": 10, "v2": 90}, observed=lacking(50)))
    assert (short(again), again.weights) == ("held 50", {"v1": 50, "v2": 50})


@pytest.mark.parametrize(
    ("present", "observed", "request_fields", "again"),
    [
        (state("weighted", 100), lacking(75), {}, False),
        (state("weighted", 25), lacking(1), {}, False),
        (state("weighted", 100), lacking(50, 49), {}, False),
        (state("weighted", 100), lacking(50, 0), {}, False),
        (state("weighted", 100), lacking(0, 0), {}, True),
        (state("weighted", 100), lacking(50), {"force": True}, False),
        (state("weighted", 100), lacking(0), {"force": True}, False),
        (state("held", 100, verdict=FAIL), lacking(1), {}, False),
        (state("weighted", 100), lacking(50), {"weights": {"v1": 0, "v2": 50, "v3": 50}}, False),
    ],
    ids=[
        "as many as an update leaves",
        "a canary with little",
        "a canary that carries less",
        "a canary without pods",
        "nobody has pods",
        "forced",
        "forced without pods",
        "a canary that failed",
        "others have requests too",
    ],
)
def test_a_rollback_does_not_wait_where_nothing_is_gained(
    present: State, observed: dict[str, Any], request_fields: dict[str, Any], again: bool
) -> None:
    back = made(ask(present, "rolled_back", observed=observed, **request_fields))
    assert (short(back), back.again, back.state.stable) == ("rolled_back 0", again, "v1")


def test_a_canary_that_failed_keeps_its_requests_while_stable_has_no_pod_at_all() -> None:
    assert short(ask(state("held", 100, verdict=FAIL), "rolled_back", observed=lacking(0))) == "held 100"


def test_a_rollback_looks_at_the_versions_of_the_release_and_not_of_the_playbook() -> None:
    observed = lacking(100, v1=Ready(0, "it has no pods", 0))
    part = made(ask(state("weighted", 40), "rolled_back", plan=Plan("v2", "v3"), observed=observed))
    assert (short(part), part.state.stable) == ("held 40", "v1")


def test_all_requests_at_a_stable_version_without_pods_are_no_success() -> None:
    for present in (None, state("rolled_back", 0)):
        assert ask(present, "rolled_back", observed=lacking(0)) == Wait(
            None, "v1 has all requests already, and no ready pod: 0 of 100 pods ready"
        )
        assert short(ask(present, "rolled_back", observed=lacking(0), force=True)) == "noop"


def test_a_damaged_annotation_is_repaired_by_a_rollback_even_at_rest() -> None:
    back = made(ask(Unreadable("it is not JSON"), "rolled_back"))
    assert (short(back), back.moves, back.changed) == ("rolled_back 0", False, True)


@pytest.mark.parametrize(
    ("present", "plan", "weights", "after_it"),
    [
        # the playbook still names the release before: the state knows which version is the stable one
        (state("progressing", 30), Plan("v0", "v1"), {"v1": 70, "v2": 30}, {"v1": 100, "v2": 0}),
        # the playbook already names the next canary
        (state("progressing", 30), Plan("v1", "v3"), {"v1": 70, "v2": 30}, {"v1": 100, "v2": 0}),
        # the canary of an unfinished release is never what to go back to
        (state("progressing", 30), Plan("v2", "v3"), {"v1": 70, "v2": 30}, {"v1": 100, "v2": 0}),
        # a finished one is
        (state("promoted", 100), Plan("v2", "v3"), {"v2": 60, "v3": 40}, {"v2": 100, "v3": 0}),
        (state("promoted", 100), Plan("v2", "v3"), {"v1": 0, "v2": 100}, None),
        # unless someone took all requests from it
        (state("promoted", 100), Plan("v2", "v3"), {"v1": 90, "v3": 10}, {"v1": 100, "v3": 0}),
        (state("promoted", 100), Plan("v1", "v2"), {"v1": 0, "v2": 100}, {"v1": 100, "v2": 0}),
    ],
)
def test_which_version_a_rollback_goes_to(
    present: State, plan: Plan, weights: dict[str, int], after_it: dict[str, int] | None
) -> None:
    back = ask(present, "rolled_back", plan=plan, weights=weights)
    assert (back.weights if isinstance(back, Transition) else None) == after_it


# -- leases ------------------------------------------------------------------------------------------------------------

BOBS = LeaseHolder("bob", "ctl2", 22, NOW - seconds(100), NOW + seconds(20))


def held_by_bob(phase: str = "progressing", weight: int = 30) -> State:
    return replace(state(phase, weight), holder=BOBS, run="r2")


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in ("back", "hold")])
def test_a_live_lease_keeps_others_away(name: str) -> None:
    assert ask(held_by_bob(), **REQUESTS[name]) == Rejected(
        "canary v2 is held by bob on ctl2 (process 22) since 2026-01-31T11:58:20Z (lease until 2026-01-31T12:00:20Z): "
        "wait for that run to end; state: held and state: rolled_back work at any time"
    )


def test_the_holder_itself_goes_on_and_keeps_its_since() -> None:
    step = made(ask(held_by_bob(), "advanced", by=BOB))
    assert step.state.holder == replace(BOBS, until=NOW + LEASE)


@pytest.mark.parametrize(("want", "answer"), [("rolled_back", "rolled_back 0"), ("held", "held 30")])
def test_the_safe_requests_override_a_lease_and_take_it(want: str, answer: str) -> None:
    taken = made(ask(held_by_bob(), want))
    assert short(taken) == answer
    assert (taken.state.run, taken.state.holder) == ("r1", LeaseHolder("alice", "ctl1", 11, NOW, NOW + LEASE))


@pytest.mark.parametrize(
    ("fields", "observed"),
    [
        ({"now": BOBS.until}, {}),
        ({}, {"holder_ended": True}),
        ({"now": BOBS.until - seconds(121), "verdict": FAIL}, {}),
    ],
    ids=["expired", "process gone", "longer than any lease"],
)
def test_a_dead_lease_is_taken_over(fields: dict[str, Any], observed: dict[str, Any]) -> None:
    step = made(ask(held_by_bob(), "advanced", observed=observed, **fields))
    assert step.state.holder is not None
    assert (step.state.holder.who, step.state.holder.since) == ("alice", fields.get("now", NOW))


def test_a_lease_of_a_run_whose_clock_is_ahead_counts() -> None:
    assert short(ask(held_by_bob(), "advanced", now=BOBS.until - seconds(120))) == "rejected"


def test_a_lease_says_which_process_holds_it() -> None:
    run = replace(ALICE, boot="b00t", pid_namespace="402", start="7")
    holder = made(ask(None, "advanced", by=run)).state.holder
    assert holder is not None
    assert (holder.boot, holder.pid_namespace, holder.start) == ("b00t", "402", "7")


def test_a_run_lets_go() -> None:
    assert short(ask(released(held_by_bob()), "advanced")) == "paused 50"


# -- watching ----------------------------------------------------------------------------------------------------------


def test_watching_renews_only_a_lease_that_runs_low() -> None:
    taken = made(ask(state("progressing", 30, age=1), "watched"))
    assert (taken.event, taken.moves, taken.changed) == (Event.RENEWED, False, False)
    assert (taken.state.since, taken.state.history) == (NOW - seconds(1), state("progressing", 30, age=1).history)
    assert ask(taken.state, "watched", now=NOW + seconds(29)) == NoOp("v2 at 30 % (step 2 of 4) is watched")
    for_ever = replace(taken.state, holder=replace(taken.state.holder, until=NOW + timedelta(days=9999)))
    assert made(ask(for_ever, "watched")).state.holder == taken.state.holder
    renewed = made(ask(taken.state, "watched", now=NOW + seconds(30)))
    assert renewed.state.holder == LeaseHolder("alice", "ctl1", 11, NOW, NOW + seconds(30) + LEASE)


def test_a_passed_step_is_noted_once() -> None:
    noted = made(ask(state("progressing", 30), "watched", verdict=PASS))
    assert (noted.event, noted.changed, noted.moves, noted.state.verdict) == (Event.JUDGED, False, False, PASS)
    assert noted.state.history == state("progressing", 30).history
    assert short(ask(noted.state, "watched", verdict=PASS)) == "noop"


@pytest.mark.parametrize(
    ("present", "fields"),
    [
        (state("progressing", 30), {"since": NOW - seconds(61)}),
        (state("progressing", 30), {"since": None}),
        (state("progressing", 30), {"plan": Plan("v1", "v3", STEPS, 60)}),
    ],
    ids=["another step", "no step", "another release"],
)
def test_a_verdict_about_something_else_does_nothing(present: State, fields: dict[str, Any]) -> None:
    assert ask(present, "watched", verdict=FAIL, **fields) == Rejected(
        "this run stops because the watched release has changed: v2 is progressing at 30 % since 2026-01-31T11:59:00Z "
        "(a story), by carol"
    )


def test_a_watch_without_annotation_stops() -> None:
    assert ask(None, "watched") == Rejected(
        "this run stops because the watched release has changed: the annotation progressive.istio/canary was removed"
    )


def test_a_watch_finds_the_hold_of_a_person() -> None:
    watched = state("progressing", 30)
    held = made(ask(watched, "held", by=BOB, why="lunch")).state
    stopped = ask(released(held), "watched", since=watched.since, verdict=PASS)
    assert isinstance(stopped, Rejected)
    assert stopped.why.endswith("v2 is held at 30 % since 2026-01-31T12:00:00Z (lunch), by bob")


# -- drift and damage --------------------------------------------------------------------------------------------------

MOVED = {"v1": 60, "v2": 40}


@pytest.mark.parametrize("name", [name for name in REQUESTS if not name.startswith(("weigh", "back"))])
def test_drift_is_reported_with_both_numbers(name: str) -> None:
    assert ask(state("progressing", 30), weights=MOVED, **REQUESTS[name]) == Rejected(
        "another writer changed the weights: v1 60 %, v2 40 % now, v1 70 %, v2 30 % when this release wrote them at "
        "2026-01-31T11:59:00Z; set adopt: true to continue from there, state: weighted to set another weight, "
        "or state: rolled_back to roll back"
    )


@pytest.mark.parametrize(
    ("weights", "drift"),
    [({"v2": 100}, False), ({"v1": 0, "v2": 100, "v3": 0}, False), ({"v2": 90, "v3": 10}, True), ({"v1": 100}, True)],
)
def test_an_absent_destination_has_no_share(weights: dict[str, int], drift: bool) -> None:
    assert isinstance(ask(state("promoted", 100), "advanced", weights=weights), Rejected) is drift


def test_drift_gives_way_to_a_weight_by_hand() -> None:
    moved = made(ask(state("progressing", 30), "weighted", weight=20, weights=MOVED))
    assert (moved.weights, moved.why) == ({"v1": 80, "v2": 20}, "v2: from 40 to 20 % by hand")


def test_drift_on_a_failed_canary_is_no_way_around_the_confirm() -> None:
    failed = state("held", 10, verdict=FAIL)
    assert short(ask(failed, "weighted", weight=20, weights=MOVED)) == "rejected"


def test_drift_does_not_hide_behind_another_release() -> None:
    plan = Plan("v1", "v3", STEPS)
    assert short(ask(state("progressing", 30), "weighted", weight=20, plan=plan, weights=MOVED)) == "rejected"


def test_adopt_takes_the_weights_on_and_then_the_soak_begins() -> None:
    adopted = made(ask(state("progressing", 30), "advanced", adopt=True, weights=MOVED))
    assert (short(adopted), adopted.moves, adopted.again) == ("weighted 40", False, True)
    assert adopted.why == "v2: adopted v1 60 %, v2 40 %"
    assert short(ask(adopted.state, "advanced", adopt=True)) == "wait"
    assert short(ask(adopted.state, "advanced", adopt=True, now=NOW + seconds(60))) == "paused 50"


def test_adopt_respects_a_lease() -> None:
    assert short(ask(held_by_bob(), "advanced", adopt=True, weights=MOVED)) == "rejected"


def test_adopt_without_need_is_nothing_special() -> None:
    assert short(ask(state("progressing", 30), "advanced", adopt=True)) == "paused 50"


def test_adopt_names_the_release_anew() -> None:
    adopted = made(
        ask(state("progressing", 30), "held", adopt=True, plan=Plan("v2", "v3"), weights={"v2": 75, "v3": 25})
    )
    assert (adopted.state.stable, adopted.state.canary, adopted.state.weight) == ("v2", "v3", 25)
    assert [past.event for past in adopted.state.history] == ["progressing", "adopted"]


@pytest.mark.parametrize(
    ("present", "fields"),
    [
        (state("progressing", 30), {"want": "advanced", "adopt": True}),
        (state("progressing", 30), {"want": "weighted", "weight": 20}),
        (None, {"want": "weighted", "weight": 20}),
        (None, {"want": "advanced"}),
        (None, {"want": "held"}),
    ],
)
def test_two_versions_that_do_not_carry_all_are_no_release(present: State | None, fields: dict[str, Any]) -> None:
    assert ask(present, weights={"v1": 50, "v2": 20, "v3": 30}, **fields) == Rejected(
        "v1 50 %, v2 20 %, v3 30 % is no release from v1 to v2, which must share all requests: "
        "name the two versions that do, or set state: rolled_back to roll back"
    )


def test_damage_is_named_and_can_be_adopted() -> None:
    damaged = Unreadable("its version is 2, and this collection reads version 1")
    assert ask(damaged, "advanced") == Rejected(
        "the annotation progressive.istio/canary cannot be read because its version is 2, and this collection reads "
        "version 1: set adopt: true to continue from the present weights, or state: rolled_back to roll back"
    )
    adopted = made(ask(damaged, "advanced", adopt=True, weights=MOVED))
    assert (short(adopted), adopted.again) == ("weighted 40", True)


# -- one release after another -----------------------------------------------------------------------------------------

NEXT = Plan("v1", "v3", (Step(20), Step(100)), 60)


def run_through(present: State | None, plan: Plan, weights: Mapping[str, int], **request: Any) -> list[Transition]:
    """All transitions of one call, which are three at most."""
    observed, steps = Observed(weights), []
    for _time in range(3):
        decision = decide(present, observed, plan, Command(Want.ADVANCED, ALICE, **request), NOW)
        if not isinstance(decision, Transition):
            break
        steps.append(decision)
        present, observed = decision.state, after(observed, decision)
        if not decision.again:
            break
    return steps


def test_a_new_release_supersedes_the_one_under_way() -> None:
    steps = run_through(state("progressing", 50), NEXT, {"v1": 50, "v2": 50})
    assert [(step.event, step.weights, step.state.canary) for step in steps] == [
        (Event.SUPERSEDED, {"v1": 100, "v2": 0}, "v2"),
        (Event.STARTED, {"v1": 100, "v3": 0}, "v3"),
        (Event.ADVANCED, {"v1": 80, "v3": 20}, "v3"),
    ]
    assert steps[0].why == "v2: from 50 back to 0 %: superseded by v3"
    assert steps[1].why == "v3: the route gains v3 at 0 %"
    assert [step.moves for step in steps] == [True, True, True]
    assert [past.event for past in steps[-1].state.history] == ["progressing", "superseded", "started", "advanced"]


def test_a_run_that_dies_between_these_is_taken_up() -> None:
    steps = run_through(state("progressing", 50), NEXT, {"v1": 50, "v2": 50})
    for dead in steps[:2]:
        again = run_through(dead.state, NEXT, dead.weights)
        assert again[-1].weights == {"v1": 80, "v3": 20}


def test_an_old_schedule_does_not_bring_back_what_was_superseded() -> None:
    steps = run_through(state("progressing", 50), NEXT, {"v1": 50, "v2": 50})
    refused = ask(steps[-1].state, "advanced", weights={"v1": 80, "v2": 0, "v3": 20})
    assert refused == Rejected(
        "v2 was started before and left at 2026-01-31T12:00:00Z (superseded: from 50 back to 0 %: superseded by v3); "
        "set confirm: true to start it again"
    )
    back = run_through(steps[-1].state, PLAN, {"v1": 80, "v2": 0, "v3": 20}, confirm=True)
    assert back[-1].weights == {"v1": 90, "v2": 10}


def test_nor_does_adopting() -> None:
    steps = run_through(state("rolled_back", 0, verdict=FAIL), NEXT, {"v1": 100, "v2": 0})
    assert short(ask(steps[-1].state, "advanced", adopt=True, weights={"v1": 80, "v2": 20})) == "rejected"
    adopted = ask(steps[-1].state, "advanced", adopt=True, confirm=True, weights={"v1": 80, "v2": 20})
    assert short(adopted) == "weighted 20"


def test_a_superseding_release_waits_for_the_stable_pods() -> None:
    short_of = {"stable": Ready(50, "1 of 2 pods is ready", 50)}
    assert ask(state("progressing", 50), "advanced", plan=NEXT, observed=short_of) == Wait(
        None, "v1 cannot take all requests back yet: 1 of 2 pods is ready"
    )


def test_a_hold_is_not_superseded_without_a_person() -> None:
    assert ask(state("held", 30, story="lunch"), "advanced", plan=NEXT) == Rejected(
        "v2 is held at 30 % since 2026-01-31T11:59:00Z (lunch); to release v3 in its place set confirm: true"
    )
    assert run_through(state("held", 30), NEXT, {"v1": 70, "v2": 30}, confirm=True)[0].event == Event.SUPERSEDED


def test_a_new_canary_after_a_rollback_just_begins() -> None:
    steps = run_through(state("rolled_back", 0, verdict=FAIL), NEXT, {"v1": 100, "v2": 0, "v3": 0})
    assert [(step.event, step.weights) for step in steps] == [(Event.ADVANCED, {"v1": 80, "v3": 20})]


@pytest.mark.parametrize("weights", [{"v1": 0, "v2": 100}, {"v2": 100}], ids=["v1 still there", "v1 cleaned up"])
@pytest.mark.parametrize("phase", ["promoted", "weighted"])
def test_after_the_promotion_the_roles_change(phase: str, weights: dict[str, int]) -> None:
    steps = run_through(state(phase, 100), Plan("v2", "v3", STEPS, 60), weights)
    assert [(step.event, step.weights) for step in steps] == [
        (Event.STARTED, {"v2": 100, "v3": 0}),
        (Event.ADVANCED, {"v2": 90, "v3": 10}),
    ]
    assert (steps[-1].state.stable, steps[-1].state.canary, steps[-1].state.verdict) == ("v2", "v3", None)


def test_two_slots_take_turns() -> None:
    steps = run_through(state("promoted", 100), Plan("v2", "v1", STEPS, 60), {"v1": 0, "v2": 100})
    assert [(step.event, step.weights) for step in steps] == [(Event.ADVANCED, {"v2": 90, "v1": 10})]


@pytest.mark.parametrize(
    ("present", "plan", "why"),
    [
        (state("promoted", 100), NEXT, "v2 is promoted, so the next stable is v2, not v1"),
        (state("progressing", 30), Plan("v2", "v3", STEPS), "v2 is not promoted, so stable is still v1, not v2"),
        (state("paused", 100), Plan("v2", "v3", STEPS), "v2 is not promoted, so stable is still v1, not v2"),
        (state("rolled_back", 0), Plan("v2", "v3", STEPS), "v2 is not promoted, so stable is still v1, not v2"),
        (state("promoted", 100), Plan("v8", "v9", STEPS), "v2 is promoted, so the next stable is v2, not v8"),
    ],
)
def test_roles_that_do_not_fit(present: State, plan: Plan, why: str) -> None:
    refused = ask(present, "advanced", plan=plan)
    assert isinstance(refused, Rejected)
    assert refused.why.endswith(why)


def test_a_destination_is_gained_before_it_gets_requests() -> None:
    steps = run_through(None, PLAN, {"v1": 100})
    assert [(step.event, short(step), step.moves) for step in steps] == [
        (Event.STARTED, "progressing 0", True),
        (Event.ADVANCED, "progressing 10", True),
    ]


def test_so_is_one_for_stable() -> None:
    gained = made(ask(None, "weighted", weight=60, weights={"v2": 100}))
    assert (gained.event, gained.weights, short(gained), gained.again) == (
        Event.STARTED,
        {"v1": 0, "v2": 100},
        "weighted 100",
        True,
    )
    assert short(ask(gained.state, "weighted", weight=60)) == "weighted 60"


def test_a_destination_is_gained_at_the_weights_that_are_there() -> None:
    gained = made(ask(state("progressing", 10), "weighted", weight=60, weights={"v2": 100}))
    assert (gained.event, gained.weights, short(gained)) == (Event.STARTED, {"v1": 0, "v2": 100}, "weighted 100")


def test_a_destination_is_not_gained_for_nothing() -> None:
    refused = state("rolled_back", 0, verdict=FAIL)
    assert short(ask(refused, "advanced", weights={"v1": 100})) == "rejected"
    assert short(ask(None, "advanced", weights={"v1": 100}, observed={"canary": Ready(0)})) == "wait"
    assert made(ask(state("progressing", 30), "rolled_back", weights={"v1": 100})).weights == {"v1": 100}


EVEN = {"a": {"v1": 90, "v2": 10}, "b": {"v1": 90, "v2": 10}}
UNEVEN = {**EVEN, "b": {"v1": 70, "v2": 30}, "c": {"v1": 70, "v2": 30}}


class TestSeveralRoutes:
    """The routes of a release have the same weights, or it stops."""

    def test_alike_they_go_on(self) -> None:
        assert made(ask(state("progressing", 10), "advanced", observed={"routes": EVEN})).weights["v2"] == 30

    @pytest.mark.parametrize("want", ["advanced", "watched", "held"])
    def test_one_that_differs_is_named(self, want: str) -> None:
        decision = ask(state("progressing", 10), want, observed={"routes": UNEVEN})
        assert isinstance(decision, Rejected)
        assert "v1 70 %, v2 30 % in HTTP routes b and c now, v1 90 %, v2 10 % when this release wrote" in decision.why

    def test_without_a_release_all_are_named(self) -> None:
        decision = ask(None, "weighted", weight=20, weights=EVEN["a"], observed={"routes": UNEVEN})
        assert isinstance(decision, Rejected)
        each = "v1 90 %, v2 10 % in HTTP route a and v1 70 %, v2 30 % in HTTP routes b and c"
        assert decision.why.startswith(f"the HTTP routes split in different ways: {each}; name those")

    @pytest.mark.parametrize("present", [None, state("progressing", 10)])
    def test_adopted_they_get_the_lowest_share_of_the_canary(self, present: State | None) -> None:
        weights = UNEVEN["b"]
        decision = ask(present, "advanced", adopt=True, weights=weights, observed={"routes": UNEVEN})
        transition = made(decision)
        assert (transition.weights, transition.state.weight) == ({"v1": 90, "v2": 10}, 10)
        assert (transition.moves, transition.raises) == (True, False)

    @pytest.mark.parametrize("weight", [10, 30, 50])
    def test_a_weight_by_hand_is_for_all_of_them(self, weight: int) -> None:
        decision = ask(state("weighted", 10), "weighted", weight=weight, observed={"routes": UNEVEN})
        transition = made(decision)
        assert (transition.weights, transition.moves) == ({"v1": 100 - weight, "v2": weight}, True)

    def test_a_route_that_gains_requests_waits_for_pods(self) -> None:
        observed = {"routes": UNEVEN, "canary": Ready(20, "no pods")}
        decision = ask(state("weighted", 30), "weighted", weight=30, weights=UNEVEN["b"], observed=observed)
        assert isinstance(decision, Wait)

    def test_stable_waits_for_pods_too(self) -> None:
        observed = {"routes": UNEVEN, "stable": Ready(80, "no pods")}
        assert isinstance(ask(state("weighted", 10), "weighted", weight=10, observed=observed), Wait)

    def test_what_has_failed_is_not_raised_in_any(self) -> None:
        failed = state("weighted", 30, verdict=FAIL)
        decision = ask(failed, "weighted", weight=20, weights=UNEVEN["b"], observed={"routes": UNEVEN})
        assert isinstance(decision, Rejected)

    def test_a_route_with_another_destination_is_no_release(self) -> None:
        routes = {**EVEN, "b": {"v1": 60, "v2": 10, "v3": 30}}
        decision = ask(None, "advanced", adopt=True, weights=EVEN["a"], observed={"routes": routes})
        assert isinstance(decision, Rejected)

    def test_a_rollback_takes_all_back(self) -> None:
        observed = {"routes": UNEVEN}
        decision = ask(state("progressing", 10), "rolled_back", weights=UNEVEN["b"], observed=observed)
        assert made(decision).weights == {"v1": 100, "v2": 0}

    def test_after_a_transition_they_are_alike(self) -> None:
        observed = Observed(UNEVEN["b"], routes=UNEVEN)
        transition = made(ask(state("weighted", 30), "weighted", weight=50, weights=UNEVEN["b"]))
        assert not after(observed, transition).uneven
