# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request asks for, and what its outcome means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    Event,
    NoOp,
    Rejected,
    Transition,
    Want,
)
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, State, Verdict
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Outcome, Request, Session
from api_server import Answer, ApiServer

Asked = Callable[..., Request]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
STATE = State("v1", "v2", Phase.PROGRESSING, 20, NOW)


def written(event: Event, state: State = STATE) -> Transition:
    return Transition(state, {}, {}, event, f"v2: {event}")


def outcome(*transitions: Transition, decision: Any = None) -> Outcome:
    snapshot: Any = None
    return Outcome({}, snapshot, decision or (transitions[-1] if transitions else NoOp("nothing")), transitions)


@pytest.mark.parametrize(
    ("want", "moving"),
    [(Want.WEIGHTED, True), (Want.ADVANCED, True), (Want.ROLLED_BACK, False), (Want.HELD, False)],
)
def test_only_what_may_raise_reads_the_rivals(asked: Asked, want: Want, moving: bool) -> None:
    assert (asked(want).moving, asked(want).reads_rivals) == (moving, moving)
    assert not asked(want, drain=0).moving
    assert not asked(want, skip=("one_route_per_gateway_host",)).reads_rivals


def test_a_rollback_reads_what_it_can(server: ApiServer, session: Session, asked: Asked) -> None:
    forbidden = Answer(403, "Forbidden", "no")
    server.before = lambda _number, sent: None if "/virtualservices/" in sent.path else forbidden
    snapshot = session.read(asked(Want.ROLLED_BACK))
    assert (snapshot.shares, snapshot.pods, len(snapshot.problems)) == ({"v1": 100, "v2": 0}, None, 1)


def test_versions_and_shares_are_computed_once(session: Session, asked: Asked) -> None:
    snapshot = session.read(asked())
    assert snapshot.versions is snapshot.versions
    assert snapshot.shares is snapshot.shares
    assert replace(snapshot, pods=()).versions["v2"].ready == 0


@pytest.mark.parametrize(
    ("found", "changed", "failed", "why"),
    [
        (outcome(), False, False, "nothing"),
        (outcome(written(Event.RENEWED)), False, False, "v2: renewed"),
        (outcome(written(Event.ADVANCED)), True, False, "v2: advanced"),
        (outcome(written(Event.FAILED)), True, True, "v2: failed"),
        (outcome(written(Event.HELD)), True, False, "v2: held"),
        (
            outcome(written(Event.HELD, replace(STATE, verdict=Verdict("inconclusive", "", NOW)))),
            True,
            True,
            "v2: held",
        ),
        (outcome(written(Event.ADVANCED), decision=Rejected("not live")), True, True, "v2: advanced; not live"),
    ],
)
def test_an_outcome(found: Outcome, changed: bool, failed: bool, why: str) -> None:
    assert (found.changed, found.failed, found.why) == (changed, failed, why)
