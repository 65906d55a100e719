"""The story of one service, each playbook run first with `--check --diff`, then for real."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from molecule_helpers import Kube

SERVICE = {"canary_namespace": "checked", "canary_gateway_hosts": ["checked.test"]}
PREVIEW = ("--check", "--diff")


@pytest.fixture(scope="module")
def checked(kube):
    return kube("checked")


def namespaces() -> set[str]:
    answer = subprocess.run(["kubectl", "get", "ns", "-o", "json"], check=True, capture_output=True).stdout
    return {item["metadata"]["name"] for item in json.loads(answer)["items"]}


def test_site_on_a_cluster_that_has_nothing(play):
    assert "checked" not in namespaces()
    run = play("site", *PREVIEW, **SERVICE).succeeded()
    assert run.changed > 0
    assert "checked" not in namespaces()


def test_teardown_of_what_is_not_there(play):
    assert play("teardown", *PREVIEW, **SERVICE).succeeded().changed == 0


def test_site_for_real(play, checked):
    assert play("site", **SERVICE).succeeded().changed > 0
    assert checked.weights() == {"v1": 100, "v2": 0}


def test_site_on_a_finished_cluster(play, checked):
    before = checked.versions()
    assert play("site", *PREVIEW, **SERVICE).succeeded().changed == 0
    assert checked.versions() == before


def test_canary_predicts_its_change_and_shows_it(play, checked):
    before = checked.versions()
    run = play("canary", *PREVIEW, weight=20, **SERVICE).succeeded()
    assert run.changed == 1
    assert "20" in run.output
    assert checked.versions() == before
    assert checked.weights() == {"v1": 100, "v2": 0}


def test_canary_for_real_then_previewed_again(play, checked):
    assert play("canary", weight=20, **SERVICE).succeeded().changed == 1
    before = checked.versions()
    assert play("canary", *PREVIEW, weight=20, **SERVICE).succeeded().changed == 0
    assert checked.versions() == before


def test_hold_stops_the_release_where_it_is(play, checked):
    before = checked.versions()
    assert play("hold", *PREVIEW, **SERVICE).succeeded().changed == 1
    assert checked.versions() == before
    assert play("hold", canary_reason="lunch", **SERVICE).succeeded().changed == 1
    assert checked.weights() == {"v1": 80, "v2": 20}
    before = checked.versions()
    assert play("hold", **SERVICE).succeeded().changed == 0
    stopped = play("advance", **SERVICE)
    assert (stopped.code, stopped.changed) == (2, 0), stopped.output
    assert "lunch" in stopped.output
    assert checked.versions() == before


@pytest.fixture
def neighbour():
    """A route of another namespace that is bound to the Gateway of this service."""
    kube = Kube("checked-neighbour")
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    spec = {
        "hosts": ["neighbour.test"],
        "gateways": ["checked/pong-server-gateway"],
        "http": [{"directResponse": {"status": 200}}],
    }
    kube.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "theirs"},
            "spec": spec,
        }
    )
    yield
    kube.run("delete", "namespace", kube.namespace, "--wait=false")


def test_teardown_previewed_leaves_a_gateway_that_other_namespaces_use(play, checked, neighbour):
    before = checked.versions()
    run = play("teardown", *PREVIEW, canary_drain=0, **SERVICE).succeeded()
    stays = "Gateway checked/pong-server-gateway stays: VirtualService checked-neighbour/theirs is bound to it"
    assert stays in " ".join(run.output.split())
    gone = re.findall(r"^changed: .*item=(\w+)", run.output, re.MULTILINE)
    assert sorted(gone) == ["Deployment", "Deployment", "DestinationRule", "Service", "VirtualService"]
    assert checked.versions() == before
