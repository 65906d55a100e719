# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rights that a move needs are known before its first write, and those that are missing are told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import Answer, ApiServer, Request
from pong_mesh import NAMESPACE, weights_of

Call = Callable[..., dict[str, Any]]
ISTIO, CORE = "networking.istio.io", ""
LISTED = "docs/examples/permissions.yml has all that a move needs"


def rule(group: str, resource: str, *verbs: str, **names: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), **names}


ALL = [
    rule(ISTIO, "virtualservices", "get", "patch", "watch", resourceNames=["pong"]),
    rule(ISTIO, "destinationrules", "list"),
    rule(CORE, "services", "get"),
    rule(CORE, "pods", "list", "watch"),
]


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}

    def run(state: str, **options: Any) -> dict[str, Any]:
        given = {
            **fixed,
            "stable": "v1",
            "canary": "v2",
            "wait_timeout": 0,
            "interval": 0.3,
            "steps": [10, 50],
            **options,
        }
        return run_module(canary.main, {**given, "state": state})

    return run


def test_what_is_listed_is_enough_and_costs_one_request(server: ApiServer, call: Call) -> None:
    server.rules = ALL
    assert call("advanced")["changed"]
    assert server.reviews == [{"namespace": NAMESPACE}]


@pytest.mark.parametrize(
    ("left", "lacking"),
    [
        ([*ALL[:3], rule(CORE, "pods", "list")], ["watch pods in namespace shop"]),
        (
            [
                rule(ISTIO, "virtualservices", "get", "patch", resourceNames=["pong"]),
                *ALL[1:3],
                rule(CORE, "pods", "list"),
            ],
            ["watch virtualservices pong in namespace shop", "watch pods in namespace shop"],
        ),
        (
            [rule(ISTIO, "virtualservices", "get", "patch", "watch", resourceNames=["other"]), *ALL[1:]],
            [f"{verb} virtualservices pong in namespace shop" for verb in ("get", "patch", "watch")],
        ),
    ],
    ids=["watch", "two", "another object"],
)
def test_without_a_right_to_watch_no_step_is_taken(
    server: ApiServer, call: Call, left: list[dict[str, Any]], lacking: list[str]
) -> None:
    server.rules = left
    server.before = lambda number, request: Answer(403, "Forbidden", "cannot watch") if request.watches else None
    for _time in range(2):
        result = call("advanced")
        assert (result["failed"], result["changed"], weights_of(server)) == (True, False, {"v1": 100, "v2": 0})
        assert f"the account may not {', '.join(lacking)}, which this needs: {LISTED}" in result["msg"]
    assert call("advanced", watch=0).get("changed") or "patch" in str(lacking)


def test_rights_that_only_a_review_of_each_knows_count(server: ApiServer, call: Call) -> None:
    """An authorizer that lists no rules, such as a webhook, is asked about each right."""
    server.rules, server.unlisted = [], ALL
    assert call("advanced")["changed"]


def test_who_may_not_ask_about_rights_goes_on(server: ApiServer, call: Call) -> None:
    server.rules = []
    forbidden = Answer(403, "Forbidden", "may not ask")
    server.before = lambda number, request: forbidden if request.method == "POST" else None
    assert call("advanced")["changed"]


def test_all_missing_rights_are_told_at_the_first_refusal(server: ApiServer, call: Call) -> None:
    server.rules = ALL[:2]

    def forbid(number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", "cannot get services") if "/services/" in request.path else None

    server.before = forbid
    result = call("advanced")
    assert "cannot get services (403 Forbidden); the account may not " in result["msg"]
    for right in ("get services", "list pods", "watch pods"):
        assert f"{right} in namespace shop" in result["msg"]
    assert server.sent("PATCH") == []


def test_a_rollback_asks_about_no_right(server: ApiServer, call: Call) -> None:
    call("weighted", weight=50)
    server.rules = [rule(ISTIO, "virtualservices", "get", "patch", resourceNames=["pong"])]
    server.reviews.clear()
    forbidden = Answer(403, "Forbidden", "no")
    server.before = lambda number, request: None if "/virtualservices/" in request.path else forbidden
    assert call("rolled_back")["changed"]
    assert (server.reviews, weights_of(server)) == ([], {"v1": 100, "v2": 0})
