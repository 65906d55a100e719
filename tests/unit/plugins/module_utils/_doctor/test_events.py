# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.events import LONGEST, newest, scaled


def event(reason: str, minute: int, name: str = "pong-a", kind: str = "Warning", **more: Any) -> dict[str, Any]:
    time = {"lastTimestamp": f"2026-01-31T12:{minute:02d}:00Z"}
    return (
        {"type": kind, "reason": reason, "involvedObject": {"kind": "Pod", "name": name}, "message": "m"} | time | more
    )


def reasons(*events: dict[str, Any]) -> list[str]:
    return [each.reason for each in newest(events, {"pong-a"})]


def test_the_newest_first_and_each_reason_once() -> None:
    events = [event(reason, minute) for minute, reason in enumerate(["One", "Two", "Three", "Four", "Two"])]
    assert reasons(*events) == ["Two", "Four", "Three"]


def test_those_of_others_and_good_news_are_left_out() -> None:
    assert reasons(event("Failed", 1, "pong-b"), event("Pulled", 2, kind="Normal"), event("Failed", 3)) == ["Failed"]


@pytest.mark.parametrize(
    ("more", "minute", "times"),
    [
        ({"count": 4}, 1, 4),
        ({"lastTimestamp": None, "eventTime": "2026-01-31T12:02:00.123456Z"}, 2, 1),
        ({"series": {"count": 7, "lastObservedTime": "2026-01-31T12:03:00Z"}, "lastTimestamp": None}, 3, 7),
        ({"lastTimestamp": None, "firstTimestamp": "2026-01-31T12:04:00Z"}, 4, 1),
    ],
    ids=["counted", "new kind", "series", "first only"],
)
def test_every_way_to_give_the_time(more: dict[str, Any], minute: int, times: int) -> None:
    (found,) = newest([event("Failed", 1, **more)], {"pong-a"})
    assert found.at.replace(microsecond=0) == datetime(2026, 1, 31, 12, minute, tzinfo=UTC)
    assert (found.times, found.about) == (times, "Pod pong-a")


def test_long_messages_are_one_short_line() -> None:
    (found,) = newest([event("Failed", 1, message=f"no\nsuch {'x' * 500}")], {"pong-a"})
    assert found.message.startswith("no such x")
    assert len(found.message) == LONGEST


def test_the_time_of_a_scaling() -> None:
    scalings = [event("ScalingReplicaSet", minute, "pong", "Normal") for minute in (3, 9, 5)]
    found = scaled(scalings, {"pong"})
    assert found is not None
    assert (found.at.minute, found.source) == (9, "event ScalingReplicaSet")
    assert scaled(scalings, {"other"}) is None
