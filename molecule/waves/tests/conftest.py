"""The pods of all services of the scenario, and the Gateway in front of them."""

from __future__ import annotations

import pytest
from foreign import GATEWAY_SELECTOR, Foreign


@pytest.fixture(scope="session")
def service() -> Foreign:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*.waves.test"]}
    found = Foreign("waves", gateways=["waves-entry"])
    found.set_up(wait=False)
    found.kube.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "waves-entry", "namespace": found.namespace},
            "spec": {"selector": GATEWAY_SELECTOR, "servers": [server]},
        }
    )
    found.await_pods()
    return found
