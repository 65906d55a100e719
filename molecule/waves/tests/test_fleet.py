"""Sixty services behind one gateway are moved by one call, and proven, as each by itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign import Foreign
from load import Load
from molecule_helpers import module

API = "networking.istio.io/v1"
SIXTY = [f"fleet-{number:02}" for number in range(60)]
NEW = {"blue": 100, "green": 0}
LABELS = {"estate": "fleet"}

Object = dict[str, Any]


def virtual_service(service: Foreign, name: str, host: str = "") -> Object:
    meta = {"name": name, "namespace": service.namespace, "labels": LABELS}
    http = [{"route": service.destinations(NEW)}]
    spec = {"hosts": [host or f"{name}.waves.test"], "gateways": ["waves-entry"], "http": http}
    return {"apiVersion": API, "kind": "VirtualService", "metadata": meta, "spec": spec}


@pytest.fixture(scope="module")
def fleet(service: Foreign) -> Iterator[Foreign]:
    items = [virtual_service(service, name) for name in SIXTY]
    service.kube.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    yield service
    service.kube.run("delete", "virtualservice", "-l", "estate=fleet")


def greens(service: Foreign) -> dict[str, int]:
    found = service.kube.list("virtualservices", "estate=fleet")
    return {each["metadata"]["name"]: each["spec"]["http"][0]["route"][1].get("weight", 0) for each in found}


def moved(service: Foreign, state: str, names: list[str], **options: Any) -> Object:
    fixed = {"namespace": service.namespace, "stable": "blue", "canary": "green", "proof_timeout": 120, "interval": 0}
    return module("canaries", state=state, canaries=[{"name": name, **fixed, **options} for name in names])


def test_sixty_in_one_call(
    fleet: Foreign, ingress: str, answers: Callable[..., Counter[str]], eventually: Callable[..., None], tmp_path: Path
) -> None:
    hosts = [f"{name}.waves.test" for name in (SIXTY[0], SIXTY[59])]
    eventually(lambda: all(answers(host=host, count=8).keys() == {"blue"} for host in hosts))
    loads = [Load(f"http://{ingress}/version", host, 20, tmp_path / f"{host}.json") for host in hosts]
    result = moved(fleet, "advanced", SIXTY, steps=[20, 50, 100])
    assert not result.get("failed"), result["msg"]
    assert greens(fleet) == dict.fromkeys(SIXTY, 20)
    assert all(each["live"] for each in result["results"])
    assert result["api_requests"] <= 3 * 60
    back = moved(fleet, "rolled_back", SIXTY)
    assert not back.get("failed"), back["msg"]
    assert greens(fleet) == dict.fromkeys(SIXTY, 0)
    assert all(each["live"] for each in back["results"])
    for load in loads:
        counts = load.stop()
        assert counts.keys() == {"200"}, counts


def test_the_failure_of_one_is_its_own(fleet: Foreign) -> None:
    fleet.kube.apply(virtual_service(fleet, SIXTY[1], "elsewhere.test"))  # the Gateway has no such host
    result = moved(fleet, "advanced", SIXTY[:3], steps=[20, 50, 100], confirm=True, proof_timeout=30)
    assert result["failed"]
    failed = [each["name"] for each in result["results"] if each.get("failed")]
    assert failed == [SIXTY[1]]
    assert greens(fleet) | {SIXTY[1]: 0} == dict.fromkeys(SIXTY, 0) | {SIXTY[0]: 20, SIXTY[2]: 20}
    (why,) = [each["msg"] for each in result["results"] if each.get("failed")]
    assert "Gateway waves/waves-entry does not accept" in why
