# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._page.charts import Span
from ansible_collections.progressive.istio.plugins.plugin_utils._page.waits import bands, totals, waits_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPAN = Span(NOON, NOON + timedelta(seconds=100))


def wrote(seconds: float, weight: int, event: str = "advanced", live: int | None = None) -> dict[str, Any]:
    at = (NOON + timedelta(seconds=seconds)).isoformat()
    return {"at": at, "event": event, "weights": {"v1": 100 - weight, "v2": weight}, "live": live}


def judged(until: float) -> dict[str, Any]:
    return {"until": (NOON + timedelta(seconds=until)).isoformat()}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({}, []),
        ({"transitions": [wrote(0, 20)]}, ["soak 0-100"]),
        ({"transitions": [wrote(0, 20)], "phase": "paused"}, ["paused 0-100"]),
        (
            {"transitions": [wrote(5, 20, live=2000), wrote(60, 100, "promoted", live=1000)], "judged": [judged(40)]},
            ["before 0-5", "proof 5-7", "soak 7-40", "wait 40-60", "proof 60-61"],
        ),
        ({"transitions": [wrote(0, 20), wrote(60, 50)], "judged": [judged(59.5)]}, ["soak 0-59.5", "soak 60-100"]),
        (
            {"transitions": [wrote(0, 20), wrote(60, 20, "confirmed"), wrote(70, 50)], "judged": [judged(30)]},
            ["soak 0-30", "paused 30-60", "soak 60-70", "soak 70-100"],
        ),
        (
            {"transitions": [wrote(0, 20), wrote(30, 20, "held"), wrote(80, 0, "rolled_back")]},
            ["soak 0-30", "held 30-80"],
        ),
        ({"transitions": [wrote(0, 0, "failed")]}, []),
    ],
)
def test_what_a_release_waited_for(result: dict[str, Any], expected: list[str]) -> None:
    found = waits_of(result, SPAN, "v2")
    times = [((each.begin - NOON).total_seconds(), (each.end - NOON).total_seconds()) for each in found]
    assert [f"{each.kind} {b:g}-{e:g}" for each, (b, e) in zip(found, times, strict=True)] == expected


def test_a_soak_is_the_rule_and_no_band() -> None:
    waits = waits_of({"transitions": [wrote(0, 20), wrote(50, 20, "held")]}, SPAN, "v2")
    (band,) = bands(waits, SPAN)
    assert (band.kind, band.path) == ("held band", "M500.0 0H1000.0V1000H500.0Z")
    assert [(kind, took.replace("\N{NARROW NO-BREAK SPACE}", " ")) for kind, _what, took in totals(waits)] == [
        ("soak", "50 s"),
        ("held", "50 s"),
    ]
