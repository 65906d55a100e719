# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.clock import stamp, to_milliseconds

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-01-31T12:00:00Z"),
        (NOON + timedelta(milliseconds=70), "2026-01-31T12:00:00.070Z"),
        (NOON + timedelta(microseconds=999), "2026-01-31T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-01-31T12:00:00Z"),
    ],
)
def test_a_stamp_is_in_utc_with_milliseconds_if_there_are_any(moment: datetime, text: str) -> None:
    assert stamp(moment) == text


def test_milliseconds_are_cut_and_not_rounded() -> None:
    local = (NOON + timedelta(microseconds=1999)).astimezone(timezone(timedelta(hours=-5)))
    found = to_milliseconds(local)
    assert (found, found.tzinfo) == (NOON + timedelta(milliseconds=1), UTC)
    assert datetime.fromisoformat(stamp(found)) == found
