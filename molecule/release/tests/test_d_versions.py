"""Versions that never get ready, versions that go away, and versions that come while another one is under way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from molecule_helpers import Kube, module
from service import OPTIONS, PONG, STEPS

HOST = "release.test"


@dataclass(frozen=True)
class Version:
    """One more version behind the Service. image: if it is another one."""

    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""


UNFIT = {
    "missing": Version(image="localhost/does-not-exist:1"),
    "crashing": Version({"PONG_CRASH_AFTER": "0.01"}),  # before a probe can find it ready
    "sleeping": Version({"PONG_NOT_READY": "true"}),
}
MORTAL = ("leaver", "mayfly")  # ready, until a test takes their pods away
NEXT = ("v3", "v4")


def deploy(versions: Mapping[str, Version]) -> None:
    """Run these, and name them in the DestinationRule."""
    kube, rule = Kube(PONG.namespace), "pong-server-destination-rule"
    items = [PONG.deployment(name, version.environment) for name, version in versions.items()]
    for item, version in zip(items, versions.values(), strict=True):
        if version.image:
            item["spec"]["template"]["spec"]["containers"][0]["image"] = version.image
    kube.apply({"apiVersion": "v1", "kind": "List", "items": items})
    subsets = kube.get("destinationrule", rule)["spec"]["subsets"]
    known = {each["name"] for each in subsets}
    subsets += [{"name": name, "labels": {"version": name}} for name in versions if name not in known]
    patch = [{"op": "replace", "path": "/spec/subsets", "value": subsets}]
    kube.run("patch", "destinationrule", rule, "--type=json", "-p", json.dumps(patch))


@pytest.fixture(scope="module", autouse=True)
def others(pong: None) -> None:
    """Their pods come up together."""
    deploy({**UNFIT, **dict.fromkeys(MORTAL, Version())})


def remove(release, version: str) -> None:
    release.kube.run("delete", "deployment", f"pong-server-{version}", "--wait=false")


def told(release, version: str) -> set[str]:
    """What the kubelet has said so far of the server in the pods of a version."""
    statuses = [pod["status"].get("containerStatuses", []) for pod in release.kube.list("pods", f"version={version}")]
    servers = [server for each in statuses for server in each if server["name"] != "istio-proxy"]
    states = [state for server in servers for state in (server["state"], server["lastState"])]
    return {word for each in states for kind, details in each.items() for word in (kind, details.get("reason"))}


@pytest.mark.parametrize(
    ("version", "state", "reason"),
    [
        ("missing", {"ErrImagePull", "ImagePullBackOff"}, "ErrImagePull|ImagePullBackOff"),
        ("crashing", {"terminated"}, "exit|CrashLoopBackOff|terminated"),
        ("sleeping", {"running"}, "readiness probe does not pass"),
    ],
)
def test_a_version_that_never_gets_ready(release, eventually, version, state, reason):
    eventually(lambda: told(release, version) & state)
    result = release.canary("advanced", canary=version, wait_timeout=1)
    assert result["failed"]
    assert any(word in result["msg"] for word in reason.split("|")), result["msg"]
    assert version in result["msg"]
    assert release.weights == {"v1": 100, "v2": 0}
    remove(release, version)


def test_rollback_with_the_canary_gone(release, split):
    release.kube.await_pods("pong-server-leaver")
    assert release.canary("weighted", weight=50, canary="leaver")["changed"]
    release.kube.run("scale", "deployment", "pong-server-leaver", "--replicas=0")
    assert release.canary("rolled_back", canary="leaver")["changed"]
    assert (release.weights["v1"], release.weights["leaver"]) == (100, 0)
    split(0, count=200, host=HOST)
    remove(release, "leaver")


def test_a_canary_that_dies_while_it_soaks_is_rolled_back(release):
    release.kube.await_pods("pong-server-mayfly")
    release.canary("weighted", weight=0, canary="mayfly")  # else its first write adds it to the route, without requests
    killer = "(sleep 1; kubectl -n release scale deployment pong-server-mayfly --replicas=0) >/dev/null 2>&1 &"
    options = {**OPTIONS, "canary": "mayfly", "state": "advanced", "steps": STEPS, "interval": 20, "watch": 20}
    result = module("canary", fault=("before-patch", killer), **options)
    assert result.get("failed"), result["msg"]
    assert (release.weights["v1"], release.weights["mayfly"]) == (100, 0)
    assert release.info(canary="mayfly")["phase"] == "rolled_back"
    remove(release, "mayfly")


def test_a_new_release_while_one_is_under_way_and_the_cleanup_after_it(release, split, eventually):
    """v3 comes while v2 has half: v2 to nothing first, v3 from its first step, and in the end only v3 is left.

    The cleanup takes v2 away too, which the release before had left, and leaves v4, which is ready for the next one.
    """
    release.canary("weighted", weight=50)
    deploy(dict.fromkeys(NEXT, Version()))
    release.kube.await_pods(*(f"pong-server-{version}" for version in NEXT))
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
