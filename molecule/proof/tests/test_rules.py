"""Broken rules of the mesh: each is refused before anything is written, and the object and its remedy are named."""

from __future__ import annotations

import pytest
from gateway import RULE, VIRTUAL_SERVICE


@pytest.fixture
def refused(gateway):
    """See a step refused with these words, and nothing written."""

    def check(*words: str, **options) -> None:
        version = gateway.version
        result = gateway.canary("advanced", **{"wait_timeout": 1, **options})
        assert result.get("failed"), result["msg"]
        for word in words:
            assert word in result["msg"], result["msg"]
        assert gateway.version == version

    return check


@pytest.fixture
def broken(gateway):
    """Change objects, and put their specs back after the test."""
    before = []

    def change(kind: str, name: str, *operations: dict) -> None:
        before.append((kind, name, gateway.kube.get(kind, name)["spec"]))
        gateway.patch(kind, name, *operations)

    yield change
    for kind, name, spec in reversed(before):
        gateway.patch(kind, name, {"op": "replace", "path": "/spec", "value": spec})


def test_a_subset_that_no_rule_defines(refused, broken):
    broken("destinationrule", RULE, {"op": "remove", "path": "/spec/subsets/1"})
    refused("subset v2", f"DestinationRule proof/{RULE}")


def test_a_subset_that_selects_no_pod(refused, broken):
    broken("destinationrule", RULE, {"op": "replace", "path": "/spec/subsets/1/labels/version", "value": "v7"})
    refused("v2", "version=v7")


def test_pods_without_a_sidecar(gateway, refused, broken):
    bare = gateway.pong.deployment("bare", {})
    bare["spec"]["template"]["metadata"]["labels"] |= {"sidecar.istio.io/inject": "false"}
    gateway.kube.apply(bare)
    subset = {"name": "bare", "labels": {"version": "bare"}}
    broken("destinationrule", RULE, {"op": "add", "path": "/spec/subsets/-", "value": subset})
    gateway.kube.await_pods("pong-server-bare")
    try:
        refused("bare", "sidecar", canary="bare", wait_timeout=10)
    finally:
        gateway.kube.run("delete", "deployment", "pong-server-bare", "--wait=false")


def test_another_virtual_service_for_the_host(gateway, refused):
    model = gateway.kube.get("virtualservice", VIRTUAL_SERVICE)
    spec = {**model["spec"], "gateways": ["proof/pong-server-gateway"]}
    rival = {"apiVersion": model["apiVersion"], "kind": "VirtualService", "metadata": {"name": "rival"}, "spec": spec}
    gateway.kube.apply(rival)
    try:
        refused("proof/rival", "proof.test", "by the check one_route_per_gateway_host")
        skipped = gateway.canary("advanced", skip_checks=["one_route_per_gateway_host"], check=True)
        assert not skipped.get("failed"), skipped["msg"]
    finally:
        gateway.kube.run("delete", "virtualservice", "rival")


def test_a_gateway_that_selects_nothing(refused, broken):
    selector = {"op": "replace", "path": "/spec/selector", "value": {"istio": "nobody"}}
    broken("gateways.networking.istio.io", "pong-server-gateway", selector)
    refused("Gateway proof/pong-server-gateway", "istio=nobody", "kubectl get pods -A -l istio --show-labels")


def test_a_host_that_is_no_service(refused, broken):
    path = "/spec/http/0/route/{}/destination/host"
    hosts = [{"op": "replace", "path": path.format(index), "value": "pong-server"} for index in (0, 1)]
    broken("virtualservice", VIRTUAL_SERVICE, *hosts)
    refused("Service proof/pong-server", "does not exist")


def test_the_doctor_finds_it_and_fails(gateway, play, broken):
    settings = {"canary_namespace": "proof", "canary_gateway_hosts": ["proof.test"]}
    settings |= {"canary_ingress_service": "proof-ingress", "canary_ingress_namespace": "proof"}
    healthy = play("doctor", **settings).succeeded()
    assert "Nothing is wrong" in healthy.output
    broken("destinationrule", RULE, {"op": "remove", "path": "/spec/subsets/1"})
    sick = play("doctor", **settings)
    assert sick.code != 0
    assert "subset_defined" in sick.output
    assert "subset v2" in sick.output
