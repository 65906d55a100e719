# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.progressive.istio.plugins.plugin_utils._page.charts import Plot, Span
from ansible_collections.progressive.istio.plugins.plugin_utils._page.plots import comparisons, timeline, where_live
from ansible_collections.progressive.istio.plugins.plugin_utils._page.waits import Waited

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPAN = Span(NOON, NOON + timedelta(seconds=100))


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def sample(seconds: float, v1: int, v2: int, **numbers: float) -> dict[str, Any]:
    counts = {"v1": v1, "v2": v2}
    versions = {name: {"requests": count, "failed": 0, **numbers} for name, count in counts.items() if count}
    return {"at": at(seconds), "versions": versions}


def judged(*samples: dict[str, Any], **limits: float) -> dict[str, Any]:
    return {"weights": {"v1": 80, "v2": 20}, "samples": list(samples), "limits": limits}


def kinds(plot: Plot) -> list[str]:
    return [shape.kind for shape in plot.shapes if shape.kind != "grid"]


def paths(plot: Plot, kind: str) -> list[str]:
    return [shape.path for shape in plot.shapes if shape.kind == kind]


RUN: dict[str, Any] = {
    "weights": {"before": {"v1": 100, "v2": 0}},
    "transitions": [
        {"at": at(0), "weights": {"v1": 80, "v2": 20}, "live": 500},
        {"at": at(50), "weights": {"v1": 50, "v2": 50}, "live": None},
    ],
    "judged": [judged(sample(25, 80, 20), sample(50, 150, 50))],
}


def test_the_timeline_has_weights_live_moments_and_observed_shares() -> None:
    plot = timeline(RUN, SPAN, "v2")
    assert kinds(plot) == ["range", "seen", "at seen", "weight", "live"]
    assert paths(plot, "weight") == ["M0.0 1000.0H0.0V800.0H500.0V500.0H1000.0"]
    assert paths(plot, "live") == ["M5.0 800.0h0"]
    assert paths(plot, "seen") == ["M250.0 800.0L500.0 750.0"]
    tips = [shape.tip for shape in plot.shapes if shape.tip]
    assert "25 % of 200 requests went to v2, whose weight was 20 %" in tips
    assert plot.says == "Weight of v2 over time, UTC: 20 % at 12:00:00, 50 % at 12:00:50."


def test_a_timeline_without_samples_has_the_weights_alone() -> None:
    assert kinds(timeline({**RUN, "judged": [judged()]}, SPAN, "v2")) == ["weight", "live"]
    assert kinds(timeline({**RUN, "judged": [judged(sample(25, 0, 0))]}, SPAN, "v2")) == ["weight", "live"]
    assert timeline({**RUN, "transitions": []}, SPAN, "v2").says.endswith(": nothing was written.")


def test_where_weights_are_live() -> None:
    assert where_live({}) == where_live({"proxies": {"sidecars": 3, "sidecars_asked": 3}}) == "all proxies"
    few = {"sidecars": 400, "sidecars_asked": 50}
    assert where_live({"proxies": few}) == "all proxies asked (50 of 400 sidecars)"


def found(steps: Sequence[dict[str, Any]]) -> dict[str, Plot]:
    return dict(comparisons({"judged": steps}, SPAN, "v1", "v2"))


def test_both_versions_are_in_one_chart_with_a_curve_per_step_and_the_limits() -> None:
    steps = [
        judged(
            sample(10, 40, 10, p50=2.0, p99=8.0), sample(20, 80, 20, p50=2.0, p99=8.0), max_error=0.01, threshold_ms=500
        ),
        judged(sample(60, 10, 0, p50=3.0, p99=9.0), max_error=0.02, bad_error=0.05, threshold_ms=500),
    ]
    plots = found(steps)
    assert list(plots) == ["Success rate", "Latency"]
    stable = ["line stable", "line stable", "at line stable", "at line stable"]
    canary = ["line canary", "at line canary"]
    assert kinds(plots["Success rate"]) == ["limit", "limit", *stable, *canary]
    halves = ["half stable", "half stable", "half canary"]
    assert kinds(plots["Latency"]) == ["limit", *stable, *canary, *halves]
    assert [shape.tip for shape in plots["Latency"].shapes if shape.kind == "at line canary"] == [
        "v2: 8\N{NARROW NO-BREAK SPACE}ms"
    ]
    success, latency = (plot.says.replace("\N{NARROW NO-BREAK SPACE}", " ") for plot in plots.values())
    assert success == "Success rate at the end of each step: v1 100 %, 100 %; v2 100 %; limits: 98 %, 95 %."
    assert latency == "Latency p99 at the end of each step: v1 8 ms, 9 ms; v2 8 ms; limits: 500 ms."


def test_what_has_no_value_has_no_chart() -> None:
    plots = found([judged(sample(10, 40, 0))])
    assert list(plots) == ["Success rate"]
    assert "v2" not in plots["Success rate"].says
    assert found([judged()]) == found([]) == {}


def test_a_chart_of_weights_shows_what_was_waited_for() -> None:
    waits = (Waited("soak", NOON, NOON + timedelta(seconds=60), 20), Waited("held", *later(60, 100), 20))
    plot = timeline(RUN, SPAN, "v2", waits)
    assert paths(plot, "held band") == ["M600.0 0H1000.0V1000H600.0Z"]
    assert "soaking: 1 min. held: 40 s." in plot.says.replace("\N{NARROW NO-BREAK SPACE}", " ")


def later(begin: float, end: float) -> tuple[datetime, datetime]:
    return NOON + timedelta(seconds=begin), NOON + timedelta(seconds=end)
