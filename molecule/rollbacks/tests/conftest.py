"""A service of somebody else, and requests to it during all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from foreign import Foreign
from load import Load
from shop import OTHER, SHOP

RATE = 100  # requests a second


@pytest.fixture(scope="session")
def shop() -> Iterator[Foreign]:
    """The service, and another one that is answered by the same pods."""
    SHOP.set_up(wait=False)
    service, destination_rule, *_routes = OTHER.objects()[len(OTHER.versions) :]
    service["spec"]["selector"] = {"workload": SHOP.name}
    SHOP.kube.apply({"apiVersion": "v1", "kind": "List", "items": [service, destination_rule]})
    SHOP.await_pods()
    yield SHOP
    SHOP.remove()


@pytest.fixture(scope="module")
def loaded(shop, ingress, eventually, answers, tmp_path_factory) -> Iterator[None]:
    """Requests during all tests here; at the end each must have been answered."""
    eventually(lambda: set(answers(host=shop.public, count=20)) <= {"blue", "green"})
    load = Load(f"http://{ingress}/version", shop.public, RATE, tmp_path_factory.mktemp("load") / "result.json")
    yield
    codes = load.stop()
    assert set(codes) == {"200"}, codes
    assert codes["200"] > RATE
