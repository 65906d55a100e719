# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences of the state machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .._common.clock import stamp
from .._common.shares import Share
from .._routing.virtual_service import ANNOTATION, titled
from .hints import Hints
from .model import Case, Observed, Ready, Rejected, Want, same_release
from .state import LeaseHolder, Phase, State, Unreadable


def reject_unreadable(state: Unreadable, hints: Hints) -> Rejected:
    return Rejected(f"the annotation {ANNOTATION} cannot be read because {state.reason}: {hints.unreadable()}")


def reject_holder(canary: str, holder: LeaseHolder, hints: Hints) -> Rejected:
    return Rejected(
        f"canary {canary} is held by {holder.who} on {holder.host} (process {holder.pid}) since "
        f"{stamp(holder.since)} (lease until {stamp(holder.until)}): wait for that run to end; "
        f"{hints.held_by_another()}"
    )


def reject_drift(case: Case, state: State | None) -> Rejected:
    if state is None and case.observed.uneven:
        return Rejected(
            f"the HTTP routes split in different ways: {shares_of(case.observed)}; {case.command.hints.uneven()}"
        )
    if state is None or (case.command.want is Want.WEIGHTED and same_release(case, state)):
        return reject_no_release(case)
    written = ", ".join(f"{name} {weight} %" for name, weight in state.weights.items())
    return Rejected(
        f"another writer changed the weights: {drifted(state, case.observed)} now, {written} when this release "
        f"wrote them at {stamp(state.since)}; {case.command.hints.drifted()}"
    )


def reject_no_release(case: Case) -> Rejected:
    return Rejected(
        f"{shares_of(case.observed)} is no release from {case.plan.stable} to {case.plan.canary}, which must share all "
        f"requests: {case.command.hints.no_release()}"
    )


def drifted(state: State, observed: Observed) -> str:
    """The shares of the routes that have others than the state says."""
    return shares_of(observed, {name: each for name, each in observed.routes.items() if not state.matches(each)})


def shares_of(observed: Observed, routes: Mapping[str, Mapping[str, Share]] | None = None) -> str:
    """The shares; where the routes of the release differ, those of each of them, or of these ones."""
    if not observed.uneven:
        return _listed(observed.weights) or "no share"
    routes = observed.routes if routes is None else routes
    alike: dict[str, list[str]] = {}
    for name, weights in routes.items():
        alike.setdefault(_listed(weights), []).append(name)
    return " and ".join(f"{shares} in {titled(names)}" for shares, names in alike.items())


def _listed(weights: Mapping[str, Share]) -> str:
    return ", ".join(f"{name} {weight} %" for name, weight in sorted(weights.items()))


def reason_of(ready: Ready) -> str:
    return ready.why or f"its ready pods carry {min(ready.upto, ready.filled)} %"


def requester_of(case: Case) -> str:
    return case.command.why or f"asked by {case.command.by.who}"


def where(state: State) -> str:
    """The canary, its weight, and the step if it is at one."""
    place = f"{state.canary} at {state.weight} %"
    if state.step >= 0 and state.steps[state.step].weight == state.weight:
        place = f"{place} (step {state.step + 1} of {len(state.steps)})"
    return place


def stopped(state: State) -> str:
    """The canary, its phase and weight, since when, and why."""
    if state.failed and state.verdict and state.phase is Phase.WEIGHTED:
        return f"{state.canary} failed at {stamp(state.verdict.at)} ({state.verdict.why})"
    last = next((past for past in reversed(state.history) if past.canary == state.canary), None)
    phase = state.phase.replace("_", " ")
    return f"{state.canary} is {phase} at {state.weight} % since {stamp(state.since)}{f' ({last.why})' if last else ''}"


def latest(state: State | None) -> str:
    if state is None:
        return f"the annotation {ANNOTATION} was removed"
    by = f", by {state.history[-1].by}" if state.history else ""
    return f"{stopped(state)}{by}"
