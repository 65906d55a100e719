# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transition says of itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.model import Event, Transition
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, State

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def transition(event: Event, phase: Phase = Phase.PROGRESSING) -> Transition:
    return Transition(State("v1", "v2", phase, 20, NOW), {"v1": 80, "v2": 20}, {"v1": 80, "v2": 20}, event, "")


@pytest.mark.parametrize("event", Event)
def test_what_takes_requests_back_or_stops_is_a_retreat(event: Event) -> None:
    found = transition(event)
    assert found.returns is (event in (Event.FAILED, Event.ROLLED_BACK))
    assert found.retreats is (found.returns or event is Event.HELD)


@pytest.mark.parametrize("event", Event)
def test_a_renewed_lease_and_a_passed_step_are_no_change(event: Event) -> None:
    assert transition(event).changed is (event not in (Event.RENEWED, Event.JUDGED))


def test_only_a_rollback_that_waits_is_a_part() -> None:
    assert transition(Event.ROLLED_BACK, Phase.HELD).partial
    assert not transition(Event.ROLLED_BACK, Phase.ROLLED_BACK).partial
    assert not transition(Event.FAILED, Phase.HELD).partial


def test_a_new_destination_is_a_move_and_no_raise() -> None:
    state = State("v1", "v2", Phase.PROGRESSING, 0, NOW)
    started = Transition(state, {"v1": 100}, {"v1": 100, "v2": 0}, Event.STARTED, "")
    assert (started.moves, started.raises) == (True, False)
    assert not transition(Event.CONFIRMED).moves
