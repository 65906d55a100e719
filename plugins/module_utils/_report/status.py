# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a canary, as data and as one paragraph. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .._common.clock import stamp
from .._common.shares import number, numbers, said
from .._k8s.pods import Version
from .._release.hints import Hints
from .._release.lease import leased
from .._release.machine import decide
from .._release.model import Command, Rejected, Run, Transition, Want, sentence
from .._release.plan import Plan
from .._release.state import LeaseHolder, State, Unreadable, unverified
from .._rollout.followers import who_has_what
from .._rollout.snapshot import Snapshot, drift
from .result import followers_of, next_weight, place_of, release_of
from .workloads import workloads_of

TASK = Hints()  # the words of a task


def status_of(snapshot: Snapshot, by: Run, holder_ended: bool, now: datetime, hints: Hints = TASK) -> dict[str, Any]:
    """Everything about a canary."""
    target, state = snapshot.target, snapshot.state
    known = state if isinstance(state, State) else None
    versions = [snapshot.versions[name] for name in snapshot.shares]
    status: dict[str, Any] = {
        "exists": True,
        "stable": target.stable,
        "canary": target.canary,
        "weights": numbers(snapshot.all_shares),
        **place_of(snapshot),
        **followers_of(snapshot),
        **release_of(snapshot),
        "next_weight": next_weight(state, known.steps) if known else None,
        "next": _next(snapshot, by, holder_ended, now, hints),
        "holder": _holder(known.holder, holder_ended, now) if known and known.holder else None,
        "verdict": None,
        "history": [],
        "versions": {
            name: {**workload, "troubles": list(snapshot.versions[name].problems)}
            for name, workload in workloads_of(snapshot).items()
        },
        "problems": [*snapshot.problems, *_problems(snapshot, versions)],
    }
    if known:
        status["history"] = [
            {"at": stamp(past.at), "event": past.event, "canary": past.canary, "weight": number(past.weight)}
            | {"why": past.why, "by": past.by}
            for past in known.history
        ]
        if known.verdict:
            verdict = known.verdict
            status["verdict"] = {"result": verdict.result, "why": verdict.why, "at": stamp(verdict.at)}
    return status | {"summary": _summary(snapshot, versions, status)}


def _next(snapshot: Snapshot, by: Run, holder_ended: bool, now: datetime, hints: Hints) -> str | None:
    """What a request for the next step would meet."""
    state = snapshot.state
    if not isinstance(state, State) or not state.steps:
        return None
    plan = Plan(state.stable, state.canary, state.steps, state.interval)
    decision = decide(state, snapshot.observed(holder_ended), plan, Command(Want.ADVANCED, by, hints=hints), now)
    said = decision.why if isinstance(decision, Transition) else sentence(decision)
    return f"refused: {said}" if isinstance(decision, Rejected) else said


def _holder(holder: LeaseHolder, ended: bool, now: datetime) -> dict[str, Any]:
    return {
        "who": holder.who,
        "host": holder.host,
        "pid": holder.pid,
        "since": stamp(holder.since),
        "until": stamp(holder.until),
        "alive": not ended and leased(holder, now),
    }


def _problems(snapshot: Snapshot, versions: list[Version]) -> list[str]:
    state, found = snapshot.state, []
    if isinstance(state, Unreadable):
        found.append(f"the annotation of the release cannot be read: {state.reason}")
    drifted = drift(snapshot)
    if drifted:
        found.append(f"another writer changed the weights: {drifted}")
    if snapshot.astray and not drifted:
        found.append(f"a run ended between two of its writes: {who_has_what(snapshot)}")
    if isinstance(state, State) and unverified(state):
        found.append(f"{said(state.weights)} were set at {stamp(state.since)} and not seen to be live in every proxy")
    for version in versions:
        known = snapshot.pods is not None and version.name in snapshot.subsets
        if known and snapshot.shares[version.name] and not version.ready:
            found.append(f"{version.name} gets requests and has no ready pod")
        found += [f"{version.name}: {trouble}" for trouble in version.problems]
    return found


def _summary(snapshot: Snapshot, versions: list[Version], status: dict[str, Any]) -> str:
    target, state = snapshot.target, snapshot.state
    sentences = [f"{target.namespace}/{target.name}: {said(snapshot.all_shares)}"]
    if isinstance(state, State):
        step = f", step {state.step + 1} of {len(state.steps)}" if state.steps else ""
        sentences[0] += f", {state.phase.replace('_', ' ')}{step} since {stamp(state.since)}"
    sentences.append("ready pods: " + ", ".join(f"{each.name} {each.count}" for each in versions))
    holder = status["holder"]
    if holder:
        lease = f"until {holder['until']}" if holder["alive"] else "which has ended"
        sentences.append(f"held by {holder['who']} on {holder['host']} since {holder['since']}, lease {lease}")
    if status["next"]:
        sentences.append(f"next: {status['next']}")
    if status["problems"]:
        sentences.append(f"problems: {'; '.join(status['problems'])}")
    return "; ".join(sentences)
