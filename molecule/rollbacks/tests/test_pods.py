"""Versions of a service of somebody else that lack pods: what may go to them, and what comes back from them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from molecule_helpers import hint_of, module, paste
from shop import SHOP

ROUTES, BLUE, GREEN = (f"{SHOP.name}-{part}" for part in ("routes", "blue", "green"))
OPTIONS = {"name": ROUTES, "namespace": SHOP.namespace, "stable": "blue", "canary": "green", "wait_timeout": 2}
SOON = 90  # seconds in which pods get ready on a busy machine
PLAYBOOK = {"canary_namespace": SHOP.namespace, "canary_virtual_service": ROUTES, "canary_deadline": SOON}
PLAYBOOK |= {"canary_app": SHOP.name, "canary_stable_version": "blue", "canary_version": "green"}
NOWHERE, ANYWHERE = (
    {"op": "add", "path": "/spec/template/spec/nodeSelector", "value": node} for node in ({"nobody": "has-it"}, {})
)


@pytest.fixture
def two_each(shop) -> None:
    """Two ready pods of each version, all requests at blue, no annotation."""
    update(1, 0, ANYWHERE)
    scale(blue=2, green=2)
    shop.kube.await_pods(BLUE, GREEN)
    http = [{"route": shop.destinations({"blue": 100, "green": 0})}]
    parts = [{"op": "replace", "path": "/spec/http", "value": http}, annotated({})]
    shop.patch("virtualservice", ROUTES, *parts)


def annotated(annotations: dict[str, str]) -> dict[str, Any]:
    return {"op": "add", "path": "/metadata/annotations", "value": annotations}


def scale(**replicas: int) -> None:
    for version, count in replicas.items():
        SHOP.kube.run("scale", "deployment", f"{SHOP.name}-{version}", f"--replicas={count}")


def update(surge: int, missing: int, *template: dict[str, Any]) -> None:
    """A rolling update of blue."""
    strategy = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}}
    SHOP.patch("deployment", BLUE, {"op": "add", "path": "/spec/strategy", "value": strategy}, *template)


def pods(version: str) -> int:
    return len(SHOP.kube.list("pods", f"{SHOP.label}={version}"))


def canary(state: str, **options: Any) -> dict[str, Any]:
    return module("canary", **{**OPTIONS, "state": state, **options})


def weights() -> dict[str, int]:
    (rule,) = SHOP.kube.get("virtualservice", ROUTES)["spec"]["http"]
    return {entry["destination"]["subset"]: entry.get("weight", 0) for entry in rule["route"]}


@contextmanager
def meanwhile(action: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=action)
    thread.start()
    yield
    thread.join()


def test_a_weight_that_is_set_already_is_no_success_without_its_pods(shop, two_each, eventually):
    assert canary("weighted", weight=20)["changed"]
    scale(green=0)
    eventually(lambda: pods("green") == 0)
    result = canary("weighted", weight=20)
    assert result["failed"]
    assert f"it has no pods (Deployment {GREEN} is scaled to 0); waited 2 s" in result["msg"]
    with meanwhile(lambda: scale(green=2)):
        result = canary("weighted", weight=20, wait_timeout=SOON)
    assert (result.get("failed", False), result["changed"]) == (False, False), result["msg"]
    assert weights() == {"blue": 80, "green": 20}


def test_stable_without_pods_keeps_nobody_and_gets_nobody_back(shop, two_each, eventually, request):
    """None of two ready, and a third one of an update: the canary takes all. A rollback waits until there are pods."""
    assert canary("weighted", weight=20)["changed"]
    scale(blue=0)
    update(1, 0, NOWHERE)
    scale(blue=2)
    eventually(lambda: pods("blue") == 2)
    update(1, 0, {"op": "add", "path": "/spec/template/metadata/annotations", "value": {"again": "1"}})
    eventually(lambda: pods("blue") == 3)
    taken = canary("weighted", weight=100)
    assert taken["changed"], taken["msg"]
    request.getfixturevalue("loaded")

    result = canary("rolled_back")
    assert (result.get("failed"), weights()) == (True, {"blue": 0, "green": 100}), result
    assert "0 of 2 pods ready" in result["msg"]
    assert "cannot be scheduled" in result["msg"]
    assert "green is held at 100 %" in canary("advanced", steps=[100], interval=0)["msg"]
    with meanwhile(lambda: (time.sleep(1), update(1, 0, ANYWHERE))):
        result = canary("rolled_back", wait_timeout=SOON)
    assert (result.get("failed", False), result["phase"]) == (False, "rolled_back"), result["msg"]
    assert weights() == {"blue": 100, "green": 0}


def test_to_one_pod_of_two_half_goes_back_at_once_and_the_rest_later(shop, two_each, loaded, eventually):
    assert canary("weighted", weight=100)["changed"]
    update(0, 1, NOWHERE)
    eventually(lambda: canary_info()["blue"] == {"ready": 1, "total": 2})
    result = canary("rolled_back", playbook_options=f"-e '{json.dumps(PLAYBOOK)}'")
    assert (result.get("failed"), weights()) == (True, {"blue": 50, "green": 50}), result
    assert "1 of 2 pods ready" in result["msg"]
    assert "cannot be scheduled" in result["msg"]
    with meanwhile(lambda: update(1, 0, ANYWHERE)):
        paste(hint_of(result["msg"]))
    assert weights() == {"blue": 100, "green": 0}


def canary_info() -> dict[str, dict[str, int]]:
    """How many pods of each version are ready, of how many that are wanted."""
    found = module("canary_info", **{name: OPTIONS[name] for name in ("name", "namespace", "stable", "canary")})
    return {name: {key: each[key] for key in ("ready", "total")} for name, each in found["versions"].items()}
