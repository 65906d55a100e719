# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds from any state, for any requests of any runs, killed anywhere, with foreign hands in the route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import decode, encode
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import released
from ansible_collections.progressive.istio.plugins.module_utils._release.machine import after, decide
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
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
    HISTORY,
    HistoryEntry,
    LeaseHolder,
    Phase,
    State,
    Unreadable,
    Verdict,
)
from hypothesis import given, settings
from hypothesis import strategies as st

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEPS = (Step(10), Step(30, pause=True), Step(50), Step(100))
RUNS = [Run("r0", "alice", "ctl0", 10), Run("r1", "bob", "ctl1", 11)]
PLANS = [
    Plan(stable, canary, STEPS, interval=60.0, on_failure=policy)
    for stable, canary in (("v1", "v2"), ("v1", "v3"), ("v2", "v3"), ("v2", "v1"))
    for policy in ("rollback", "hold", "step_down")
]
WEIGHTS = {
    Phase.NONE: range(0),
    Phase.PROGRESSING: range(100),
    Phase.PROMOTED: range(100, 101),
    Phase.ROLLED_BACK: range(1),
}
RELAXED = settings(deadline=None, max_examples=80)


# What can be asked, and what can happen meanwhile.


@dataclass(frozen=True)
class Call:
    """One call of the module: the request of a run, killed after so many writes."""

    plan: Plan
    request: Command
    writes: int = 9


@dataclass(frozen=True)
class Later:
    seconds: float


@dataclass(frozen=True)
class Moved:
    """Somebody edits the route."""

    weights: dict[str, int]


@dataclass(frozen=True)
class Broken:
    """Somebody edits the annotation, or removes it."""

    text: str | None


@dataclass(frozen=True)
class Pods:
    """Percent of their pods that the versions have."""

    stable: int
    canary: int
    holder_ended: bool = False

    @property
    def ready(self) -> tuple[Ready, Ready]:
        return Ready(self.stable, "", self.stable), Ready(self.canary, "", self.canary)


class LetGo:
    """The holder's last write."""


Happening: TypeAlias = "Call | Later | Moved | Broken | Pods | LetGo"


def verdict(result: str) -> Verdict:
    return Verdict(result, "numbers", START)  # type: ignore[arg-type]


def requests(run: Run) -> Iterator[Command]:
    for confirm in (False, True):
        yield Command(Want.ADVANCED, run, confirm=confirm)
        yield Command(Want.ADVANCED, run, confirm=confirm, adopt=True)
        yield Command(Want.ADVANCED, run, confirm=confirm, evidence=True)
        for result in ("pass", "fail", "inconclusive"):
            yield Command(Want.ADVANCED, run, confirm=confirm, verdict=verdict(result))
        for weight in (0, 10, 25, 100):
            yield Command(Want.WEIGHTED, run, weight=weight, confirm=confirm)
    yield Command(Want.ROLLED_BACK, run)
    yield Command(Want.ROLLED_BACK, run, force=True)
    yield Command(Want.HELD, run)
    yield Command(Want.WATCHED, run)
    for result in ("pass", "fail", "inconclusive"):
        yield Command(Want.WATCHED, run, verdict=verdict(result))


def calls(plans: list[Plan], run: Run, writes: int) -> st.SearchStrategy[Happening]:
    return st.sampled_from([Call(plan, request, writes) for plan in plans for request in requests(run)])


MOVES = [
    Moved(weights) for weights in ({"v1": 60, "v2": 40}, {"v1": 100}, {"v2": 100}, {"v2": 50, "v3": 50}, {"v3": 100})
]
ELSE: list[Happening] = [
    *(Later(seconds) for seconds in (0.5, 29, 31, 60, 61)),
    *(
        Moved(weights)
        for weights in ({"v1": 60, "v2": 40}, {"v1": 100}, {"v2": 100}, {"v2": 50, "v3": 50}, {"v3": 100})
    ),
    *(Broken(text) for text in (None, "", "{}", '{"version":2}')),
    *(Pods(*upto) for upto in ((100, 100), (100, 25), (0, 100), (50, 100), (0, 0), (100, 100, True))),
    LetGo(),
]
# Most of a walk is one run with one release, or it would meet nothing but refusals.
happenings = st.lists(
    st.one_of(
        calls(PLANS[:3], RUNS[0], 9),
        calls(PLANS[:3], RUNS[0], 9),
        calls(PLANS, RUNS[0], 1),
        calls(PLANS, RUNS[1], 9),
        st.just(Later(61)),
        st.sampled_from(ELSE),
    ),
    min_size=2,
    max_size=12,
)

moments = st.sampled_from(
    [START + timedelta(seconds=number) for number in (-300, -61, -59.999, -1, 0, 0.001, 1, 59, 61)]
)
texts = st.sampled_from(["", "alice", 'a "quote" \\ and \n', "grün ☃"])
extras = st.sampled_from([{}, {"tomorrow": [1, {"a": None}]}])
pasts = st.builds(
    HistoryEntry,
    moments,
    st.sampled_from([*map(str, Event)]),
    st.sampled_from(["v2", "v3"]),
    st.integers(0, 100),
    texts,
    texts,
    extras,
)


standings = st.sampled_from([(phase, weight) for phase in Phase for weight in WEIGHTS.get(phase, range(101))])
results = st.sampled_from(["pass", "fail", "inconclusive"])


def states(plans: list[Plan] = PLANS) -> st.SearchStrategy[State]:
    """Any legal state of these releases."""
    return st.builds(
        lambda plan, standing, story, **fields: State(plan.stable, plan.canary, *standing, history=story, **fields),
        st.sampled_from(plans),
        standings,
        st.builds(
            lambda story, times: tuple(story) * times, st.lists(pasts, max_size=2), st.sampled_from([1, HISTORY // 2])
        ),
        since=moments,
        steps=st.sampled_from([(), STEPS, (Step(1), Step(99, True, {"tomorrow": 1})), (Step(100),)]),
        interval=st.sampled_from([0.0, 0.5, 60.0]),
        run=st.sampled_from(["r0", "r1", "r2"]),
        holder=st.none()
        | st.builds(LeaseHolder, texts, texts, st.integers(0, 9), moments, moments, texts, texts, texts, extras),
        verdict=st.none() | st.builds(Verdict, results, texts, moments, extras),
        before=st.sampled_from([{}, {"v1": 100}, {"v1": 60, "v2": 30, "v3": 10}]),
        extra=extras,
    )


beginnings = st.one_of(st.none(), st.just(Unreadable("")), states(), states(), states())


# The world in which they happen.


@dataclass
class Asked:
    """One decision, with all that it was made from."""

    state: State | Unreadable | None
    observed: Observed
    call: Call
    request: Command
    now: datetime
    decision: Decision

    @property
    def raised(self) -> bool:
        return isinstance(self.decision, Transition) and self.decision.raises


@dataclass
class World:
    text: str | None
    observed: Observed
    now: datetime = START
    log: list[Asked | Broken] = field(default_factory=list)

    @property
    def state(self) -> State | Unreadable | None:
        return decode(self.text)

    @classmethod
    def of(cls, state: State | Unreadable | None) -> World:
        text = encode(state) if isinstance(state, State) else state and "{"
        return cls(text, Observed(state.weights if isinstance(state, State) else {"v1": 100, "v2": 0}))

    def decide(self, call: Call) -> Asked:
        state, request = self.state, call.request
        if request.want is Want.WATCHED and isinstance(state, State):
            request = replace(request, since=state.since)
        decision = decide(state, self.observed, call.plan, request, self.now)
        return Asked(state, self.observed, call, request, self.now, decision)

    def write(self, transition: Transition) -> None:
        self.text, self.observed = encode(transition.state), after(self.observed, transition)

    def call(self, call: Call) -> list[Asked]:
        """All that one call of the module does."""
        asked = []
        for _write in range(call.writes):
            asked.append(self.decide(call))
            decision = asked[-1].decision
            if isinstance(decision, Transition):
                self.write(decision)
            if not (isinstance(decision, Transition) and decision.again):
                break
        self.log += asked
        return asked

    def happen(self, happening: Happening) -> None:
        if isinstance(happening, Call):
            self.call(happening)
        elif isinstance(happening, Later):
            self.now += timedelta(seconds=happening.seconds)
        elif isinstance(happening, Moved):
            self.observed = replace(self.observed, weights=happening.weights)
        elif isinstance(happening, Pods):
            stable, canary = happening.ready
            self.observed = replace(self.observed, stable=stable, canary=canary, holder_ended=happening.holder_ended)
        elif isinstance(happening, Broken):
            self.text = happening.text
            self.log.append(happening)
        elif isinstance(self.state, State):
            self.text = encode(released(self.state))


def walk(state: State | Unreadable | None, events: list[Happening]) -> World:
    world = World.of(state)
    for event in events:
        world.happen(event)
    return world


def asked_in(world: World) -> list[Asked]:
    return [entry for entry in world.log if isinstance(entry, Asked)]


def carrying(weights: dict[str, int]) -> dict[str, int]:
    return {name: weight for name, weight in weights.items() if weight}


# What must hold.


@RELAXED
@given(states())
def test_the_annotation_keeps_everything(state: State) -> None:
    assert decode(encode(state)) == state
    assert encode(decode(encode(state))) == encode(state)  # type: ignore[arg-type]


@RELAXED
@given(beginnings, happenings)
def test_every_write_is_legal_and_bounded(state: State | Unreadable | None, events: list[Happening]) -> None:
    for asked in asked_in(walk(state, events)):
        written = asked.decision
        if not isinstance(written, Transition):
            continue
        assert sum(written.weights.values()) == 100
        assert carrying(dict(written.weights)) == carrying(written.state.weights)
        assert written.state.weight in WEIGHTS.get(written.state.phase, range(101))
        assert decode(encode(written.state)) == written.state
        assert len(written.state.history) <= HISTORY
        assert len(encode(written.state)) < 20_000
        if asked.request.want in (Want.HELD, Want.WATCHED):
            assert not written.raises
        if written.raises or (isinstance(asked.state, State) and written.state.phase != asked.state.phase):
            assert written.state.since == asked.now or written.event in (Event.STARTED, Event.CONFIRMED, Event.PROMOTED)
        if asked.request.want is Want.HELD or written.event in (Event.CONFIRMED, Event.RENEWED, Event.JUDGED):
            assert not written.moves


@RELAXED
@given(beginnings, happenings, st.sampled_from(PLANS), st.sampled_from(RUNS))
def test_a_rollback_is_always_one_transition_away(
    state: State | Unreadable | None, events: list[Happening], plan: Plan, run: Run
) -> None:
    """With `force`, or to a stable version that has its pods, or that nobody could look at."""
    for force in (False, True):
        world = walk(state, events)
        if not force:
            world.observed = replace(world.observed, stable=Ready(), canary=Ready())
        goes_back_at_once(world, Call(plan, Command(Want.ROLLED_BACK, run, force=force)))


@RELAXED
@given(beginnings, happenings, st.sampled_from(PLANS), st.sampled_from(RUNS), st.integers(0, 100), st.integers(0, 100))
def test_a_rollback_takes_what_stable_carries_and_the_rest_when_it_can(
    state: State | Unreadable | None, events: list[Happening], plan: Plan, run: Run, stable: int, canary: int
) -> None:
    """Killed anywhere, raised by nobody without a confirm, and one transition away as soon as the pods are there."""
    world = walk(state, events)
    ready = Pods(stable, canary).ready
    world.observed = replace(world.observed, stable=ready[0], canary=ready[1])
    weights = dict(world.observed.weights)
    asked = world.call(Call(plan, Command(Want.ROLLED_BACK, run)))
    for each in asked:
        assert not each.raised
    kept = world.state
    if isinstance(kept, State) and kept.phase is Phase.HELD and isinstance(asked[0].decision, Transition):
        readiness = dict(zip((plan.stable, plan.canary), ready, strict=True))
        carried = readiness.get(kept.stable, Ready()).filled
        assert kept.weight == min(weights[kept.canary], 100 - carried)
        assert carried < 75
        assert readiness.get(kept.canary, Ready()).filled > 0
        assert asked[-1].decision.until is None if isinstance(asked[-1].decision, Wait) else False
        for advance in (Command(Want.ADVANCED, run), Command(Want.ADVANCED, run, verdict=verdict("pass"))):
            assert not world.decide(Call(plan, advance)).raised
    elif isinstance(asked[0].decision, Wait):  # an earlier rollback waits for pods already
        assert world.observed.weights == weights
    else:
        assert [*carrying(dict(world.observed.weights)).values()] == [100]
    world.observed = replace(world.observed, stable=Ready(), canary=Ready())
    goes_back_at_once(world, Call(plan, Command(Want.ROLLED_BACK, run)))


def goes_back_at_once(world: World, back: Call) -> None:
    before = world.state
    [asked] = world.call(back)
    if isinstance(asked.decision, Transition):
        assert asked.decision.state.phase is Phase.ROLLED_BACK
        if isinstance(before, State) and before.weight < 100:
            assert carrying(dict(world.observed.weights)) == {before.stable: 100}
    else:
        assert isinstance(asked.decision, NoOp)
    assert [*carrying(dict(world.observed.weights)).values()] == [100]
    assert isinstance(world.decide(back).decision, NoOp)


failed_beginnings = states(PLANS[:1]).map(lambda state: replace(state, verdict=verdict("fail"), holder=None))
failed_walks = st.lists(
    st.one_of(
        calls(PLANS[:2], RUNS[0], 9),
        calls(PLANS[3:4], RUNS[0], 9),
        st.sampled_from([Later(61), Moved({"v1": 60, "v2": 40}), Broken("{}")]),
    ),
    min_size=2,
    max_size=8,
)


@RELAXED
@given(failed_beginnings, failed_walks)
def test_no_way_leads_from_a_failure_to_more_requests_but_a_confirm(state: State, events: list[Happening]) -> None:
    failed = {state.canary} if state.failed else set()
    for entry in walk(state, events).log:
        if isinstance(entry, Broken):
            failed.clear()  # nothing is known any more
            continue
        if not isinstance(entry.decision, Transition):
            continue
        written, canary = entry.decision, entry.decision.state.canary
        failed &= {canary, *(past.canary for past in written.state.history)}
        if written.event is Event.FAILED:
            failed.add(canary)
        assert not (written.raises and canary in failed and not entry.request.confirm)
        if entry.request.confirm and (
            written.raises or written.event in (Event.CONFIRMED, Event.PROMOTED, Event.STARTED, Event.ADOPTED)
        ):
            failed.discard(canary)


@RELAXED
@given(beginnings, happenings)
def test_one_call_raises_by_one_step_that_has_soaked_and_is_ready(
    state: State | Unreadable | None, events: list[Happening]
) -> None:
    world = World.of(state)
    for event in events:
        if not isinstance(event, Call):
            world.happen(event)
            continue
        asked = world.call(event)
        assert sum(entry.raised for entry in asked) <= 1
        assert not any(entry.raised for entry in asked[:-1])
        if not asked or not asked[-1].raised:
            continue
        assert event.request.want in (Want.ADVANCED, Want.WEIGHTED)
        last, written = asked[-1], asked[-1].decision
        assert isinstance(written, Transition)
        low, high = last.observed.weights[written.state.canary], written.state.weight
        assert last.observed.canary.upto >= high
        if event.request.want is Want.ADVANCED:
            assert [step.weight for step in STEPS if low < step.weight <= high] == [high]
            if isinstance(last.state, State) and last.state.canary == written.state.canary and low:
                assert last.state.phase is Phase.HELD or last.now >= last.state.since + timedelta(seconds=60)
                assert last.state.phase in (Phase.PROGRESSING, Phase.WEIGHTED) or event.request.confirm


@RELAXED
@given(beginnings, happenings)
def test_what_must_be_judged_is_raised_by_a_pass_or_a_person(
    state: State | Unreadable | None, events: list[Happening]
) -> None:
    for asked in asked_in(walk(state, events)):
        present, request = asked.state, asked.request
        if not isinstance(present, State) or not request.evidence or request.confirm:
            continue
        decision = asked.decision
        if isinstance(decision, Transition) and decision.raises and decision.state.canary == present.canary:
            assert present.weight == 0 or (present.verdict and present.verdict.result == "pass"), asked


@RELAXED
@given(beginnings, happenings)
def test_a_live_lease_lets_no_other_run_change_anything_but_for_safety(
    state: State | Unreadable | None, events: list[Happening]
) -> None:
    for asked in asked_in(walk(state, events)):
        present = asked.state
        if not isinstance(present, State) or present.holder is None or asked.observed.holder_ended:
            continue
        if present.run == asked.request.by.id or present.holder.until <= asked.now:
            continue
        if asked.request.want is Want.HELD:
            assert not (isinstance(asked.decision, Transition) and asked.decision.moves)
        elif asked.request.want is not Want.ROLLED_BACK:
            assert isinstance(asked.decision, Rejected)


@RELAXED
@given(beginnings, st.sampled_from(MOVES), happenings)
def test_foreign_weights_are_never_overwritten_silently(
    state: State | Unreadable | None, moved: Moved, events: list[Happening]
) -> None:
    for asked in asked_in(walk(state, [moved, *events])):
        present, request = asked.state, asked.request
        if not isinstance(present, State) or carrying(present.weights) == carrying(dict(asked.observed.weights)):
            continue
        if isinstance(asked.decision, Transition):
            assert request.want in (Want.WEIGHTED, Want.ROLLED_BACK) or (
                asked.decision.event is Event.ADOPTED and request.adopt and not asked.decision.moves
            )


@RELAXED
@given(beginnings, happenings, calls(PLANS, RUNS[0], 9))
def test_check_mode_predicts_exactly(state: State | Unreadable | None, events: list[Happening], call: Call) -> None:
    """What a chain of decisions over after() foretells is what the writes then do."""
    world = walk(state, events)
    foretold: list[Decision] = []
    present, observed = world.state, world.observed
    for _time in range(4):
        since = present.since if isinstance(present, State) and call.request.want is Want.WATCHED else None
        foretold.append(decide(present, observed, call.plan, replace(call.request, since=since), world.now))
        decision = foretold[-1]
        if not (isinstance(decision, Transition) and decision.again):
            break
        present, observed = decision.state, after(observed, decision)
    assert [asked.decision for asked in world.call(call)] == foretold


@RELAXED
@given(
    st.lists(st.tuples(st.sampled_from(RUNS), st.sampled_from([0, 1, 9]), st.sampled_from([0.5, 31, 61])), max_size=30)
)
def test_no_step_twice_and_none_left_out(asked: list[tuple[Run, int, float]]) -> None:
    """Schedulers that overlap, are killed, and come back at any time. One that is left in peace arrives."""
    world = World.of(None)
    world.observed = Observed({"v1": 100})
    weights = [0]
    for run, writes, pause in [*asked, *[(RUNS[0], 9, 61.0)] * 6]:
        world.now += timedelta(seconds=pause)
        world.call(Call(PLANS[0], Command(Want.ADVANCED, run, confirm=weights[-1] == 30), writes))
        weights.append(world.observed.weights.get("v2", 0))
    assert weights == sorted(weights)
    assert sorted(set(weights)) == [0, *(step.weight for step in STEPS)]
