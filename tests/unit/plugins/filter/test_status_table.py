# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.filter.status_table import status_table

UNDER_WAY = {
    "exists": True,
    "weights": {"v1": 80, "v2": 20},
    "phase": "progressing",
    "step": 2,
    "steps": [5, 20, 100],
    "verdict": {"result": "pass"},
    "versions": {"v1": {"ready": 3, "total": 3}, "v2": {"ready": 0, "total": 1}},
    "next": "v2 soaks until noon",
    "problems": ["v2 has no ready pod"],
}
ANALYSIS = {"result": "pass"}
MOVED = {
    "weights": {"before": {}, "after": {"v1": 80, "v2": 20}},
    "phase": "progressing",
    "step": 2,
    "steps": [5, 20, 100],
}
PROBE = {"versions": {"v1": {"requests": 41, "share": 0.82}, "v2": {"requests": 9, "share": 0.18}}, "error_count": 0}
JUDGED = {
    "weights": {"v1": 80, "v2": 20},
    "versions": {
        "v1": {"requests": 1648, "failed": 2, "p99": 9.6},
        "v2": {"requests": 412, "failed": 0, "p99": 120.4},
    },
}


def texts(*services: dict[str, Any]) -> list[str]:
    return [line["text"] for line in status_table(list(services))]


def cells(**known: Any) -> list[list[str]]:
    """The cells of the rows of one service, from its version on."""
    rows = texts({"name": "pong", **known})[1:3]
    return [row.removeprefix("pong").replace("; ", ";").replace(", ", ",").split("  ") for row in rows]


def row(**known: Any) -> list[str]:
    """The cells of the canary."""
    return [cell.strip() for cell in cells(**known)[1] if cell.strip()]


def test_one_row_a_version_and_notes_below_a_service() -> None:
    services = [
        {"name": "shop/pong", "info": UNDER_WAY},
        {"name": "shop/none", "info": {"exists": False, "problems": ["VirtualService shop/none does not exist"]}},
        {"name": "shop/away", "failed": "the API\n  is away"},
    ]
    assert texts(*services) == [
        "service    version  weight  share  errors  p99  verdict",
        "shop/pong  v1       80 %    -      -       -",
        "           v2       20 %    -      -       -    pass; progressing, step 2 of 3",
        "  ! v2 has no ready pod",
        "  ready pods: v1 3 of 3, v2 0 of 1",
        "  next: v2 soaks until noon",
        "shop/none  -        -       -      -       -    see below",
        "  ! VirtualService shop/none does not exist",
        "shop/away  -        -       -      -       -    failed",
        "  ! the API is away",
    ]


def test_one_row_for_each_of_many_and_below_it_only_what_is_wrong() -> None:
    services = [
        {"name": "shop/pong", "info": UNDER_WAY},
        {"name": "shop/cart", "result": {**MOVED, "msg": "v2: from 0 to 20 %", "judged": [JUDGED]}},
        {"name": "shop/away", "failed": "the API\n  is away"},
        {"name": "shop/later"},
    ]
    assert texts(*services) == [
        "service     weights           share of canary  errors  p99     verdict",
        "shop/pong   v1 80 %, v2 20 %  -                -       -       pass; progressing, step 2 of 3",
        "  ! v2 has no ready pod",
        "shop/cart   v1 80 %, v2 20 %  20.0 %           0.0 %   120 ms  progressing, step 2 of 3",
        "shop/away   -                 -                -       -       failed",
        "  ! the API is away",
        "shop/later  -                 -                -       -       not reached",
    ]


def test_of_many_a_pause_is_told_with_what_ends_it() -> None:
    paused = {**MOVED, "phase": "paused", "msg": "v2 waits for confirmation: continue: advance"}
    table = texts(*({"name": f"pong-{number}", "result": paused} for number in range(4)))
    assert table.count("  v2 waits for confirmation: continue: advance") == 4


def test_check_mode_says_what_would_be() -> None:
    checked = {"name": "pong", "check": True}
    assert texts({**checked, "result": {**MOVED, "changed": True}})[2].endswith("  would be progressing, step 2 of 3")
    assert texts({**checked, "result": {**MOVED, "changed": False}})[2].endswith("  progressing, step 2 of 3")


def test_the_cluster_is_named_where_there_are_several() -> None:
    east, west = ({"name": "pong", "result": {**MOVED, "context": name}} for name in ("east", "west"))
    assert texts(east, {**west, "name": "cart"}) == [
        "cluster  service  version  weight  share  errors  p99  verdict",
        "east     pong     v1       80 %    -      -       -",
        "                  v2       20 %    -      -       -    progressing, step 2 of 3",
        "west     cart     v1       80 %    -      -       -",
        "                  v2       20 %    -      -       -    progressing, step 2 of 3",
    ]
    assert texts(east, east)[0].startswith("service")


def test_what_a_run_did_is_said_below_its_service_and_a_failure_once() -> None:
    moved, failed = {**MOVED, "msg": "v2: from 0 to 20 %"}, {**MOVED, "msg": "refused", "failed": True}
    assert texts({"name": "pong", "result": moved})[3:] == ["  v2: from 0 to 20 %"]
    assert texts({"name": "pong", "result": failed, "failed": "refused"})[3:] == ["  ! refused"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"result": MOVED}, ["v2", "20 %", "-", "-", "-", "progressing,step 2 of 3"]),
        ({"result": MOVED, "probe": PROBE}, ["v2", "20 %", "18.0 %", "0.0 %", "-", "progressing,step 2 of 3"]),
        (
            {"result": MOVED, "probe": {**PROBE, "error_count": 1}},
            ["v2", "20 %", "18.0 %", "-", "-", "progressing,step 2 of 3"],
        ),
        (
            {"result": {**MOVED, "analysis": ANALYSIS, "judged": [{}, JUDGED]}},
            ["v2", "20 %", "20.0 %", "0.0 %", "120 ms", "pass;progressing,step 2 of 3"],
        ),
        (
            {"result": {**MOVED, "weights": {"after": {"v1": 0, "v2": 100}}, "phase": "promoted", "judged": [JUDGED]}},
            ["v2", "100 %", "-", "-", "-", "promoted,step 2 of 3"],
        ),
        (
            {"result": {**MOVED, "weights": {"after": {"v1": 0, "v2": 100}}, "judged": [JUDGED]}, "probe": PROBE},
            ["v2", "100 %", "18.0 %", "0.0 %", "-", "progressing,step 2 of 3"],
        ),
        ({"result": {**MOVED, "msg": "x"}, "failed": "why"}, ["v2", "20 %", "-", "-", "-", "failed"]),
        ({"info": {**UNDER_WAY, "verdict": None, "phase": "none"}}, ["v2", "20 %", "-", "-", "-", "no release"]),
        ({"result": {**MOVED, "phase": "rolled_back", "steps": []}}, ["v2", "20 %", "-", "-", "-", "rolled back"]),
        (
            {"result": MOVED, "info": {**UNDER_WAY, "weights": {"v1": 1, "v2": 99}}},
            ["v2", "20 %", "-", "-", "-", "progressing,step 2 of 3"],
        ),
    ],
    ids=[
        "moved",
        "probed",
        "probed with an error of nobody",
        "judged",
        "judged with other weights",
        "judged with other weights and probed",
        "failed",
        "no release",
        "phase",
        "the result is newer",
    ],
)
def test_what_is_known_of_the_canary(known: dict[str, Any], expected: list[str]) -> None:
    assert row(**known) == expected


def test_what_is_known_of_stable() -> None:
    assert [cell.strip() for cell in cells(result={**MOVED, "judged": [JUDGED]})[0] if cell.strip()] == [
        "v1",
        "80 %",
        "80.0 %",
        "0.1 %",
        "9.6 ms",
    ]


@pytest.mark.parametrize(
    ("known", "tone"),
    [
        ({"result": MOVED}, "plain"),
        ({"result": {**MOVED, "analysis": {"result": "pass"}}}, "ok"),
        ({"result": {**MOVED, "analysis": {"result": "inconclusive"}}}, "warning"),
        ({"result": {**MOVED, "analysis": {"result": "pass"}, "phase": "held"}}, "error"),
        ({"info": {**UNDER_WAY, "verdict": None, "phase": "paused"}}, "warning"),
        ({"failed": "x"}, "error"),
    ],
)
def test_tones(known: dict[str, Any], tone: str) -> None:
    assert status_table([{"name": "pong", **known}])[1]["tone"] == tone


def test_what_was_counted_with_other_weights_stands_below() -> None:
    after = {**MOVED, "weights": {"after": {"v1": 100, "v2": 0}}, "phase": "rolled_back"}
    earlier = "  counted at v1 80 %, v2 20 %: v1 1648 requests, 0.1 % errors, p99 9.6 ms; v2 412 requests, 0.0 % errors"
    assert f"{earlier}, p99 120 ms" in texts({"name": "pong", "result": {**after, "judged": [JUDGED]}})
    unasked = {**JUDGED, "versions": {**JUDGED["versions"], "v2": {"requests": 0, "failed": 0}}}
    found = texts({"name": "pong", "result": {**after, "judged": [unasked]}})
    assert found[-1].endswith("; v2 no requests")
    assert not any("counted at" in line for line in texts({"name": "pong", "result": {**MOVED, "judged": [JUDGED]}}))
