"""A route that is bound to the mesh: which sidecars a release waits for, when one in another namespace is frozen."""

from __future__ import annotations

import time

import pytest
from gateway import FREEZE, VIRTUAL_SERVICE
from molecule_helpers import Kube

WEB = Kube("proof-web")
SIDECAR = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Sidecar",
    "metadata": {"name": "default", "namespace": "proof-web"},
    "spec": {"egress": [{"hosts": ["./*", "istio-system/*"]}]},
}
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "proof-web", "labels": {"istio-injection": "enabled"}},
}


def signal(name: str) -> None:
    WEB.run(*FREEZE.format(namespace="proof-web", pod="deploy/client", signal=name).split()[3:])


@pytest.fixture(scope="module")
def client(gateway):
    """A pod of another team, and the route bound to the mesh too; how long a share takes when all answer."""
    WEB.apply(NAMESPACE)
    account = f"client-{time.time_ns()}"  # the pods of the Service know those of earlier runs
    WEB.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": "proof-web"}})
    container = {"name": "client", "image": "localhost/fortio:lab", "args": ["server"]}
    template = {
        "metadata": {"labels": {"app": "client"}},
        "spec": {"containers": [container], "serviceAccountName": account},
    }
    spec = {"selector": {"matchLabels": {"app": "client"}}, "template": template}
    meta = {"name": "client", "namespace": "proof-web"}
    WEB.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
    before = gateway.kube.get("virtualservice", VIRTUAL_SERVICE)["spec"]
    mesh = {"hosts": [*before["hosts"], gateway.pong.host], "gateways": [*before["gateways"], "mesh"]}
    gateway.patch(
        "virtualservice", VIRTUAL_SERVICE, *({"op": "add", "path": f"/spec/{key}", "value": mesh[key]} for key in mesh)
    )
    WEB.await_pods("client")
    _result, usual = share(gateway, 10)
    gateway.reset()
    yield usual
    undo = ({"op": "add", "path": f"/spec/{key}", "value": before[key]} for key in mesh)
    gateway.patch("virtualservice", VIRTUAL_SERVICE, *undo)
    WEB.run("delete", "namespace", "proof-web", "--wait=false")


@pytest.fixture
def frozen(client):
    """Its Envoy gives no answer, and is still Ready for a while."""
    signal("STOP")
    yield client
    signal("CONT")
    WEB.run("wait", "pods", "-l", "app=client", "--for=condition=Ready", "--timeout=170s")


def share(gateway, weight: int, **options):
    """What came of a share, and after how many seconds."""
    begin = time.monotonic()
    result = gateway.canary("weighted", weight=weight, **options)
    return result, time.monotonic() - begin


def test_a_frozen_sidecar_that_cannot_carry_the_route_is_not_waited_for(gateway, frozen):
    path = "/spec/exportTo"
    gateway.patch("virtualservice", VIRTUAL_SERVICE, {"op": "add", "path": path, "value": ["."]})
    by_export = gateway.canary("weighted", weight=10)
    gateway.patch("virtualservice", VIRTUAL_SERVICE, {"op": "remove", "path": path})
    WEB.apply(SIDECAR)
    by_import = gateway.canary("weighted", weight=20)
    WEB.run("delete", "sidecars.networking.istio.io", "default")
    for result in (by_export, by_import):
        assert not result.get("failed"), result["msg"]
        assert result["proxies"]["sidecars_left_out"] >= 1
        assert result["proxies"]["unanswered"] == []
        assert not any("proof-web" in each["proxy"] for each in result["live"])


def test_a_frozen_sidecar_that_has_never_called_is_named_and_the_release_goes_on(gateway, frozen):
    result, seconds = share(gateway, 10)
    assert not result.get("failed"), result["msg"]
    (named,) = result["proxies"]["unanswered"]
    assert named.startswith("sidecar proof-web/client-")
    assert "no pod of Service proof/pong-server-service has had a request from it" in named
    assert gateway.weights == {"v1": 90, "v2": 10}
    assert seconds < 10 + 5 * frozen


def test_a_frozen_sidecar_that_calls_is_named_in_time(gateway, client):
    load = ("fortio", "load", "-quiet", "-c", "1", "-n", "20", "-qps", "0", "http://pong-server-service.proof/version")
    WEB.run("exec", "deploy/client", "-c", "client", "--", *load)
    signal("STOP")
    timeout = 5 + 3 * client  # as many sidecars as the other scenarios have are asked
    try:
        refused, seconds = share(gateway, 10, proof_timeout=timeout)
    finally:
        signal("CONT")
    assert refused["failed"]
    assert "is not live on 1 of" in refused["msg"]
    assert "sidecar proof-web/client-" in refused["msg"]
    assert "proof/pong-server-service has had requests from it" in refused["msg"]
    assert gateway.weights == {"v1": 100, "v2": 0}
    assert seconds < timeout + 5 + 5 * client
    assert not gateway.canary("weighted", weight=10).get("failed")
