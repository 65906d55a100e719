"""Each test begins with two replicas of the gateway, both well, and everything on v1."""

from __future__ import annotations

import pytest
from gateway import Gateway


@pytest.fixture(scope="session")
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture(autouse=True)
def _everything_on_stable(gateway: Gateway) -> None:
    gateway.thaw()
    gateway.scale(2)
    gateway.canary("rolled_back")
    gateway.forget()
    assert gateway.weights == {"v1": 100, "v2": 0}
