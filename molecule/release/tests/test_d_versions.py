"""Versions that never get ready, versions that go away, and versions that come while another one is under way."""

from __future__ import annotations

import json

import pytest
from molecule_helpers import module
from service import OPTIONS, STEPS

HOST = "release.test"


def deploy(release, version: str, image: str | None = None, **environment: str) -> None:
    """Run one more version behind the Service, and name it in the DestinationRule."""
    deployment = release.kube.get("deployment", "pong-server-v2")
    text = json.dumps(deployment["spec"]).replace('"v2"', f'"{version}"')
    spec = json.loads(text)
    container = spec["template"]["spec"]["containers"][0]
    container["image"] = image or container["image"]
    container["env"] = [item for item in container.get("env", []) if item["name"] not in environment]
    container["env"] += [{"name": name, "value": value} for name, value in environment.items()]
    metadata = {"name": f"pong-server-{version}", "labels": {"app": "pong-server", "version": version}}
    release.kube.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    subset = [{"op": "add", "path": "/spec/subsets/-", "value": {"name": version, "labels": {"version": version}}}]
    rule = "pong-server-destination-rule"
    known = [item["name"] for item in release.kube.get("destinationrule", rule)["spec"]["subsets"]]
    if version not in known:
        release.kube.run("patch", "destinationrule", rule, "--type=json", "-p", json.dumps(subset))


def remove(release, version: str) -> None:
    release.kube.run("delete", "deployment", f"pong-server-{version}", "--wait=false")


def told(release, version: str) -> set[str]:
    """What the kubelet has said so far of the server in the pods of a version."""
    statuses = [pod["status"].get("containerStatuses", []) for pod in release.kube.list("pods", f"version={version}")]
    servers = [server for each in statuses for server in each if server["name"] != "istio-proxy"]
    states = [state for server in servers for state in (server["state"], server["lastState"])]
    return {word for each in states for kind, details in each.items() for word in (kind, details.get("reason"))}


@pytest.mark.parametrize(
    ("version", "image", "environment", "state", "reason"),
    [
        (
            "missing",
            "localhost/does-not-exist:1",
            {},
            {"ErrImagePull", "ImagePullBackOff"},
            "ErrImagePull|ImagePullBackOff",
        ),
        ("crashing", None, {"PONG_CRASH_AFTER": "0.2"}, {"terminated"}, "exit|CrashLoopBackOff|terminated"),
        ("sleeping", None, {"PONG_NOT_READY": "true"}, {"running"}, "readiness probe does not pass"),
    ],
)
def test_a_version_that_never_gets_ready(release, eventually, version, image, environment, state, reason):
    deploy(release, version, image, **environment)
    try:
        eventually(lambda: told(release, version) & state)
        result = release.canary("advanced", canary=version, wait_timeout=1)
        assert result["failed"]
        assert any(word in result["msg"] for word in reason.split("|")), result["msg"]
        assert version in result["msg"]
        assert release.weights == {"v1": 100, "v2": 0}
    finally:
        remove(release, version)


def test_rollback_with_the_canary_gone(release, split):
    release.canary("weighted", weight=50)
    release.kube.run("scale", "deployment", "pong-server-v2", "--replicas=0")
    try:
        assert release.canary("rolled_back")["changed"]
        assert release.weights == {"v1": 100, "v2": 0}
        split(0, count=200, host=HOST)
    finally:
        release.kube.run("scale", "deployment", "pong-server-v2", "--replicas=1")
        release.kube.run("rollout", "status", "deployment", "pong-server-v2", "--timeout=170s")


def test_a_canary_that_dies_while_it_soaks_is_rolled_back(release):
    killer = "(sleep 2; kubectl -n release scale deployment pong-server-v2 --replicas=0) >/dev/null 2>&1 &"
    options = {**OPTIONS, "state": "advanced", "steps": STEPS, "interval": 20, "watch": 20}
    try:
        result = module("canary", fault=("before-patch", killer), **options)
        assert result.get("failed"), result["msg"]
        assert release.weights == {"v1": 100, "v2": 0}
        assert release.info()["phase"] == "rolled_back"
    finally:
        release.kube.run("scale", "deployment", "pong-server-v2", "--replicas=1")
        release.kube.run("rollout", "status", "deployment", "pong-server-v2", "--timeout=170s")


def test_a_new_release_while_one_is_under_way_and_the_cleanup_after_it(release, split, eventually):
    """v3 comes while v2 has half: v2 to nothing first, v3 from its first step, and in the end only v3 is left.

    The cleanup takes v2 away too, which the release before had left, and leaves v4, which is ready for the next one.
    """
    release.canary("weighted", weight=50)
    deploy(release, "v3", PONG_VERSION="v3")
    deploy(release, "v4", PONG_VERSION="v4")
    release.kube.run("rollout", "status", "deployment", "pong-server-v3", "--timeout=170s")
    first = release.canary("advanced", canary="v3")
    events = [past["event"] for past in first["transitions"]] if "transitions" in first else []
    assert release.weights.get("v2", 0) == 0, events
    while release.info(canary="v3")["phase"] != "promoted":
        assert not release.canary("advanced", canary="v3").get("failed")
    assert release.weights["v3"] == 100
    split(100, canary="v3", count=500, host=HOST)

    after = {"canary_version": "v3", "canary_cleanup_after": 1, "canary_drain": 1}
    runs = []
    eventually(lambda: runs.append(release.play("cleanup", **after).succeeded()) or runs[-1].changed > 0, 20)
    assert "v4, of no known release, stays: its Deployment is newer" in " ".join(runs[-1].output.split())
    assert release.weights == {"v3": 100}
    names = [
        item["name"] for item in release.kube.get("destinationrule", "pong-server-destination-rule")["spec"]["subsets"]
    ]
    assert {"v1", "v2", "v3", "v4"} & set(names) == {"v3", "v4"}
    deployments = {item["metadata"]["name"] for item in release.kube.list("deployments")}
    assert deployments & {"pong-server-deployment", "pong-server-v2"} == set()
    assert {"pong-server-v3", "pong-server-v4"} <= deployments
    assert release.play("cleanup", **after).succeeded().changed == 0
    split(100, canary="v3", count=500, host=HOST)

    following = release.canary("advanced", stable="v3", canary="v4")
    assert not following.get("failed"), following["msg"]
    assert release.weights == {"v3": 90, "v4": 10}
