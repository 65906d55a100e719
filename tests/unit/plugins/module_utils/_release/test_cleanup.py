# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a version without requests may leave the route."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.cleanup import cleanup, leftovers, removed
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    Command,
    Event,
    NoOp,
    Observed,
    Rejected,
    Run,
    Transition,
    Wait,
    Want,
)
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HISTORY,
    HistoryEntry,
    Phase,
    State,
    Unreadable,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ASKED = Command(Want.HELD, Run("mine", "ci", "here", 1))
PROMOTED = State("v1", "v2", Phase.PROMOTED, 100, NOW)
SHARES = {"v1": 0, "v2": 100}


def at(seconds: float, state: State | Unreadable | None = PROMOTED, **shares: int) -> object:
    return cleanup(state, Observed(shares or SHARES), ASKED, 60, NOW + timedelta(seconds=seconds))


def test_it_leaves_after_it_has_drained() -> None:
    assert at(59) == Wait(NOW + timedelta(seconds=60), "v1 drains until 2026-01-31T12:01:00Z, 1 s from now")
    found = at(60)
    assert isinstance(found, Transition)
    assert (found.weights, found.event, found.why) == (
        {"v2": 100},
        Event.CLEANED,
        "v1 leaves the route, without requests since 2026-01-31T12:00:00Z",
    )
    assert found.state.history[-1] == HistoryEntry(NOW + timedelta(seconds=60), "cleaned", "v2", 100, found.why, "ci")


def test_a_share_of_everything_ends_the_release_with_it() -> None:
    found = at(60, replace(PROMOTED, phase=Phase.WEIGHTED))
    assert isinstance(found, Transition)
    assert found.state.phase is Phase.PROMOTED


def test_a_canary_that_was_rolled_back_leaves() -> None:
    found = at(60, replace(PROMOTED, phase=Phase.ROLLED_BACK, weight=0), v1=100, v2=0)
    assert isinstance(found, Transition)
    assert found.weights == {"v1": 100}


@pytest.mark.parametrize("state", [None, Unreadable("x"), replace(PROMOTED, phase=Phase.HELD, weight=50)])
def test_nothing_leaves_before_the_end(state: State | Unreadable | None) -> None:
    assert isinstance(at(60, state), NoOp)


def test_nothing_leaves_that_has_requests_again() -> None:
    found = at(60, v1=30, v2=70)
    assert isinstance(found, Rejected)
    assert found.why.endswith("; nothing is removed from the route")


def test_the_second_time_there_is_nothing_to_do() -> None:
    assert at(60, v2=100) == NoOp("v1 is no destination any more")
    assert (removed(PROMOTED, {"v2": 100}), removed(PROMOTED, SHARES), removed(None, {})) == ("v1", None, None)


def test_the_history_keeps_its_length() -> None:
    full = replace(PROMOTED, history=(HistoryEntry(NOW, "advanced", "v2", 50, "", "ci"),) * HISTORY)
    found = at(60, full)
    assert isinstance(found, Transition)
    assert len(found.state.history) == HISTORY


def test_what_an_older_release_left() -> None:
    assert leftovers(PROMOTED, {"v2": 100}, ["v0", "v1", "v2"]) == ["v0"]
    assert leftovers(None, {"v2": 100}, ["v0"]) == []
