# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where numbers lie in a chart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._page import charts

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


MINUTE = charts.Span(NOON, at(60))


def test_moments_and_values_have_their_places() -> None:
    y = charts.linear(0, 100)
    assert [MINUTE.x(at(each)) for each in (-5, 0, 15, 60, 99)] == [0, 0, 250, 1000, 1000]
    assert [y(each) for each in (0, 20, 100, 120)] == [1000, 800, 0, 0]
    assert [round(charts.logarithmic(1, 1000)(each)) for each in (0, 1, 10, 1000)] == [1000, 1000, 667, 0]


def test_a_weight_stays_until_the_next() -> None:
    path = charts.steps([(NOON, 0.0), (at(15), 20.0), (at(30), 100.0)], at(60), MINUTE, charts.linear(0, 100))
    assert path == "M0.0 1000.0H250.0V800.0H500.0V0.0H1000.0"


def test_lines_and_areas_go_through_their_points() -> None:
    y = charts.linear(0, 1)
    assert charts.line([(NOON, 0.0), (at(30), 1.0)], MINUTE, y) == "M0.0 1000.0L500.0 0.0"
    assert charts.band([(NOON, 0.2, 0.8), (at(60), 0.4, 0.6)], MINUTE, y) == (
        "M0.0 200.0L1000.0 400.0L1000.0 600.0L0.0 800.0Z"
    )


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (3, ["12:00:00", "12:00:01", "12:00:02", "12:00:03"]),
        (100, ["12:00:00", "12:00:30", "12:01:00", "12:01:30"]),
        (3600, ["12:00", "12:15", "12:30", "12:45", "13:00"]),
        (172800, ["31 Jan 12:00", "01 Feb 00:00", "01 Feb 12:00", "02 Feb 00:00", "02 Feb 12:00"]),
    ],
)
def test_times_are_few_and_round(seconds: float, texts: list[str]) -> None:
    ticks = charts.Span(NOON, at(seconds)).ticks()
    assert [each.text for each in ticks] == texts
    assert ticks[0].at == 0
    assert all(0 <= each.at <= 100 for each in ticks)


def test_a_span_holds_all_moments_and_is_never_empty() -> None:
    assert charts.span_of([at(9), NOON]) == charts.Span(NOON, at(9))
    assert charts.span_of([NOON]) == charts.Span(NOON, at(1))
    assert charts.span_of([]) is None


@pytest.mark.parametrize(
    ("share", "low"), [(1.0, 0.999), (0.9985, 0.995), (0.99, 0.98), (0.7, 0.5), (0.5, 0.0), (0.0, 0.0)]
)
def test_an_axis_of_shares_begins_below_them(share: float, low: float) -> None:
    assert charts.floor_below(share) == low


@pytest.mark.parametrize(
    ("values", "bounds"),
    [([2.1, 480], (1, 1000)), ([10], (10, 100)), ([0.3, 0.4], (0.1, 1)), ([], (1, 10)), ([0], (1, 10))],
)
def test_decades_hold_all_values(values: list[float], bounds: tuple[float, float]) -> None:
    assert charts.decades(values) == pytest.approx(bounds)
