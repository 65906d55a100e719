# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._page.numbers import (
    count,
    duration,
    milliseconds,
    moment,
    observed,
    percent,
    quotient,
    rate,
    success,
)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (duration(0.31), "0.3 s"),
        (duration(59.4), "59 s"),
        (duration(3600 * 26 + 62), "26 h 1 min"),
        (percent(0.00243).text, "0.243 %"),
        (percent(None).text, "\N{EN DASH}"),
        (milliseconds(None).text, "\N{EN DASH}"),
        (milliseconds(0.4).text, "0.4 ms"),
        (milliseconds(1250).text, "1.25 s"),
        (count(1234567).text, "1 234 567"),
        (duration(62), "1 min 2 s"),
        (rate(412, 60).text, "6.87"),
        (rate(1, 0).text, "\N{EN DASH}"),
    ],
)
def test_numbers_have_units(found: str, text: str) -> None:
    assert found.replace("\N{NARROW NO-BREAK SPACE}", " ") == text


def test_numbers_follow_from_counts() -> None:
    versions = {
        "v1": {"requests": 30, "failed": 3},
        "v2": {"requests": 10, "failed": 0},
        "v3": {"requests": 0, "failed": 0},
    }
    assert [observed(versions, name) for name in ("v1", "v2", "v3", "v4")] == [0.75, 0.25, 0, 0]
    assert [success(each) for each in versions.values()] == [0.9, 1, None]
    assert (observed({}, "v1"), quotient(1, 0), rate(1, 0).value) == (None, None, None)


def test_timestamps_are_read() -> None:
    assert moment("2026-01-31T12:00:00.118Z") == datetime(2026, 1, 31, 12, 0, 0, 118000, UTC)
