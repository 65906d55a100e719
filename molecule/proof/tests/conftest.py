"""Each test begins with two replicas of the gateway, both well, and everything on v1."""

from __future__ import annotations

import pytest
from gateway import Gateway


@pytest.fixture(scope="session")
def gateway() -> Gateway:
    gateway = Gateway("proof")
    gateway.set_up()
    return gateway


@pytest.fixture(autouse=True)
def _everything_on_stable(gateway: Gateway) -> None:
    gateway.reset()
