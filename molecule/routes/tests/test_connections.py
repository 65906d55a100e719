"""Connections are split by the weights of rules for TCP and TLS, beside the requests of the same service."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import ledgers
import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import acceptance_range
from ledgers import ROUTES, TCP, TLS
from moves import KUBE, REQUESTED, STEPS, move

Object = dict[str, Any]
RULES = ["web", "tls:1", "tcp:2"]
STAY = "only new connections of routes tls:1 and tcp:2 follow the weights: open ones keep their version until"


@pytest.fixture(scope="module", autouse=True)
def door(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the gateway."""
    return ledgers.set_up(tmp_path_factory.mktemp("door"))


def canary(state: str, **options: Any) -> Object:
    return move(ROUTES, state, **{"stable": "blue", "canary": "green", **options})


def is_split(found: dict[str, int], weight: int) -> None:
    """Each connection was answered, and the share of the canary is in its exact range."""
    assert set(found) <= {"blue", "green"}, found
    count = sum(found.values())
    assert count >= REQUESTED, found
    accepted = acceptance_range(count, weight / 100)
    assert accepted.low <= found.get("green", 0) <= accepted.high, (weight, found, accepted)


def test_steps_and_the_way_back(door: str) -> None:
    ledgers.reset()
    before = ledgers.spec()
    load = ledgers.Load(door)
    for weight in STEPS:
        result = canary("advanced", steps=STEPS)
        assert not result.get("failed"), result["msg"]
        assert (result["routes"], ledgers.greens()) == (RULES, {"http": [weight], "tls": [weight], "tcp": [weight]})
        assert {each["proxy"].split()[0] for each in result["live"]} == {"gateway", "sidecar"}
        assert STAY in str(result["warnings"])
        for port in (TCP, TLS):
            is_split(ledgers.connections(door, port, REQUESTED), weight)
        if weight == 20:
            for port in (TCP, TLS):
                is_split(ledgers.inside(REQUESTED, port), weight)
    assert canary("rolled_back")["changed"]
    assert ledgers.spec() == before
    for port in (TCP, TLS):
        assert ledgers.connections(door, port, 50).keys() == {"blue"}
    answers = load.stop()
    assert answers.keys() == {"blue", "green"}, answers


def test_open_connections_keep_their_version_until_they_are_drained(door: str) -> None:
    ledgers.reset()
    connection = HTTPConnection(door, TCP, timeout=ledgers.TIMEOUT)
    assert ledgers.answer_over(connection) == "blue"
    assert not canary("weighted", weight=100).get("failed")
    assert ledgers.connections(door, TCP, 20).keys() == {"green"}
    assert ledgers.answer_over(connection) == "blue"
    begin = time.monotonic()
    while version := ledgers.answer_over(connection):
        assert version == "blue"
        assert time.monotonic() - begin < 20 * ledgers.DRAIN, "it was not closed"
        time.sleep(0.5)


def test_one_of_several_rules_is_moved_alone(door: str) -> None:
    ledgers.reset()
    assert not canary("weighted", weight=50, routes=["tcp:2"]).get("failed")
    assert ledgers.greens() == {"http": [0], "tls": [0], "tcp": [50]}
    is_split(ledgers.connections(door, TCP, REQUESTED), 50)
    assert ledgers.connections(door, TLS, 50).keys() == {"blue"}
    refused = canary("weighted", weight=60, routes=["tcp:3"])
    assert "has no route tcp:3; its routes: web, tls:1, tcp:1, tcp:2" in refused["msg"]


def test_a_canary_that_refuses_connections_is_taken_back(door: str, eventually: Callable[..., None]) -> None:
    ledgers.reset()
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(canary, "advanced", steps=[50, 100], interval=120, watch=120)
        eventually(lambda: ledgers.greens()["tcp"] == [50] or step.done(), 90)
        try:
            KUBE.run("scale", "deployment", "ledger-green", "--replicas=0")
            result = step.result(150)
        finally:
            KUBE.run("scale", "deployment", "ledger-green", "--replicas=1")
    assert (result.get("failed"), result["phase"]) == (True, "rolled_back"), result["msg"]
    assert ledgers.greens() == {"http": [0], "tls": [0], "tcp": [0]}
    assert ledgers.connections(door, TCP, 50).keys() == {"blue"}
    KUBE.await_pods("ledger-green")


def test_a_version_leaves_and_the_next_one_comes(door: str) -> None:
    ledgers.reset()
    assert canary("advanced", steps=[100])["phase"] == "promoted"
    assert canary("cleaned", drain=0)["removed"] == "blue"
    rules = [rule for protocol in ("http", "tls", "tcp") for rule in ledgers.spec()[protocol]]
    assert [len(rule["route"]) for rule in rules] == [1, 1, 1, 1]
    following = canary("weighted", weight=20, stable="green", canary="blue")
    assert not following.get("failed"), following["msg"]
    assert following["routes"] == RULES
    for port in (TCP, TLS):
        is_split(ledgers.connections(door, port, REQUESTED), 80)
