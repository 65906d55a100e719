# SPDX-License-Identifier: GPL-3.0-or-later
"""The state machine of a release: state + what is observed + what is asked + the time -> the next transition. Pure.

    decide(decode(annotation), observed, plan, command, now) -> Transition | Wait | NoOp | Rejected

A caller writes a Transition's `weights` and `encode(transition.state)` in one guarded patch, proves them live and, if
`again` is set, asks once more; check mode does the same with `after()` in place of the patch. One transition raises the
canary's weight by at most one step, and one with `again` never raises it.
The sentences of all four answers speak of versions; the caller puts the name of the object in front.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import ceil

from .._common.clock import stamp, to_milliseconds
from .._common.shares import Share
from .lease import leased
from .messages import (
    latest,
    reason_of,
    reject_drift,
    reject_holder,
    reject_no_release,
    reject_unreadable,
    requester_of,
    shares_of,
    stopped,
    where,
)
from .model import (
    LEASE,
    RENEW,
    Case,
    Command,
    Decision,
    Event,
    NoOp,
    Observed,
    Rejected,
    Transition,
    Wait,
    Want,
    same_release,
)
from .plan import Plan, Step
from .state import HISTORY, HistoryEntry, LeaseHolder, Phase, State, Unreadable, Verdict, clip

ENOUGH = 75  # percent of its pods with which a version carries what all of them do: as a rolling update leaves them


def decide(
    state: State | Unreadable | None, observed: Observed, plan: Plan, command: Command, now: datetime
) -> Decision:
    """The answer to a command. Same arguments, same answer; nothing is changed.

    now: with a time zone (ValueError without), best the API server's clock, so that all controllers agree.
    A weighted command needs its weight, 0 to 100 (ValueError otherwise).
    """
    if now.tzinfo is None:
        raise ValueError("now has no time zone")
    if command.want is Want.WEIGHTED and (command.weight is None or not 0 <= command.weight <= 100):
        raise ValueError(f"a weight of {command.weight} is not one from 0 to 100")
    case = Case(observed, plan, command, to_milliseconds(now))
    if command.want is Want.ROLLED_BACK:
        return _roll_back(case, state)
    if isinstance(state, Unreadable):
        return _adopt(case, None) if command.adopt else reject_unreadable(state, command.hints)
    holder = _other_holder(case, state) if state and command.want is not Want.HELD else None
    if holder:
        return reject_holder(plan.canary, holder, command.hints)
    if not _as_written(case, state):
        return _adopt(case, state) if command.adopt else reject_drift(case, state)
    if command.want is Want.WATCHED:
        return _watch(case, state)
    if command.want is Want.HELD:
        return _hold(case, state or _idle(case))
    current = _take_up(case, state)
    if not isinstance(current, State):
        return current
    answer = _weigh(case, current) if command.want is Want.WEIGHTED else _advance(case, current)
    return (_starved(case, current) or answer) if isinstance(answer, NoOp) else answer


def after(observed: Observed, transition: Transition) -> Observed:
    """What is observed once a transition is written."""
    routes = {name: {**weights, **transition.weights} for name, weights in observed.routes.items()}
    return replace(observed, weights={**observed.weights, **transition.weights}, holder_ended=False, routes=routes)


# What each command does, once nothing prevents it.


def _advance(case: Case, state: State) -> Decision:
    confirm, verdict = case.command.confirm, case.command.verdict
    if verdict and verdict.result == "fail" and state.judgeable:
        return _fail(case, state, verdict)
    if state.phase in (Phase.PROGRESSING, Phase.PAUSED) and state.judgeable and case.observed.canary.filled <= 0:
        why = f"{state.canary} has no ready pod left: {reason_of(case.observed.canary)}"
        return _fail(case, state, Verdict("fail", why, case.now))
    if not confirm and (state.failed or state.phase in (Phase.HELD, Phase.ROLLED_BACK)):
        return Rejected(f"{stopped(state)}; {case.command.hints.stopped()}")
    if state.phase is Phase.PAUSED and not confirm:
        return NoOp(f"{where(state)} waits for confirmation since {stamp(state.since)}", case.command.hints.paused())
    soaked = state.soaks_until(case.plan.interval)
    if case.now < soaked and state.weight > 0 and state.phase in (Phase.PROGRESSING, Phase.PAUSED, Phase.WEIGHTED):
        if state.phase is Phase.PAUSED:
            return _confirm(case, state)
        left = ceil((soaked - case.now).total_seconds())
        return Wait(soaked, f"{where(state)} soaks until {stamp(soaked)}, {left} s from now")
    if verdict and verdict.result == "inconclusive" and state.judgeable and not confirm:
        return _stay(case, state, Event.HELD, f"inconclusive: {verdict.why}", verdict)
    judged = verdict or state.verdict
    passed = judged is not None and judged.result == "pass"
    if case.command.evidence and not passed and not confirm and state.judgeable and state.weight < 100:
        return Wait(case.now, f"{where(state)} has soaked and is not judged yet")
    return _raise(case, state)


def _raise(case: Case, state: State) -> Decision:
    steps = case.plan.steps or state.steps
    following = next((step for step in steps if step.weight > state.weight), None)
    if following is None:
        return _end(case, state, steps)
    obstacle = _blocked(case, following.weight) or _prepare(case, state)
    if obstacle:
        return obstacle
    why = f"step {steps.index(following) + 1} of {len(steps)}: from {state.weight} to {following.weight} %"
    verdict = case.command.verdict
    if verdict and state.judgeable:
        why = f"{why}, after {verdict.result}: {verdict.why}"
    phase, event = Phase.PROGRESSING, Event.ADVANCED
    if following.pause:
        phase = Phase.PAUSED
    elif following.weight == 100:
        phase, event = Phase.PROMOTED, Event.PROMOTED
    return _write(case, replace(state, phase=phase, weight=following.weight, since=case.now, verdict=None), event, why)


def _end(case: Case, state: State, steps: tuple[Step, ...]) -> Decision:
    """No step is higher than the present weight."""
    if state.phase in (Phase.PAUSED, Phase.HELD):
        return _confirm(case, state)
    if state.weight == 100:
        return NoOp(f"{state.canary} has all requests since {stamp(state.since)}: there is nothing to do")
    if not steps:
        return Rejected("there are no steps: set steps, such as [5, 20, 50, 100]")
    weights = ", ".join(str(step.weight) for step in steps)
    return NoOp(f"{state.canary} is at {state.weight} %, the end of its steps {weights}: add a higher one to continue")


def _confirm(case: Case, state: State) -> Transition:
    """End a pause or a hold without raising the weight. A weight that paused continues to soak."""
    why = f"confirmed at {state.weight} % by {case.command.by.who}"
    since = state.since if state.phase is Phase.PAUSED else case.now
    if state.weight == 100:
        return _write(case, replace(state, phase=Phase.PROMOTED, since=since), Event.PROMOTED, why)
    return _write(case, replace(state, phase=Phase.PROGRESSING, since=since, verdict=None), Event.CONFIRMED, why)


def _weigh(case: Case, state: State) -> Decision:
    weight, present, confirm = case.command.weight or 0, case.share(state.canary), case.command.confirm
    if (
        weight == present == state.weight
        and not case.observed.uneven
        and state.phase not in (Phase.PROGRESSING, Phase.PAUSED, Phase.HELD)
    ):
        return NoOp(f"{state.canary} has {weight} % already")
    higher = weight > min(state.weight, case.least(state.canary))
    if higher and state.failed and not confirm:
        return Rejected(f"{stopped(state)}; {case.command.hints.weighted(weight)}")
    obstacle = _blocked(case, weight) or _prepare(case, state)
    if obstacle:
        return obstacle
    verdict = state.verdict if state.failed and not (higher and confirm) else None
    state = replace(state, phase=Phase.WEIGHTED, weight=weight, since=case.now, verdict=verdict)
    return _write(case, state, Event.WEIGHTED, f"from {present} to {weight} % by hand")


def _hold(case: Case, state: State) -> Decision:
    if state.phase in (Phase.HELD, Phase.PROMOTED, Phase.ROLLED_BACK):
        return NoOp(f"{stopped(state)}: there is nothing to hold")
    return _stay(case, state, Event.HELD, requester_of(case), state.verdict)


def _watch(case: Case, state: State | None) -> Decision:
    watched = case.command.since and to_milliseconds(case.command.since)
    if state is None or state.since != watched or not same_release(case, state):
        return Rejected(f"this run stops because the watched release has changed: {latest(state)}")
    if not state.judgeable:
        return NoOp(f"{stopped(state)}: there is nothing to watch")
    verdict = case.command.verdict
    if verdict and verdict.result == "fail":
        return _fail(case, state, verdict)
    if verdict and not state.failed and case.now >= state.soaks_until(case.plan.interval):
        if verdict.result == "inconclusive" and state.phase is not Phase.PAUSED:
            return _stay(case, state, Event.HELD, f"inconclusive: {verdict.why}", verdict)
        if verdict.result == "pass" and state.verdict is None:
            why = f"passed at {state.weight} %: {verdict.why}"
            return _write(case, replace(state, verdict=verdict), Event.JUDGED, why)
    mine = state.holder if state.run == case.command.by.id else None
    if mine and leased(mine, case.now) and mine.until - case.now > RENEW:
        return NoOp(f"{where(state)} is watched")
    return _write(case, state, Event.RENEWED, f"lease until {stamp(case.now + LEASE)}")


def _fail(case: Case, state: State, verdict: Verdict) -> Transition:
    """Act on a failure of the present weight. No request is sent to a stable version that has no ready pod."""
    stable, policy = case.ready(state.stable), case.plan.on_failure
    if policy == "hold":
        return _stay(case, state, Event.FAILED, f"failed: {verdict.why}", verdict)
    if stable.filled <= 0:
        why = f"failed: {verdict.why}; not rolled back because {state.stable} takes no requests: {reason_of(stable)}"
        return _stay(case, state, Event.FAILED, why, verdict)
    lower = max((step.weight for step in state.steps if step.weight < state.weight), default=0)
    weight, phase = (lower, Phase.HELD) if policy == "step_down" and lower else (0, Phase.ROLLED_BACK)
    why = f"failed, from {state.weight} back to {weight} %: {verdict.why}"
    state = replace(state, phase=phase, weight=weight, since=case.now, verdict=verdict)
    return _write(case, state, Event.FAILED, why)


def _roll_back(case: Case, state: State | Unreadable | None) -> Decision:
    """All requests to stable, whatever the lease, drift or annotation. The stable version is that of the state.

    Where stable lacks pods and the canary has some, stable gets what it can carry now, and the rest as its pods come.
    """
    base = state if isinstance(state, State) else _idle(case)
    if isinstance(state, State) and _finished(state) and state.canary == case.plan.stable and case.share(state.canary):
        base = _fresh(case, state)
    carrying = {name for name, weight in case.observed.weights.items() if weight > 0}
    resting = base.phase in (Phase.NONE, Phase.ROLLED_BACK) and not isinstance(state, Unreadable)
    stable, present, kept = case.ready(base.stable), case.share(base.canary), _kept(case, base)
    dead = stable.filled <= 0 and not case.command.force
    if resting and carrying == {base.stable}:
        if dead:
            return Wait(None, f"{base.stable} has all requests already, and no ready pod: {reason_of(stable)}")
        return NoOp(f"{base.stable} has all requests already: there is nothing to roll back")
    if kept == 0:
        why = f"from {present} back to 0 %: {requester_of(case)}"
        state = replace(base, phase=Phase.ROLLED_BACK, weight=0, since=case.now)
        return _write(case, state, Event.ROLLED_BACK, why, again=dead)
    rest = f"{base.stable} cannot take more yet: {reason_of(stable)}"
    noted = _returning(base) and base.weight == kept and base.matches(case.observed.weights)
    unnotable = case.command.begun or base.stable not in case.observed.weights
    if noted or (kept == present and unnotable):
        return Wait(
            None,
            f"{base.canary} keeps {kept} % of the requests because {rest}",
            case.command.hints.partly_back(),
        )
    moved = f"from {present} back to {kept} %" if kept < present else f"stays at {kept} %"
    why = f"{moved}: {requester_of(case)}; {rest}"
    state = replace(base, phase=Phase.HELD, weight=kept, since=case.now)
    return _write(case, state, Event.ROLLED_BACK, why, again=True)


def _kept(case: Case, state: State) -> Share:
    """Percent that the canary keeps in a rollback until stable has the pods for it: 0 where waiting gains nothing."""
    stable, canary, present = case.ready(state.stable), case.ready(state.canary), case.share(state.canary)
    if case.command.force or canary.filled <= 0 or canary.upto < stable.filled:
        return 0
    if present + case.share(state.stable) < 100:
        return 0  # others have requests, which cannot stay where they are
    enough = max(stable.filled, case.share(state.stable)) >= ENOUGH
    if stable.filled > 0 and (enough or state.failed):
        return 0
    return min(present, 100 - stable.filled)


def _returning(state: State) -> bool:
    """Whether a rollback waits for pods of stable."""
    return state.phase is Phase.HELD and bool(state.history) and state.history[-1].event == Event.ROLLED_BACK


def _adopt(case: Case, state: State | None) -> Decision:
    """Adopt the present weights, as if set by hand; where routes differ, the lowest of the canary for all of them."""
    if not _is_release(case):
        return reject_no_release(case)
    if state is None:
        state = _idle(case)
    elif not same_release(case, state):
        left = _left_before(case, state)
        if left:
            return left
        state = _fresh(case, state)
    verdict = state.verdict if state.failed else None
    state = replace(state, phase=Phase.WEIGHTED, weight=case.least(state.canary), since=case.now, verdict=verdict)
    return _write(case, state, Event.ADOPTED, f"adopted {shares_of(case.observed)}", again=True)


# Which release a command is about.


def _take_up(case: Case, state: State | None) -> State | Wait | Rejected | Transition:
    """The state to continue from: that of the plan's release, or of a new one if the plan names other versions."""
    plan = case.plan
    if state is None:
        return _idle(case)
    if same_release(case, state):
        return state
    if state.phase is Phase.HELD and not case.command.confirm:
        return Rejected(f"{stopped(state)}; {case.command.hints.superseding(plan.canary)}")
    left = _left_before(case, state)
    if left:
        return left
    if plan.stable == (state.canary if _finished(state) else state.stable) and case.share(plan.stable) == 100:
        return _fresh(case, state)
    if plan.stable == state.stable and not _finished(state):
        if case.observed.stable.filled < 100:
            return Wait(None, f"{plan.stable} cannot take all requests back yet: {reason_of(case.observed.stable)}")
        why = f"from {state.weight} back to 0 %: superseded by {plan.canary}"
        state = replace(state, phase=Phase.ROLLED_BACK, weight=0, since=case.now)
        return _write(case, state, Event.SUPERSEDED, why, again=True)
    carrier = f"{state.canary} is promoted, so the next stable is {state.canary}"
    if not _finished(state):
        carrier = f"{state.canary} is not promoted, so stable is still {state.stable}"
    return Rejected(f"{shares_of(case.observed)} from the release of {state.canary}: {carrier}, not {plan.stable}")


def _left_before(case: Case, state: State) -> Rejected | None:
    """A canary that was started before and left unfinished: an old schedule must not bring it back over a newer one."""
    canary = case.plan.canary
    last = next((past for past in reversed(state.history) if past.canary == canary), None)
    if last is None or last.weight == 100 or case.command.confirm:
        return None
    return Rejected(
        f"{canary} was started before and left at {stamp(last.at)} ({last.event}: {last.why}); "
        f"{case.command.hints.left_before()}"
    )


def _idle(case: Case) -> State:
    """Nothing begun: the weights are what they are."""
    plan = case.plan
    return State(plan.stable, plan.canary, Phase.NONE, case.share(plan.canary), case.now)


def _fresh(case: Case, state: State) -> State:
    """The plan's release, before its first step, after that of the state."""
    return replace(_idle(case), history=state.history, run=state.run, holder=state.holder, extra=state.extra)


def _finished(state: State) -> bool:
    return state.weight == 100 and state.phase in (Phase.PROMOTED, Phase.WEIGHTED)


# What may prevent a command.


def _other_holder(case: Case, state: State) -> LeaseHolder | None:
    """Another run's live lease."""
    if state.holder is None or state.run == case.command.by.id or case.observed.holder_ended:
        return None
    return state.holder if leased(state.holder, case.now) else None


def _as_written(case: Case, state: State | None) -> bool:
    """Whether the weights are those of the state. A weight by hand, or the first of all, may start from any two."""
    if state and case.command.want is Want.WEIGHTED and same_release(case, state):
        return _is_release(case)
    written = _is_release(case) if state is None else state.matches(case.observed.weights)
    return written and not case.observed.uneven


def _is_release(case: Case) -> bool:
    """Whether the plan's two versions share all requests of each route."""
    shares = (case.observed.weights, *case.observed.routes.values())
    return all(each.get(case.plan.stable, 0) + each.get(case.plan.canary, 0) == 100 for each in shares)


def _blocked(case: Case, weight: int) -> Wait | None:
    """Wait for a version that would get more requests than its ready pods can carry."""
    stable, canary = case.observed.stable, case.observed.canary
    if weight > case.least(case.plan.canary) and canary.upto < weight:
        return Wait(None, f"{case.plan.canary} cannot take {weight} % yet: {reason_of(canary)}")
    if 100 - weight > case.least(case.plan.stable) and stable.upto < 100 - weight:
        return Wait(None, f"{case.plan.stable} cannot take {100 - weight} % yet: {reason_of(stable)}")
    return None


def _starved(case: Case, state: State) -> Wait | None:
    """Wait for a version that has too few ready pods for its requests: the weight is set, but users get errors."""
    for name in (state.canary, state.stable):
        share, ready = case.share(name), case.ready(name)
        if ready.filled * 100 < share * ENOUGH:
            why = f"{name} has {share} % of the requests already and too few ready pods for them: {reason_of(ready)}"
            return Wait(None, why)
    return None


def _prepare(case: Case, state: State) -> Transition | None:
    """Add missing destinations at 0 %: their clusters must be in the proxies before they get requests."""
    missing = [name for name in (state.stable, state.canary) if name not in case.observed.weights]
    if not missing:
        return None
    share = case.share(state.canary)
    if state.phase is Phase.NONE or state.weight != share:
        state = replace(state, phase=Phase.WEIGHTED if share else Phase.PROGRESSING, weight=share)
    why = f"the route gains {' and '.join(missing)} at 0 %"
    return _write(case, state, Event.STARTED, why, again=True)


# Writing.


def _stay(case: Case, state: State, event: Event, why: str, verdict: Verdict | None) -> Transition:
    return _write(case, replace(state, phase=Phase.HELD, since=case.now, verdict=verdict), event, why)


def _write(case: Case, state: State, event: Event, why: str, *, again: bool = False) -> Transition:
    """The transition to a state: with the asking run's lease, the plan it follows, and a line of history."""
    run, now = case.command.by, case.now
    mine = state.holder if state.run == run.id else None
    began = mine.since if mine else now
    holder = LeaseHolder(run.who, run.host, run.pid, began, now + LEASE, run.boot, run.pid_namespace, run.start)
    state = replace(state, run=run.id, holder=holder)
    before = dict(case.observed.weights)
    if event not in (Event.RENEWED, Event.JUDGED):
        past = HistoryEntry(now, event.value, state.canary, state.weight, clip(why), run.who)
        state = replace(
            state,
            steps=case.plan.steps or state.steps,
            interval=case.plan.interval,
            before=before,
            history=(*state.history, past)[-HISTORY:],
        )
    weights: dict[str, Share] = {name: 0 for name, weight in before.items() if weight}
    for name, weight in state.weights.items():
        if weight or name in before or event is Event.STARTED:
            weights[name] = weight
    least = {name: case.least(name) for name in before}
    return Transition(state, least, weights, event, f"{state.canary}: {why}", again)


# Sentences.
