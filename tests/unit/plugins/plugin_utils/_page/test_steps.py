# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._page.steps import step_of

COUNTED: dict[str, Any] = {"requests": 80, "failed": 2, "timed": 80, "slow": 4, "p50": 2.0, "p95": 4.0, "p99": 9.0}
JUDGED: dict[str, Any] = {
    "weights": {"v1": 80, "v2": 20},
    "since": "2026-01-31T12:00:00Z",
    "until": "2026-01-31T12:00:10Z",
    "seconds": 10.0,
    "result": "pass",
    "why": "enough",
    "checks": [{"name": "errors"}],
    "limits": {"minimum_requests": 100, "max_error": 0.01, "threshold_ms": 500, "max_slow": 0.05},
    "versions": {"v1": COUNTED, "v2": {**COUNTED, "requests": 20, "failed": 0}},
    "unattributed": 3,
}


def rows(**change: Any) -> dict[str, tuple[str | None, str | None, str]]:
    found = step_of({**JUDGED, **change}, "v1", "v2").rows
    plain = [
        [one and one.text.replace("\N{NARROW NO-BREAK SPACE}", " ") for one in (row.stable, row.canary)]
        for row in found
    ]
    return {
        row.name.replace("\N{NARROW NO-BREAK SPACE}", " "): (
            *texts,
            row.limit.replace("\N{NARROW NO-BREAK SPACE}", " "),
        )
        for row, texts in zip(found, plain, strict=True)
    }


def test_a_step_has_its_verdict() -> None:
    step = step_of(JUDGED, "v1", "v2")
    assert (step.weight, step.result, step.why, step.unattributed) == (20, "pass", "enough", 3)
    assert (step.until - step.since).total_seconds() == step.seconds.value == 10
    assert step.checks == ({"name": "errors"},)


def test_both_versions_have_rows_with_limits() -> None:
    assert rows() == {
        "Weight": ("80 %", "20 %", ""),
        "Seen": ("80 %", "20 %", "8\N{EN DASH}34 %"),
        "Requests": ("80", "20", "≥ 100"),
        "Req/s": ("8", "2", ""),
        "Failed": ("2", "0", ""),
        "Success": ("97.5 %", "100 %", "≥ 99 %"),
        "p50": ("2 ms", "2 ms", ""),
        "p95": ("4 ms", "4 ms", ""),
        "p99": ("9 ms", "9 ms", ""),
        "> 500 ms": ("5 %", "5 %", "≤ 5 %"),
    }


def test_rows_without_a_value_are_left_out() -> None:
    few = {"requests": 20, "failed": 0}
    assert list(rows(versions={"v2": few}, limits={})) == ["Weight", "Seen", "Requests", "Req/s", "Failed", "Success"]
    assert rows(versions={"v2": few})["Weight"] == (None, "20 %", "")
    assert rows(versions={}) == {}


@pytest.mark.parametrize("weights", [{"v1": 100, "v2": 0}, {"v1": 0, "v2": 100}])
def test_a_weight_without_chance_has_no_range(weights: dict[str, int]) -> None:
    assert rows(weights=weights)["Seen"][2] == ""


def test_a_step_that_was_only_counted() -> None:
    keys = ("weights", "since", "until", "seconds", "versions")
    step = step_of({key: JUDGED[key] for key in keys}, "v1", "v2")
    assert (step.result, step.why, step.checks, step.unattributed) == ("", "", (), None)
