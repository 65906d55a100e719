"""After `site.yml`: every row of the tutorial, as its readers see it."""

from __future__ import annotations

import pytest
from molecule_helpers import sidecar
from pong import Pong

HOST = "pong-server-service.default.svc.cluster.local"


@pytest.fixture(scope="module")
def default(kube):
    return kube("default")


def test_the_namespace_label_is_overwritten(default):
    labels = default.get("namespace", "default")["metadata"]["labels"]
    assert labels["istio-injection"] == "enabled"
    assert "istio.io/rev" not in labels


def test_every_pod_has_its_sidecar_also_the_one_that_is_older_than_the_label(default):
    pods = default.list("pods")
    assert {pod["metadata"]["labels"]["app"] for pod in pods} == {"pong-server", "older"}
    assert [pod["metadata"]["name"] for pod in pods if not sidecar(pod)] == []


@pytest.mark.parametrize(("name", "version"), [("pong-server-deployment", "v1"), ("pong-server-v2", "v2")])
def test_one_deployment_per_version(default, name, version):
    deployment = default.get("deployment", name)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 1
    assert deployment["status"]["readyReplicas"] == 1
    assert deployment["spec"]["selector"]["matchLabels"] == {"app": "pong-server", "version": version}
    assert container["image"] == "ghcr.io/s1ntaxe770r/pong:e0fb83f27536836d1420cffd0724360a7a650c13"
    assert container["ports"][0]["containerPort"] == 8080


def test_one_service_for_both_versions(default):
    spec = default.get("service", "pong-server-service")["spec"]
    assert spec["selector"] == {"app": "pong-server"}
    port = spec["ports"][0]
    assert (port["name"], port["port"], port["targetPort"], port["appProtocol"]) == ("http", 80, 8080, "http")


def test_gateway(default):
    spec = default.get("gateways.networking.istio.io", "pong-server-gateway")["spec"]
    assert spec["selector"] == {"istio": "ingressgateway"}
    assert spec["servers"] == [{"hosts": ["*"], "port": {"name": "http", "number": 80, "protocol": "HTTP"}}]


def test_destination_rule(default):
    spec = default.get("destinationrule", "pong-server-destination-rule")["spec"]
    assert spec["host"] == HOST
    assert spec["subsets"] == [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]


def test_virtual_service_sends_everything_to_v1(default):
    spec = default.get("virtualservice", "pong-server-virtual-service")["spec"]
    assert spec["gateways"] == ["pong-server-gateway"]
    (rule,) = spec["http"]
    assert rule["match"] == [{"uri": {"prefix": "/"}}]
    assert {item["destination"]["host"] for item in rule["route"]} == {HOST}
    assert {item["destination"]["port"]["number"] for item in rule["route"]} == {80}
    assert default.weights() == {"v1": 100, "v2": 0}


def test_other_scenarios_begin_with_the_same(default):
    kinds = {"Gateway": "gateways.networking.istio.io"}
    for ours in Pong("default", "*").objects():
        made = default.get(kinds.get(ours["kind"], ours["kind"]), ours["metadata"]["name"])
        assert made["metadata"]["labels"] == ours["metadata"]["labels"]
        if ours["apiVersion"].startswith("networking"):
            assert made["spec"] == ours["spec"]


def test_ping_through_the_ingress_address(answers):
    assert answers("/ping") == {"pong": 1}


def test_all_requests_reach_v1(answers):
    assert answers("/version", count=500) == {"v1": 500}


def test_istioctl_finds_nothing_to_complain_about(host):
    run = host.run("istioctl analyze --namespace default")
    assert run.rc == 0
    assert "No validation issues found" in run.stdout + run.stderr
