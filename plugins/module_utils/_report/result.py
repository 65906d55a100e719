# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module returns about a canary. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._common.clock import stamp
from .._common.printable import printable
from .._common.shares import Share, numbers, said
from .._common.text import plural
from .._istio.delegation import is_delegate
from .._istio.mesh import MESH
from .._proxy.fleet import Extent
from .._release.hints import Hints
from .._release.model import Event, Rejected, Transition, Wait
from .._release.plan import Plan, Step
from .._release.state import Phase, State, Unreadable, unverified
from .._rollout.context import Outcome
from .._rollout.snapshot import Snapshot, versions_of
from .._routing.virtual_service import HTTP, Route, listed, names_of
from .workloads import workloads_of

DRAINS = 45  # seconds after a change of a listener until Envoy closes what is open, by default of Istio


def result_of(
    outcome: Outcome, plan: Plan, check: bool = False, hints: Hints | None = None, samples: bool = False
) -> dict[str, Any]:
    """The outcome of a call on a canary.

    check: nothing was written. hints: how the caller ends a pause. samples: what was judged has its samples.
    """
    target, snapshot = outcome.snapshot.target, outcome.snapshot
    shares = said(outcome.snapshot.all_shares)
    would = check and outcome.changed
    why = f"this would be done: {outcome.why}" if would else outcome.why
    now = f"then {shares}" if would else f"now {shares}{_live(outcome)}"
    return {
        "changed": outcome.changed,
        "msg": f"{target.place}, {listed(snapshot.routes)}: {why}; {now}{_onward(outcome, hints)}",
        "weights": {"before": numbers(outcome.before), "after": numbers(outcome.snapshot.all_shares)},
        "transitions": [
            _transition(each, snapshot.route, outcome.settled.get(order))
            for order, each in enumerate(outcome.written)
            if each.changed
        ],
        "judged": [outcome.measurements.facts(samples)] if outcome.measurements else [],
        **place_of(snapshot),
        **followers_of(snapshot),
        "versions": workloads_of(snapshot),
        "live": [{"proxy": str(each.proxy), "after": round(each.after * 1000)} for each in outcome.live],
        **({"proxies": _proxies(outcome.extent)} if outcome.extent else {}),
        "waits": isinstance(outcome.decision, Wait),
        "next_weight": next_weight(snapshot.state, plan.steps),
        **release_of(snapshot),
        **({"analysis": outcome.judgement.facts()} if outcome.judgement else {}),
        **({"mistakes": [outcome.decision.why]} if isinstance(outcome.decision, Rejected) else {}),
    }


def place_of(snapshot: Snapshot) -> dict[str, Any]:
    """The objects that a release is on, beside its VirtualService."""
    gateways = snapshot.virtual_service["spec"].get("gateways") or [MESH]
    if is_delegate(snapshot.virtual_service):
        gateways = [*snapshot.attachment.gateways, *([MESH] if snapshot.attachment.mesh else [])]
    return {
        "routes": names_of(snapshot.routes),
        "destination_host": snapshot.route.host,
        "gateways": [str(each) for each in gateways],
    }


def followers_of(snapshot: Snapshot) -> dict[str, Any]:
    """Who has what, the leader first, where several VirtualServices move together."""
    if not snapshot.followers:
        return {}
    names, target = versions_of(snapshot.target, snapshot.state), snapshot.target
    followers = [(each.target, each.routes, each.most(target.canary, names)) for each in snapshot.followers]
    return {
        "virtual_services": [
            {"name": each.name, "namespace": each.namespace, "routes": names_of(routes), "weights": numbers(shares)}
            for each, routes, shares in [(target, snapshot.routes, snapshot.shares), *followers]
        ]
    }


def _onward(outcome: Outcome, hints: Hints | None) -> str:
    """How a user goes on: at the end, so that a command is the last part of the line."""
    state, decision = outcome.snapshot.state, outcome.decision
    if hints and outcome.changed and isinstance(state, State) and state.phase is Phase.PAUSED:
        return f"; it waits for a user to confirm: {hints.paused()}"
    hint = "" if isinstance(decision, Transition) else decision.hint
    return f"; {hint}" if hint else ""


def _transition(written: Transition, route: Route, settled: float | None) -> dict[str, Any]:
    """One write. Each that changes something is the last entry of the history that it writes."""
    past = written.state.history[-1]
    return {
        "at": stamp(past.at),
        "event": written.event.value,
        "weights": numbers(route.of_all(written.weights)),
        "why": written.why,
        "by": past.by,
        "live": None if settled is None else round(settled * 1000),
    }


def _live(outcome: Outcome) -> str:
    """Where the weights were seen, and how soon; empty where no proxy was asked or one disagreed."""
    if not outcome.live or isinstance(outcome.decision, Rejected):
        return ""
    sample = outcome.extent.sample if outcome.extent else ""
    where = str(outcome.live[0].proxy) if len(outcome.live) == 1 else f"all {len(outcome.live)} proxies"
    if sample:
        where = f"{plural(len(outcome.live), 'proxy', 'proxies')} ({sample} asked)"
    return f", live in {where} after {outcome.live_after * 1000:.0f} ms"


def _proxies(extent: Extent) -> dict[str, Any]:
    return {
        "gateways": extent.gateways,
        "sidecars": extent.sidecars,
        "sidecars_asked": extent.asked,
        "sidecars_left_out": extent.unable,
        "unanswered": list(extent.unanswered),
    }


def warnings_of(outcome: Outcome) -> list[str]:
    """What to report although the request went well."""
    snapshot = outcome.snapshot
    unanswered = outcome.extent.unanswered if outcome.extent else ()
    warnings = [*snapshot.problems, *outcome.warnings, *unanswered, _open_connections(outcome)]
    if snapshot.pods is not None:
        warnings += [_short(outcome, name, share) for name, share in snapshot.shares.items() if share]
    return list(filter(None, warnings))


def _open_connections(outcome: Outcome) -> str:
    """What a move does not do to connections."""
    routes = [route for route in outcome.snapshot.every_route if route.protocol != HTTP]
    if not routes or not any(each.moves for each in outcome.written):
        return ""
    return (
        f"only new connections of {listed(routes)} follow the weights: open ones keep their version until the proxies "
        f"close them, which they do after their drainDuration, {DRAINS} s unless the mesh says otherwise"
    )


def _short(outcome: Outcome, name: str, share: Share) -> str:
    """What a version lacks for its share; a version that got requests back is held against the one that had them."""
    snapshot = outcome.snapshot
    if name not in snapshot.subsets:
        return ""
    version, minimum = snapshot.versions[name], snapshot.target.min_ready or None
    if not version.ready:
        return f"{name} gets {share} % of the requests and has no ready pod: {version.lack}"
    if version.filled(minimum) < share:
        return f"{name} gets {share} % of the requests with {version.lack}"
    last = outcome.written[-1] if outcome.written else None
    if last and last.moves and last.event in (Event.ROLLED_BACK, Event.FAILED) and minimum is None:
        versions = [snapshot.versions[other] for other in snapshot.shares]
        had = max(versions, key=lambda each: each.total)
        if had.total > version.ready:
            pods = f"{plural(version.ready, 'ready pod')}, where {had.name} has {had.total}"
            return f"{name} gets {share} % of the requests with {pods}: scale it up if they are too few"
    return ""


def release_of(snapshot: Snapshot) -> dict[str, Any]:
    """The release by its state."""
    state = snapshot.state
    if not isinstance(state, State):
        return {"phase": "unreadable" if isinstance(state, Unreadable) else Phase.NONE.value, "finished": False}
    soaks = state.phase is Phase.PROGRESSING and state.weight > 0
    phase = state.phase.value
    if snapshot.astray:  # a run has ended between two of its writes
        back = bool(state.history) and state.history[-1].event in (Event.ROLLED_BACK, Event.FAILED, Event.SUPERSEDED)
        phase = "partial" if back else "spreading"
    return {
        "phase": phase,
        "step": state.step + 1,
        "steps": [step.weight for step in state.steps],
        "since": stamp(state.since),
        "until": stamp(state.soaks_until(state.interval)) if soaks else None,
        "finished": state.phase is Phase.PROMOTED and not unverified(state) and not snapshot.astray,
    }


def diff_of(outcome: Outcome) -> dict[str, str]:
    """The weights of the route before and after, as small YAML."""
    target, routes = outcome.snapshot.target, names_of(outcome.snapshot.routes)
    return {
        "before_header": target.place,
        "after_header": target.place,
        "before": _yaml(routes, outcome.before),
        "after": _yaml(routes, outcome.snapshot.all_shares),
    }


def next_weight(state: State | Unreadable | None, steps: tuple[Step, ...]) -> int | None:
    """What the next step would set; None where the release is at its end or waits for a user."""
    if not isinstance(state, State) or state.phase not in (Phase.PROGRESSING, Phase.WEIGHTED):
        return None
    return next((step.weight for step in steps or state.steps if step.weight > state.weight), None)


def _yaml(routes: Sequence[str], shares: Mapping[str, Share]) -> str:
    lines = [f"  {printable(name)}: {share}" for name, share in sorted(shares.items())]
    return "\n".join([*(f"route: {printable(name)}" for name in routes), "weights:", *lines, ""])
