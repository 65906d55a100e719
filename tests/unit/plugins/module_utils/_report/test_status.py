# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a canary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._release.model import Run
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HistoryEntry,
    LeaseHolder,
    Phase,
    State,
    Unreadable,
    Verdict,
    pending_verification,
)
from ansible_collections.progressive.istio.plugins.module_utils._report.status import status_of
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import Subset
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from pong_mesh import pod, virtual_service

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOLDER = LeaseHolder("jane", "laptop", 7, NOW, NOW + timedelta(seconds=30))
PAST = HistoryEntry(NOW, "advanced", "v2", 20, "step 1 of 2", "ci")
STATE = State("v1", "v2", Phase.PROGRESSING, 20, NOW, (Step(20), Step(100)), 60, run="hers", history=(PAST,))


def status(state: Any, *weights: int, ended: bool = False, pods: tuple[Any, ...] = ()) -> dict[str, Any]:
    service = virtual_service(*(weights or (80, 20)))
    subsets = {name: Subset(name, {"version": name}, "shop/pong") for name in ("v1", "v2")}
    snapshot = Snapshot(
        Target("pong", "shop", "v1", "v2"),
        service,
        state,
        locate(service, ("v1", "v2")),
        subsets=subsets,
        pods=pods or (pod("v1"), pod("v2")),
    )
    return status_of(snapshot, Run("mine", "me", "here", 1), ended, NOW)


def test_a_step_that_soaks() -> None:
    found = status(STATE)
    assert found["summary"] == (
        "shop/pong: v1 80 %, v2 20 %, progressing, step 1 of 2 since 2026-01-31T12:00:00Z; ready pods: v1 1 of 1, "
        "v2 1 of 1; next: v2 at 20 % (step 1 of 2) soaks until 2026-01-31T12:01:00Z, 60 s from now"
    )
    assert (found["problems"], found["holder"], found["next_weight"]) == ([], None, 100)
    assert found["history"][0] == {
        "at": "2026-01-31T12:00:00Z",
        "event": "advanced",
        "canary": "v2",
        "weight": 20,
        "why": "step 1 of 2",
        "by": "ci",
    }
    assert found["versions"]["v2"] == {"ready": 1, "total": 1, "deployments": [], "images": [], "troubles": []}


def test_the_holder_of_the_lease() -> None:
    found = status(replace(STATE, holder=HOLDER))
    assert (found["holder"]["who"], found["holder"]["alive"]) == ("jane", True)
    assert found["next"].startswith("refused: canary v2 is held by jane on laptop (process 7)")
    dead = status(replace(STATE, holder=HOLDER), ended=True)
    assert dead["holder"]["alive"] is False
    assert "held by jane on laptop since 2026-01-31T12:00:00Z, lease which has ended" in dead["summary"]
    assert not dead["next"].startswith("refused")


def test_problems() -> None:
    assert status(Unreadable("it is not JSON"))["problems"] == [
        "the annotation of the release cannot be read: it is not JSON"
    ]
    assert status(STATE, 60, 40)["problems"] == [
        "another writer changed the weights: v1 60 %, v2 40 % now, v1 80 %, v2 20 % when the release wrote them"
    ]
    assert "not seen to be live in every proxy" in status(pending_verification(STATE))["problems"][0]
    lame = (pod("v1"), pod("v2", ready=False))
    assert status(STATE, pods=lame)["problems"] == [
        "v2 gets requests and has no ready pod",
        "v2: pod pong-v2-1 is not ready",
    ]
    assert status(STATE, 60, 40)["summary"].endswith(f"problems: {status(STATE, 60, 40)['problems'][0]}")


def test_without_a_release() -> None:
    found = status(None)
    assert (found["phase"], found["next"], found["history"], found["verdict"]) == ("none", None, [], None)


def test_the_verdict() -> None:
    found = status(replace(STATE, verdict=Verdict("pass", "0 of 412", NOW)))
    assert found["verdict"] == {"result": "pass", "why": "0 of 412", "at": "2026-01-31T12:00:00Z"}
