# SPDX-License-Identifier: GPL-3.0-or-later
"""When a version that a release has left without requests may leave the route. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

from .._common.clock import stamp
from .._common.shares import Share, said
from .messages import drifted
from .model import Command, Event, NoOp, Observed, Rejected, Transition, Wait
from .state import HISTORY, HistoryEntry, Phase, State, Unreadable

OVER = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK})


def cleanup(
    state: State | Unreadable | None, observed: Observed, command: Command, drain: float, now: datetime
) -> Transition | Wait | NoOp | Rejected:
    """Take out what has no requests, once it has had none for `drain` seconds."""
    if not isinstance(state, State):
        return NoOp("no release is finished here, so no version can be removed")
    over = _over(state)
    if over is None:
        return NoOp(f"{state.canary} is {state.phase} at {state.weight} %: no version can be removed yet")
    shares = observed.weights
    if not state.matches(shares) or observed.uneven:
        return Rejected(
            f"another writer changed the weights: {drifted(state, observed)} now, {said(state.weights)} when the "
            f"release wrote them at {stamp(state.since)}; nothing is removed from the route"
        )
    if over not in shares:
        return NoOp(f"{over} is no destination any more")
    drained = state.since + timedelta(seconds=drain)
    if now < drained:
        left = ceil((drained - now).total_seconds())
        return Wait(drained, f"{over} drains until {stamp(drained)}, {left} s from now")
    why = f"{over} leaves the route, without requests since {stamp(state.since)}"
    past = HistoryEntry(now, Event.CLEANED.value, state.canary, state.weight, why, command.by.who)
    # Without the stable version a share of 100 %, set by hand, is the end of the release.
    phase = Phase.PROMOTED if state.phase is Phase.WEIGHTED else state.phase
    state = replace(state, phase=phase, history=(*state.history, past)[-HISTORY:])
    rest = {name: share for name, share in shares.items() if name != over}
    return Transition(state, dict(shares), rest, Event.CLEANED, why)


def removed(state: State | Unreadable | None, shares: Mapping[str, Share]) -> str | None:
    """The version of a finished release that is no destination any more."""
    over = _over(state) if isinstance(state, State) else None
    return over if over not in shares else None


def leftovers(state: State | Unreadable | None, shares: Mapping[str, Share], subsets: Iterable[str]) -> list[str]:
    """The subsets that the route does not name and that are not of the last release either."""
    if not isinstance(state, State):
        return []
    return [name for name in subsets if name not in shares and name not in state.weights]


def _over(state: State) -> str | None:
    """The version that a finished release has left without requests."""
    if state.phase is Phase.PROMOTED or (state.phase is Phase.WEIGHTED and state.weight == 100):
        return state.stable
    return state.canary if state.phase is Phase.ROLLED_BACK else None
