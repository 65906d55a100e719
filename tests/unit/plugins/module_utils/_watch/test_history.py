# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of a release that is over, and what was scraped meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import Criteria
from ansible_collections.progressive.istio.plugins.module_utils._analysis.measurements import MAX_KEPT
from ansible_collections.progressive.istio.plugins.module_utils._metrics.promql import Samples
from ansible_collections.progressive.istio.plugins.module_utils._release.state import HistoryEntry, Phase, State
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from ansible_collections.progressive.istio.plugins.module_utils._watch.history import Period, measurements_of, periods
from pong_mesh import virtual_service

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def history(*entries: tuple[float, str, int], canary: str = "v2") -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(at(minutes), event, canary, weight, "", "ci") for minutes, event, weight in entries)


GONE = history((0, "advanced", 20), (1, "failed", 0))


@pytest.mark.parametrize(
    ("past", "since", "expected"),
    [
        ((), 0, []),
        (history((5, "advanced", 20)), 5, [(20, 5, 30)]),
        (history((5, "advanced", 20)), 5.1, [(20, 5.1, 30)]),  # it soaks from when it was live
        (history((5, "advanced", 20), (7, "promoted", 100)), 7, [(20, 5, 7), (100, 7, 30)]),
        (history((5, "advanced", 20), (7, "held", 20)), 7, [(20, 5, 7), (20, 7, 30)]),
        (history((-120, "advanced", 20)), -120, [(20, -120, -60)]),  # an hour is enough
        (GONE, 1, [(20, 0, 1)]),
        ((*GONE, *history((2, "rolled_back", 0))), 2, [(20, 0, 1)]),
        ((*GONE, *history((5, "started", 0), (6, "advanced", 50))), 6, [(50, 6, 30)]),
        (
            (
                *history((-9, "advanced", 20), (-8, "promoted", 100)),
                *history((-7, "promoted", 100), canary="v9"),
                *history((6, "advanced", 50)),
            ),
            6,
            [(50, 6, 30)],
        ),  # a version that returns
        ((*GONE, *history((5, "advanced", 70), canary="v9"), *history((6, "advanced", 50))), 6, [(50, 6, 30)]),
    ],
)
def test_the_last_attempt_has_its_periods(
    past: tuple[HistoryEntry, ...], since: float, expected: list[tuple[int, float, float]]
) -> None:
    weight = past[-1].weight if past else 0
    state = State("v1", "v2", Phase.WEIGHTED, weight, at(since), history=past)
    assert periods(state, at(30)) == [Period(weight, at(begin), at(end)) for weight, begin, end in expected]


def scraped(version: str, each: int, code: str = "200") -> Samples:
    """A counter that gains as many in each of 60 seconds."""
    labels = {
        "__name__": "istio_requests_total",
        "reporter": "source",
        "destination_service": "pong.shop.svc.cluster.local",
        "destination_version": version,
        "response_code": code,
        "response_flags": "-",
        "job": "pods",
        "instance": "10.0.0.1:15020",
    }
    return Samples(labels, [(NOON.timestamp() + second, 1000 + each * second) for second in range(61)])


def told(weight: int, *answers: Samples) -> dict[str, Any]:
    service = virtual_service(100 - weight, weight)
    (route,) = locate(service, ("v1", "v2"))
    routes = (replace(route, host="pong.shop.svc.cluster.local"),)
    snapshot = Snapshot(Target("pong", "shop", "v1", "v2"), service, None, routes)
    state = State("v1", "v2", Phase.PROGRESSING, weight, NOON)
    return measurements_of(answers, Period(weight, NOON, at(1)), Criteria(), snapshot, state, "source").facts(
        samples=True
    )


def test_each_moment_has_what_was_scraped_until_then() -> None:
    facts = told(20, scraped("v1", 4), scraped("v2", 1), scraped("v2", 1, "503"))
    assert facts["versions"]["v1"]["requests"] == 240
    assert (facts["versions"]["v2"]["requests"], facts["versions"]["v2"]["failed"]) == (120, 60)
    requests = [each["versions"]["v1"]["requests"] for each in facts["samples"]]
    assert requests == [8 * number for number in range(1, MAX_KEPT + 1)]
    assert (facts["weights"], facts["seconds"]) == ({"v1": 80, "v2": 20}, 60.0)


def test_a_version_without_weight_is_left_out() -> None:
    assert set(told(100, scraped("v2", 1))["versions"]) == {"v2"}
