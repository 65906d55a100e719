"""What happens while istiod is away, and that the next run goes on once it is back."""

from __future__ import annotations

import json

import pytest
from gateway import Gateway, proxies
from molecule_helpers import Kube


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway("exclusive-istiod")
    gateway.set_up()
    gateway.reset()
    return gateway


@pytest.fixture
def istiod():
    """istiod, which is back after the test whatever happens; its webhook lets configuration pass while it is away."""
    system = Kube("istio-system")
    hooks = json.loads(system.run("get", "validatingwebhookconfigurations", "-o", "json"))["items"]
    names = [each["metadata"]["name"] for each in hooks if each["metadata"]["name"].startswith("istio")]
    system.run("scale", "deployment", "istiod", "--replicas=0")
    system.run("wait", "pods", "-l", "app=istiod", "--for=delete", "--timeout=170s")
    for name in names:
        ignore = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
        system.run("patch", "validatingwebhookconfiguration", name, "--type=json", "-p", json.dumps(ignore))

    def back() -> None:
        system.run("scale", "deployment", "istiod", "--replicas=1")
        system.run("rollout", "status", "deployment", "istiod", "--timeout=170s")

    yield back
    back()


def test_a_step_without_istiod_is_not_live_and_the_next_run_goes_on(gateway, istiod):
    failed = gateway.canary("advanced", proof_timeout=3)
    assert (failed["failed"], failed["changed"]) == (True, True)
    assert "accepted by the API server with v1 90 %, v2 10 %, but that is not live on 2 of 2 proxies" in failed["msg"]
    assert "istiod is down" in failed["msg"]
    for pod in gateway.pods:
        assert pod in failed["msg"]
    assert gateway.annotation["unverified"] is True
    refused = gateway.canary("advanced", proof_timeout=1)
    assert (refused["failed"], gateway.weights) == (True, {"v1": 90, "v2": 10})
    istiod()
    following = gateway.canary("advanced")
    assert following["weights"]["after"] == {"v1": 50, "v2": 50}, following["msg"]
    assert proxies(following) == gateway.pods
