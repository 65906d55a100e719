# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Judges a step that nobody watched, by one measurement of all that was counted meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from .._release.state import State
from .._rollout.context import Outcome, Request, Session
from .._rollout.pipeline import carry_out

if TYPE_CHECKING:
    from .judge import Judge


def judge_unwatched(session: Session, request: Request, outcome: Outcome, judge: Judge | None) -> Outcome:
    """The outcome of the request with the verdict; as it was where there is none yet, or nothing to judge."""
    state, criteria = outcome.snapshot.state, request.criteria
    if not criteria or not judge or outcome.written or not isinstance(state, State):
        return outcome
    now, soaked = session.cluster.now(), state.soaks_until(request.plan.interval)
    try:
        record = judge.measure()
    finally:
        judge.close()
    deadline = soaked + timedelta(seconds=criteria.deadline)
    verdict = record.judgement.verdict(now, soaked, deadline, criteria.on_inconclusive)
    if verdict is None:
        return replace(outcome, record=record)
    judged = replace(request, command=replace(request.command, verdict=verdict))
    return replace(carry_out(session, judged), record=record)
