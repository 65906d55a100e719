# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.diagnosis import (
    Diagnosis,
    Problem,
)
from ansible_collections.progressive.istio.plugins.module_utils._doctor.events import PodEvent
from ansible_collections.progressive.istio.plugins.module_utils._doctor.pods import (
    PODS_READY,
)
from ansible_collections.progressive.istio.plugins.module_utils._doctor.report import ago, lines, verdict
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import Finding
from ansible_collections.progressive.istio.plugins.module_utils._preflight.timestamps import Timestamp

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def finding(check: str, severity: str = "error", **more: Any) -> Finding:
    given = {"problem": f"fails {check}", "remedy": "fix it", "check": check, **more}
    return Finding(severity, "Service", "shop", "pong", **given)


def diagnosis(*found: Problem, unseen: tuple[str, ...] = ()) -> Diagnosis:
    return Diagnosis("VirtualService shop/pong in test", NOON, "v1 80 %, v2 20 %", found, unseen)


def text(given: Diagnosis) -> str:
    return "\n".join(line["text"] for line in lines(given, lambda command: f"${command}"))


def test_one_line_if_all_is_well() -> None:
    assert lines(diagnosis(), str) == [
        {"text": "Nothing is wrong with VirtualService shop/pong in test: v1 80 %, v2 20 %", "tone": "ok"}
    ]
    assert verdict(diagnosis()) == "Nothing is wrong with VirtualService shop/pong in test: v1 80 %, v2 20 %"


def test_everything_about_a_problem() -> None:
    since = Timestamp(NOON - timedelta(minutes=2, seconds=10), "condition Ready of pod a")
    what = finding(PODS_READY, remedy="go back", command="kubectl undo", since=since)
    pulled = PodEvent(NOON - timedelta(seconds=3), "Failed", "not found", 4, "Pod a")
    assert text(diagnosis(Problem(what, events=(pulled,)))).splitlines() == [
        "1 thing is wrong with VirtualService shop/pong in test",
        "     v1 80 %, v2 20 %",
        "",
        "  1. Service shop/pong fails pods_ready",
        "     since   2026-01-31 11:57:50 UTC, 2 min 10 s ago (condition Ready of pod a)",
        "     event   2026-01-31 11:59:57 UTC, 3 s ago: Failed (4 times): not found",
        "     remedy  go back",
        "             $kubectl undo",
        "     check   pods_ready",
    ]


def test_what_is_not_known_is_not_invented() -> None:
    later = finding("gateway_exists", since=Timestamp(NOON, "me wrote spec.gateways", later=True))
    shown = text(diagnosis(Problem(later), Problem(finding("a")), unseen=("the events: refused",)))
    assert "2 things are wrong" in shown
    assert "since   not before 2026-01-31 12:00:00 UTC, 0 s ago (me wrote spec.gateways)" in shown
    assert "since   unknown: no object has the time" in shown
    assert shown.endswith("Not checked:\n  - the events: refused")


def test_warnings_are_not_wrong_and_are_shown() -> None:
    warned = diagnosis(Problem(finding("route_named", "warning")))
    assert verdict(warned) == "Nothing is wrong with VirtualService shop/pong in test (1 warning): v1 80 %, v2 20 %"
    assert [line["tone"] for line in lines(warned, str)][:4] == ["warning", "plain", "plain", "warning"]
    assert "not everything could be checked: x; y" in verdict(diagnosis(unseen=("x", "y")))


def test_no_line_of_words_is_too_long_and_no_command_is_broken() -> None:
    long = finding("a", problem="is " + "very " * 60 + "long", command="kubectl " + "x " * 99)
    shown = lines(diagnosis(Problem(long)), str)
    digest = finding("a", problem=f"runs {'f' * 200}")
    assert "f" * 200 in text(diagnosis(Problem(digest))), "what is copied from here must be whole"
    assert all(len(line["text"]) <= 118 for line in shown if line["tone"] != "command")
    assert sum(line["text"].strip() == long.command.strip() for line in shown) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (130, "2 min 10 s"), (3600, "1 h"), (3661, "1 h 1 min"), (200000, "2 d 7 h")],
)
def test_times_as_people_say_them(seconds: float, words: str) -> None:
    assert ago(seconds) == f"{words} ago"
