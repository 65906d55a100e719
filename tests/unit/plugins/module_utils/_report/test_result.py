# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module returns about a canary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Extent
from ansible_collections.progressive.istio.plugins.module_utils._proxy.poll import Live
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    Event,
    NoOp,
    Rejected,
    Transition,
    Wait,
)
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Plan, Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HistoryEntry,
    Phase,
    State,
    Unreadable,
    pending_verification,
)
from ansible_collections.progressive.istio.plugins.module_utils._report.result import (
    diff_of,
    next_weight,
    release_of,
    result_of,
    warnings_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Outcome
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import Subset
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from pong_mesh import pod, virtual_service

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEPS = (Step(20), Step(100))
PAST = HistoryEntry(NOW, "advanced", "v2", 20, "step 1 of 2: from 0 to 20 %", "ci")
STATE = State("v1", "v2", Phase.PROGRESSING, 20, NOW, STEPS, 60, history=(PAST,))
MOVED = Transition(STATE, {"v1": 100, "v2": 0}, {"v1": 80, "v2": 20}, Event.ADVANCED, f"v2: {PAST.why}")
LIVE = (Live(Proxy("gateway", "istio", "one", "uid"), 0.118, {}),)


def snapshot(*weights: int, state: Any = STATE, pods: tuple[Any, ...] | None = (pod("v1"), pod("v2"))) -> Snapshot:
    service = virtual_service(*weights)
    subsets = {name: Subset(name, {"version": name}, "shop/pong") for name in ("v1", "v2")}
    target = Target("pong", "shop", "v1", "v2")
    return Snapshot(target, service, state, locate(service, ("v1", "v2")), subsets=subsets, pods=pods)


def outcome(**fields: Any) -> Outcome:
    made = Outcome({"v1": 100, "v2": 0}, snapshot(80, 20), MOVED, (MOVED,), LIVE, settled={0: 0.118})
    return replace(made, **fields)


def result(found: Outcome) -> dict[str, Any]:
    return result_of(found, Plan("v1", "v2", STEPS, 60))


def test_a_step() -> None:
    found = result(outcome())
    assert found["msg"] == (
        "VirtualService shop/pong, HTTP route primary: v2: step 1 of 2: from 0 to 20 %; "
        "now v1 80 %, v2 20 %, live in gateway istio/one after 118 ms"
    )
    assert found["changed"] is True
    assert found["weights"] == {"before": {"v1": 100, "v2": 0}, "after": {"v1": 80, "v2": 20}}
    assert (found["phase"], found["step"], found["steps"], found["next_weight"]) == ("progressing", 1, [20, 100], 100)
    assert (found["since"], found["until"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z")
    (written,) = found["transitions"]
    assert written == {
        "at": "2026-01-31T12:00:00Z",
        "event": "advanced",
        "weights": {"v1": 80, "v2": 20},
        "why": "v2: step 1 of 2: from 0 to 20 %",
        "by": "ci",
        "live": 118,
    }
    assert "mistakes" not in found


def test_a_write_that_matters_to_nobody_is_left_out() -> None:
    renewed = replace(MOVED, event=Event.RENEWED)
    found = result(outcome(written=(renewed, MOVED), settled={1: 0.5}))
    assert [each["live"] for each in found["transitions"]] == [500]


def test_what_is_not_live_is_not_called_so() -> None:
    found = result(outcome(decision=Rejected("one proxy lags")))
    assert (found["mistakes"], ", live in" in found["msg"]) == (["one proxy lags"], False)
    assert found["msg"].endswith("from 0 to 20 %; one proxy lags; now v1 80 %, v2 20 %")


def test_a_sample_is_told_in_numbers() -> None:
    found = result(outcome(extent=Extent(gateways=1, sidecars=400, asked=50)))
    assert "live in 1 proxy (50 of 400 sidecars asked) after 118 ms" in found["msg"]
    assert (found["proxies"]["sidecars"], found["proxies"]["sidecars_asked"]) == (400, 50)


def test_nothing_written() -> None:
    for decision, waits in ((Wait(NOW, "v2 soaks"), True), (NoOp("v2 has all"), False)):
        found = result(outcome(decision=decision, written=(), live=()))
        assert (found["changed"], found["waits"]) == (False, waits)
        assert decision.why in found["msg"]


@pytest.mark.parametrize(
    ("state", "phase", "finished"),
    [
        (None, "none", False),
        (Unreadable("it is not JSON"), "unreadable", False),
        (replace(STATE, phase=Phase.PROMOTED, weight=100), "promoted", True),
        (pending_verification(replace(STATE, phase=Phase.PROMOTED, weight=100)), "promoted", False),
        (replace(STATE, phase=Phase.WEIGHTED, weight=100), "weighted", False),
    ],
)
def test_a_release_is_finished_once_all_is_seen_live(state: Any, phase: str, finished: bool) -> None:
    found = release_of(snapshot(80, 20, state=state))
    assert (found["phase"], found["finished"]) == (phase, finished)


@pytest.mark.parametrize(
    ("phase", "weight", "following"),
    [
        (Phase.PROGRESSING, 20, 100),
        (Phase.WEIGHTED, 5, 20),
        (Phase.PAUSED, 20, None),
        (Phase.HELD, 20, None),
        (Phase.PROMOTED, 100, None),
    ],
)
def test_no_next_weight_where_a_user_is_waited_for(phase: Phase, weight: int, following: int | None) -> None:
    assert next_weight(replace(STATE, phase=phase, weight=weight), ()) == following


def test_a_version_without_its_pods_is_a_warning() -> None:
    lame = (pod("v1"), pod("v2", ready=False))
    assert warnings_of(outcome(snapshot=snapshot(80, 20, pods=lame))) == [
        "v2 gets 20 % of the requests and has no ready pod: 0 of 1 pod ready: pod pong-v2-1 is not ready"
    ]
    assert warnings_of(outcome(snapshot=snapshot(100, 0, pods=lame))) == []
    assert warnings_of(outcome(snapshot=snapshot(80, 20, pods=None))) == []


def test_a_rollback_to_fewer_pods_is_a_warning() -> None:
    back = replace(MOVED, before={"v1": 80, "v2": 20}, weights={"v1": 100, "v2": 0}, event=Event.ROLLED_BACK)
    pods = (pod("v1"), pod("v2"), pod("v2", 2))
    found = outcome(snapshot=snapshot(100, 0, pods=pods), written=(back,), decision=back)
    assert warnings_of(found) == [
        "v1 gets 100 % of the requests with 1 ready pod, where v2 has 2: scale it up if they are too few"
    ]


def test_the_diff_shows_the_weights_alone() -> None:
    found = diff_of(outcome())
    assert found["before"] == "route: primary\nweights:\n  v1: 100\n  v2: 0\n"
    assert found["after"] == "route: primary\nweights:\n  v1: 80\n  v2: 20\n"
