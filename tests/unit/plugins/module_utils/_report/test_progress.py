# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that shows a step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Extent
from ansible_collections.progressive.istio.plugins.module_utils._proxy.poll import Live
from ansible_collections.progressive.istio.plugins.module_utils._release.model import NoOp
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, State
from ansible_collections.progressive.istio.plugins.module_utils._report.progress import step_line, teller, weight_bar
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Outcome
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import Subset
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from pong_mesh import pod, virtual_service

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (0, "[....................]   0 %"),
        (2, "[....................]   2 %"),
        (50, "[##########..........]  50 %"),
        (100, "[####################] 100 %"),
    ],
)
def test_the_bar_is_plain_text(weight: int, shown: str) -> None:
    assert weight_bar(weight) == shown


@pytest.mark.parametrize(
    ("phase", "weight", "seconds", "end"),
    [
        (Phase.PROGRESSING, 20, 59.2, "step 1 of 2  v2: 1 of 2 pods ready  soaks 60 s"),
        (Phase.ROLLED_BACK, 0, 0, "step 0 of 2  v2: 1 of 2 pods ready  rolled back"),
    ],
)
def test_a_step_is_one_line(phase: Phase, weight: int, seconds: float, end: str) -> None:
    service = virtual_service(100 - weight, weight)
    snapshot = Snapshot(
        Target("pong", "shop", "v1", "v2"),
        service,
        State("v1", "v2", phase, weight, NOW, (Step(20), Step(100))),
        locate(service, ("v1", "v2")),
        subsets={"v2": Subset("v2", {"version": "v2"}, "shop/pong")},
        pods=(pod("v2", 1), pod("v2", 2, ready=False)),
    )
    line = step_line(Outcome({}, snapshot, NoOp("")), seconds)
    assert line == end


def test_a_sample_of_the_sidecars_is_told_in_numbers() -> None:
    service = virtual_service(2, 1)
    target, routes = Target("pong", "shop", "v1", "v2"), locate(service, ("v1", "v2"))
    state = State("v1", "v2", Phase.HELD, routes[0].shares(("v1", "v2"))["v2"], NOW)
    live = (Live(Proxy("sidecar", "shop", "one", "uid"), 0.0124, {}),)
    outcome = Outcome({}, Snapshot(target, service, state, routes), NoOp(""), live=live)
    outcome = replace(outcome, extent=Extent(sidecars=400, asked=50))
    assert step_line(outcome, 0) == ("v2: 0 of 0 pods ready  live in 12 ms (50 of 400 sidecars asked)  held")


def test_lines_are_appended_or_dropped(tmp_path: Path) -> None:
    service = virtual_service(80, 20)
    snapshot = Snapshot(Target("pong", "shop", "v1", "v2"), service, None, locate(service, ("v1", "v2")))
    tell = teller(str(tmp_path / "file"))
    tell(snapshot, "one")
    tell(snapshot, "two")
    teller(None)(snapshot, "three")
    head = f"shop/pong  {weight_bar(20)}"
    assert (tmp_path / "file").read_text() == f"{head}  one\n{head}  two\n"
