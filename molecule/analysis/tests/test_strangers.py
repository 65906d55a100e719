"""A service that is not the tutorial's, in a gateway where others fail: whose requests are counted, and as whose.

Its pods carry another label than `version`, its canary has two Deployments, and another namespace has workloads of the
same names. What the strangers fail there is of every kind that a gateway knows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from foreign import Foreign
from load import Load
from molecule_helpers import module

SHOP = Foreign("analysis-foreign", versions={"blue": {}, "green": {}, "broken": {"PONG_ERROR_RATE": "1"}})
STRANGERS = Foreign("analysis-strangers", versions={"blue": {"PONG_ERROR_RATE": "1"}})
OPTIONS = {"name": "checkout-routes", "namespace": SHOP.namespace, "stable": "blue", "wait_timeout": 30}
STEP = {"state": "advanced", "steps": [20, 50, 100]}
LATE = {"-1"}  # answers for which fortio did not wait on a busy machine
UNCOUNTED = "x-lab-uncounted: 1"  # keeps the lab's proxies from making series of a request

# Each path of the strangers fails in another way. What no rule matches has no route.
NO_CLUSTER, NO_ENDPOINT, NO_CONNECTION, BY_THE_SERVER, NO_ROUTE = "gone", "empty", "closed", "server", "nowhere"
ANSWERS = {NO_CLUSTER: "503", NO_ENDPOINT: "503", NO_CONNECTION: "503", BY_THE_SERVER: "500", NO_ROUTE: "404"}


def second_deployment() -> dict[str, Any]:
    """One more of the canary's version, under another name."""
    found = next(each for each in SHOP.objects() if each["metadata"]["name"] == "checkout-green")
    spec = json.loads(json.dumps(found["spec"]))
    for labels in (spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
        labels["zone"] = "b"
    return {**found, "metadata": {**found["metadata"], "name": "checkout-zone-b"}, "spec": spec}


def strangers() -> list[dict[str, Any]]:
    closed = {"metadata": {"name": "closed", "namespace": STRANGERS.namespace}}
    api = "networking.istio.io/v1"
    endpoint = {"address": "127.0.0.1", "ports": {"http": 9}}  # where nobody listens in the gateway
    places = {
        NO_CLUSTER: {"host": STRANGERS.host, "subset": "gone"},
        NO_ENDPOINT: {"host": STRANGERS.host, "subset": "empty"},
        NO_CONNECTION: {"host": "closed.test", "port": {"number": 80}},
        BY_THE_SERVER: {"host": STRANGERS.host, "subset": "blue"},
    }
    rules = [
        {"match": [{"uri": {"prefix": f"/{path}"}}], "rewrite": {"uri": "/version"}, "route": [{"destination": place}]}
        for path, place in places.items()
    ]
    entry = {
        "hosts": ["closed.test"],
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "resolution": "STATIC",
        "location": "MESH_EXTERNAL",
        "endpoints": [endpoint],
    }
    others = replace(STRANGERS, rules=rules).objects()
    rule = next(each for each in others if each["kind"] == "DestinationRule")
    rule["spec"]["subsets"].append({"name": "empty", "labels": {"track": "empty"}})
    return [*others, {"apiVersion": api, "kind": "ServiceEntry", **closed, "spec": entry}]


@pytest.fixture(scope="module")
def services() -> None:
    for service, more in ((SHOP, [second_deployment()]), (STRANGERS, strangers())):
        service.set_up(wait=False)
        service.kube.apply({"apiVersion": "v1", "kind": "List", "items": more})
    for service, names in ((SHOP, ["blue", "green", "broken", "zone-b"]), (STRANGERS, ["blue"])):
        for name in names:
            service.kube.run("rollout", "status", "deployment", f"checkout-{name}", "--timeout=120s")


@pytest.fixture
def shop(services: None) -> Foreign:
    route = SHOP.destinations({"blue": 100, "green": 0, "broken": 0})
    SHOP.patch("virtualservice", "checkout-routes", {"op": "replace", "path": "/spec/http/0/route", "value": route})
    SHOP.kube.run("annotate", "virtualservice", "checkout-routes", "progressive.istio/canary-")
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
def failures(services: None, loads: Any) -> dict[str, Load]:
    """A hundred requests a second that fail in the same gateway."""
    return {path: loads(path, STRANGERS, path, 20) for path in ANSWERS}


def step(canary: str, analysis: dict[str, Any], interval: int) -> dict[str, Any]:
    return module("canary", **OPTIONS, **STEP, canary=canary, interval=interval, analysis=analysis)


def test_failures_of_strangers_do_not_touch_a_good_canary(shop: Foreign, loads: Any, failures: dict[str, Load]) -> None:
    users = loads("users", shop, "version", 100)
    time.sleep(2)
    result = step("green", {"deadline": 60}, 8)
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
    assert answered["200"] * 0.6 < requests < answered["200"]
    assert 0.15 < green["requests"] / requests < 0.25
    assert green["timed"] > 0.5 * green["requests"], "its latencies are not known by its workloads"


def test_a_bad_canary_goes_back_among_them(shop: Foreign, loads: Any, failures: dict[str, Load]) -> None:
    users = loads("users", shop, "version", 100)
    time.sleep(2)
    result = step("broken", {}, 40)
    time.sleep(1)
    answers = users.stop()
    assert result["phase"] == "rolled_back", result["msg"]
    assert result["weights"]["after"]["broken"] == 0
    assert 0 < answers["500"] <= 12, answers
    assert set(answers) - LATE == {"200", "500"}, answers


def test_without_telemetry_errors_are_judged_and_latency_is_unknown(shop: Foreign, loads: Any) -> None:
    users = loads("users", shop, "version", 100, UNCOUNTED)
    time.sleep(1)
    result = step("green", {"deadline": 3}, 6)
    assert result["phase"] == "held", result["msg"]
    assert "no istio_request_duration_milliseconds of checkout.analysis-foreign.svc.cluster.local" in result["msg"]
    assert "set analysis.latency: false" in result["msg"]
    checks = {each["name"]: each["result"] for each in result["analysis"]["checks"]}
    assert checks == {"errors": "pass", "worse_than_stable": "pass", "latency": "inconclusive", "unattributed": "pass"}
    module("canary", **OPTIONS, canary="green", state="rolled_back")
    result = step("broken", {}, 40)
    time.sleep(1)
    answers = users.stop()
    assert result["phase"] == "rolled_back", result["msg"]
    assert 0 < answers["500"] <= 12, answers
