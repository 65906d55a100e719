"""A service that is not the tutorial's, in a gateway where others fail: whose requests are counted, and as whose.

Its pods carry another label than `version`, its canary has two Deployments, and another namespace has workloads of the
same names. What the strangers fail there is of every kind that a gateway knows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import acceptance_range
from foreign import Foreign
from load import Load
from molecule_helpers import module
from pace import Pace
from strangers import ANSWERS, SHOP, STRANGERS

OPTIONS = {"name": "checkout-routes", "namespace": SHOP.namespace, "stable": "blue", "wait_timeout": 30}
STEP = {"state": "advanced", "steps": [20, 50, 100]}
SOAK = 8  # seconds
LATE = {"-1"}  # answers for which fortio did not wait on a busy machine
UNCOUNTED = "x-lab-uncounted: 1"  # keeps the lab's proxies from making series of a request


@pytest.fixture
def shop() -> Foreign:
    route = SHOP.destinations({"blue": 100, "green": 0, "broken": 0})
    parts = [("/spec/http/0/route", route), ("/metadata/annotations", {})]
    SHOP.patch(
        "virtualservice", "checkout-routes", *({"op": "add", "path": path, "value": value} for path, value in parts)
    )
    return SHOP


@pytest.fixture
def loads(ingress: str, tmp_path: Path) -> Iterator[Any]:
    """Requests at a steady rate to a path of a service; by the name under which their answers are wanted."""
    running: dict[str, Load] = {}

    def start(name: str, service: Foreign, path: str, rate: int, *headers: str) -> Load:
        result = tmp_path / f"{name}.json"
        running[name] = Load(f"http://{ingress}/{path}", service.public, rate, result, *headers)
        return running[name]

    yield start
    for each in running.values():
        each.stop()


@pytest.fixture
def failures(loads: Any) -> dict[str, Load]:
    """A hundred requests a second that fail in the same gateway."""
    return {path: loads(path, STRANGERS, path, 20) for path in ANSWERS}


def step(canary: str, analysis: dict[str, Any], interval: int) -> dict[str, Any]:
    return module("canary", **OPTIONS, **STEP, canary=canary, interval=interval, analysis=analysis)


def test_failures_of_strangers_do_not_touch_a_good_canary(shop: Foreign, loads: Any, failures: dict[str, Load]) -> None:
    users = loads("users", shop, "version", 100)
    result = step("green", {"deadline": 60}, SOAK)
    answered, failed = users.stop(), {path: load.stop() for path, load in failures.items()}
    assert not result.get("failed"), result["msg"]
    assert result["weights"]["after"] == {"blue": 80, "green": 20}
    assert {path: set(answers) - LATE for path, answers in failed.items()} == {p: {code} for p, code in ANSWERS.items()}
    assert set(answered) - LATE == {"200"}
    (judged,) = result["judged"]
    green, blue = (judged["versions"][version] for version in ("green", "blue"))
    assert (green["failed"], blue["failed"], judged["unattributed"]) == (0, 0, 0)
    # Both Deployments of the canary: a fifth of all, where one of them alone would have a tenth.
    requests = green["requests"] + blue["requests"]
    assert 0.8 * SOAK * answered["200"] / users.seconds < requests < answered["200"]
    assert green["requests"] in acceptance_range(requests, 0.2, 0.99999)
    # Latencies are counted late, and those of both versions alike.
    timed, expected = green["timed"] / green["requests"], blue["timed"] / blue["requests"]
    assert timed > 0.75 * expected > 0, "the latencies of one of its workloads are not known"


def test_a_bad_canary_goes_back_among_them(shop: Foreign, loads: Any, failures: dict[str, Load]) -> None:
    users = loads("users", shop, "version", 100)
    with Pace() as pace:
        result = step("broken", {}, 40)
    time.sleep(0.5)
    answers = users.stop()
    assert result["phase"] == "rolled_back", result["msg"]
    assert result["weights"]["after"]["broken"] == 0
    assert 0 < answers["500"] <= 20 * pace.slowdown, answers
    assert set(answers) - LATE == {"200", "500"}, answers


def test_without_telemetry_errors_are_judged_and_latency_is_unknown(shop: Foreign, loads: Any) -> None:
    users = loads("users", shop, "version", 100, UNCOUNTED)
    result = step("green", {"success": {"bad_error": 0.3}, "minimum_requests": 20, "deadline": 4}, 12)
    assert result["phase"] == "held", result["msg"]
    assert "no istio_request_duration_milliseconds of checkout.analysis-foreign.svc.cluster.local" in result["msg"]
    assert "set analysis.latency: false" in result["msg"]
    checks = {each["name"]: each["result"] for each in result["analysis"]["checks"]}
    assert checks == {"errors": "pass", "worse_than_stable": "pass", "latency": "inconclusive", "unattributed": "pass"}
    module("canary", **OPTIONS, canary="green", state="rolled_back")
    with Pace() as pace:
        result = step("broken", {}, 40)
    time.sleep(0.5)
    answers = users.stop()
    assert result["phase"] == "rolled_back", result["msg"]
    assert 0 < answers["500"] <= 20 * pace.slowdown, answers
