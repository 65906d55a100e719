"""A host of a ServiceEntry, of which no pods are known, is moved and proven like a Service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from foreign import GATEWAY_SELECTOR, Foreign
from load import Load
from moves import KUBE, NAMESPACE, STEPS, istio_object, move, split, start_anew

SHOP = Foreign(NAMESPACE, name="partner")
HOST, PUBLIC = "api.partner.example", "partner.routes.test"
ROUTES = "partner-api"

Object = dict[str, Any]


def rules() -> list[Object]:
    weights = (("old", 100), ("new", 0))
    return [{"route": [{"destination": {"host": HOST, "subset": name}, "weight": weight} for name, weight in weights]}]


@pytest.fixture(scope="module", autouse=True)
def _partner() -> None:
    """Two servers outside of the mesh, as far as Istio knows: addresses with labels."""
    made = [each for each in SHOP.objects() if each["kind"] in ("Deployment", "Service")]
    whole = next(each for each in made if each["kind"] == "Service")
    doors = [
        {
            **whole,
            "metadata": {**whole["metadata"], "name": f"partner-{version}"},
            "spec": {**whole["spec"], "selector": {"workload": SHOP.name, SHOP.label: version}},
        }
        for version in SHOP.versions
    ]
    KUBE.set_up([*(each for each in made if each is not whole), *doors])
    addresses = [KUBE.get("service", f"partner-{version}")["spec"]["clusterIP"] for version in SHOP.versions]
    port = {"number": 8088, "name": "http", "protocol": "HTTP"}
    endpoints = [
        {"address": address, "labels": {"generation": name}, "ports": {"http": 8088}}
        for address, name in zip(addresses, ("old", "new"), strict=True)
    ]
    subsets = [{"name": name, "labels": {"generation": name}} for name in ("old", "new")]
    near = {"exportTo": [".", "istio-system"]}
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [PUBLIC]}
    entry = {"hosts": [HOST], "ports": [port], "resolution": "STATIC", "location": "MESH_EXTERNAL"}
    KUBE.set_up(
        [
            istio_object("ServiceEntry", "partner", endpoints=endpoints, **entry, **near),
            istio_object("DestinationRule", "partner-api", host=HOST, subsets=subsets, **near),
            istio_object("Gateway", "partner-entry", selector=GATEWAY_SELECTOR, servers=[server]),
            istio_object(
                "VirtualService",
                ROUTES,
                hosts=[PUBLIC, HOST],
                gateways=["partner-entry", "mesh"],
                http=rules(),
                **near,
            ),
        ],
        wait=False,
    )


def canary(state: str, **options: Any) -> Object:
    return move(ROUTES, state, **{"stable": "old", "canary": "new", "min_ready": 0, **options})


def reset() -> None:
    start_anew(ROUTES, rules())


def weights() -> list[int]:
    return [each["weight"] for each in KUBE.get("virtualservice", ROUTES)["spec"]["http"][0]["route"]]


def test_steps_and_the_way_back(ingress: str, tmp_path: Path) -> None:
    reset()
    refused = canary("advanced", steps=STEPS, min_ready=1)
    assert "if it is a host of a ServiceEntry, set min_ready: 0" in refused["msg"]
    load = Load(f"http://{ingress}/version", PUBLIC, 40, tmp_path / "load.json")
    for weight in STEPS:
        result = canary("advanced", steps=STEPS)
        assert not result.get("failed"), result["msg"]
        assert weights() == [100 - weight, weight]
        assert {each["proxy"].split()[0] for each in result["live"]} == {"gateway", "sidecar"}
        found = split(f"http://{ingress}/version", PUBLIC, {"blue": 100 - weight, "green": weight})
        assert not found.get("failed"), (weight, found["msg"])
    assert canary("rolled_back")["changed"]
    counts = load.stop()
    assert counts.keys() == {"200"}, counts
    assert weights() == [100, 0]


def test_its_errors_are_counted(ingress: str, tmp_path: Path) -> None:
    reset()
    load = Load(f"http://{ingress}/version", PUBLIC, 100, tmp_path / "load.json")
    result = canary("advanced", steps=[50, 100], interval=8, watch=60, analysis={"latency": False, "deadline": 60})
    load.stop()
    assert not result.get("failed"), result["msg"]
    (judged,) = result["judged"]
    for version, counted in judged["versions"].items():
        assert (counted["requests"] >= 100, counted["failed"]) == (True, 0), (version, counted)
