# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._page.page import of_status, page_of

RESULT: dict[str, Any] = {
    "name": "pong",
    "namespace": "shop",
    "stable": "v1",
    "canary": "v2",
    "phase": "progressing",
    "msg": "done",
    "destination_host": "pong.shop.svc.cluster.local",
    "weights": {"before": {"v1": 100, "v2": 0}, "after": {"v3": 10, "v2": 20, "v1": 70}},
    "transitions": [
        {"at": "2026-01-31T12:00:00Z", "event": "advanced", "weights": {"v1": 80, "v2": 20}, "why": "next"}
    ],
}
STATUS: dict[str, Any] = {
    "exists": True,
    "stable": "v1",
    "canary": "v2",
    "weights": {"v1": 80, "v2": 20},
    "summary": "shop/pong: held",
    "problems": ["no ready pod"],
    "warnings": ["old"],
    "verdict": None,
    "history": [
        {"at": "2026-01-30T12:00:00Z", "event": "rolled_back", "canary": "v2", "weight": 0, "why": "bad", "by": "ann"},
        {"at": "2026-01-31T12:00:00Z", "event": "advanced", "canary": "v2", "weight": 20, "why": "again", "by": "bob"},
    ],
}


@pytest.mark.parametrize(
    ("change", "status", "tone"),
    [
        ({}, "in progress", "open"),
        ({"phase": "promoted"}, "promoted", "good"),
        ({"phase": "promoted", "failed": True}, "promoted, stopped", "bad"),
        ({"phase": "rolled_back", "failed": True}, "rolled back", "bad"),
        ({"phase": None}, "stopped", "bad"),
        ({"phase": None, "transitions": []}, "refused", "bad"),
    ],
)
def test_its_status(change: dict[str, Any], status: str, tone: str) -> None:
    page = page_of({**RESULT, **change})
    assert (page["status"], page["tone"]) == (status, tone)
    assert page["title"] == f"pong: v1 → v2, {status}"


def test_commands_name_the_host_of_the_inventory() -> None:
    commands = dict(page_of({**RESULT, "phase": "paused"}, "shop", "-i hosts --limit shop-1")["commands"])
    assert (
        commands["Continue"]
        == "ansible-playbook progressive.istio.advance -i hosts --limit shop-1 -e canary_confirm=true"
    )
    assert dict(page_of(RESULT)["commands"])["Continue"] == "ansible-playbook progressive.istio.canary"


def test_stable_and_canary_come_first() -> None:
    page = page_of({**RESULT, "stable": "v2", "canary": "v1"})
    assert page["shares"] == (("v2", 20), ("v1", 70), ("v3", 10))
    (now,) = page["graphs"]
    assert [(node.name, node.role, node.share) for node in now.nodes] == [
        ("v2", "stable", 20),
        ("v1", "canary", 70),
        ("v3", "other", 10),
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "next"),
        ({"failed": True}, "done"),
        ({"verdict": "fail: slow"}, "fail: slow"),
        ({"transitions": []}, "done"),
        ({"failed": True, "transitions": [{**RESULT["transitions"][0], "event": "held"}]}, "next"),
    ],
)
def test_its_reason(change: dict[str, Any], why: str) -> None:
    assert page_of({**RESULT, **change})["why"] == why


def test_what_is_missing_is_explained() -> None:
    assert [each.partition(":")[0] for each in page_of(RESULT)["unknown"]] == [
        "Requests, errors and latencies",
        "When some weights were live",
    ]
    assert page_of({"failed": True, "msg": "no"})["unknown"] == (
        "Nothing was written, and no weights or requests were read: the run ended before.",
    )


def test_a_status_has_the_attempt_that_is_not_over() -> None:
    found = of_status(STATUS)
    assert [(each["why"], each["weights"]) for each in found["transitions"]] == [("again", {"v1": 80, "v2": 20})]
    assert (found["run"], found["msg"], found["verdict"]) == ({"who": "bob"}, "shop/pong: held", None)
    assert found["warnings"] == ["no ready pod", "old"]
    assert of_status({**STATUS, "verdict": {"result": "fail", "why": "slow"}})["verdict"] == "fail: slow"


def test_a_status_without_a_canary_failed() -> None:
    found = of_status({"exists": False, "summary": "there is none"})
    assert (found["failed"], found["msg"]) == (True, "there is none")
