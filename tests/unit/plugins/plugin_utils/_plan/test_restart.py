# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that judge pods: who lacks a sidecar, what to restart, why a pod is not ready."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.filter.pod_troubles import pod_troubles
from ansible_collections.progressive.istio.plugins.filter.restart_plan import restart_plan
from ansible_collections.progressive.istio.plugins.filter.without_sidecar import without_sidecar
from ansible_collections.progressive.istio.plugins.plugin_utils._objects import MANAGED_BY


def owned_by(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def pod(name: str = "pong", *containers: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name} | fields.pop("metadata", {})
    spec = {"containers": [{"name": one} for one in containers or ("app",)]} | fields.pop("spec", {})
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running"} | fields}


NATIVE = {"initContainers": [{"name": "istio-init"}, {"name": "istio-proxy"}]}


@pytest.mark.parametrize(
    ("one", "missing"),
    [
        (pod(), True),
        (pod("pong", "app", "istio-proxy"), False),
        (pod(spec=NATIVE), False),
        (pod(spec={"initContainers": [{"name": "setup"}]}), True),
        (pod(spec={"hostNetwork": True}), False),
        (pod(metadata={"labels": {"sidecar.istio.io/inject": "false"}}), False),
        (pod(metadata={"annotations": {"sidecar.istio.io/inject": "false"}}), False),
        (pod(metadata={"labels": {"sidecar.istio.io/inject": "true"}}), True),
        (pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), False),
        (pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), False),
        (pod(phase="Succeeded"), False),
        (pod(phase="Failed"), False),
        (pod(phase="Pending"), True),
        (pod(metadata=owned_by("Job", "migrate")), False),
    ],
)
def test_only_members_of_the_mesh_lack_a_sidecar(one: dict[str, Any], missing: bool) -> None:
    assert without_sidecar([one]) == (["pong"] if missing else [])


def test_a_restart_reaches_the_workload_behind_the_pods() -> None:
    sets = [{"metadata": {"name": "pong-1", **owned_by("Deployment", "pong")}}]
    pods = [
        pod("pong-1-a", metadata=owned_by("ReplicaSet", "pong-1")),
        pod("pong-1-b", metadata=owned_by("ReplicaSet", "pong-1")),
        pod("cache-0", metadata=owned_by("StatefulSet", "cache")),
        pod("agent-x", metadata=owned_by("DaemonSet", "agent")),
        pod("done", "app", "istio-proxy", metadata=owned_by("DaemonSet", "injected")),
    ]
    assert restart_plan(pods, sets) == {
        "workloads": [
            {"kind": "DaemonSet", "name": "agent"},
            {"kind": "Deployment", "name": "pong"},
            {"kind": "StatefulSet", "name": "cache"},
        ],
        "left": [],
        "stuck": [],
    }


def test_what_no_restart_can_change_is_named_with_its_owner() -> None:
    sets = [
        {"metadata": {"name": "lone"}},
        {"metadata": {"name": "rolled", **owned_by("Rollout", "pong")}},
    ]
    pods = [
        pod("bare"),
        pod("lone-a", metadata=owned_by("ReplicaSet", "lone")),
        pod("rolled-a", metadata=owned_by("ReplicaSet", "rolled")),
    ]
    assert restart_plan(pods, sets) == {
        "workloads": [],
        "left": [],
        "stuck": [
            "bare (it has no owner)",
            "lone-a (it belongs to ReplicaSet lone, which has no rolling restart)",
            "rolled-a (it belongs to Rollout pong, which has no rolling restart)",
        ],
    }


def test_what_others_made_is_left_and_named() -> None:
    sets = [{"metadata": {"name": f"{name}-1", **owned_by("Deployment", name)}} for name in ("pong", "shop")]
    pods = [
        pod("bare"),
        pod("cache-0", metadata=owned_by("StatefulSet", "cache")),
        *(pod(f"{name}-1-a", metadata=owned_by("ReplicaSet", f"{name}-1")) for name in ("pong", "shop")),
    ]
    deployments = [{"metadata": {"name": "pong", "labels": MANAGED_BY}}, {"metadata": {"name": "shop"}}]
    assert restart_plan(pods, sets, deployments=deployments) == {
        "workloads": [{"kind": "Deployment", "name": "pong"}],
        "left": ["Deployment shop", "StatefulSet cache", "pod bare (it has no owner)"],
        "stuck": [],
    }


def test_ambient_mode_restarts_those_that_still_have_a_sidecar() -> None:
    pods = [
        pod("a", "app", "istio-proxy", metadata=owned_by("DaemonSet", "old")),
        pod("b", metadata=owned_by("DaemonSet", "plain")),
    ]
    assert restart_plan(pods, [], sidecar=False)["workloads"] == [{"kind": "DaemonSet", "name": "old"}]


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"name": "app", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            {"containerStatuses": [waits("ImagePullBackOff", 'Back-off pulling image "nope"')]},
            'container app: ImagePullBackOff: Back-off pulling image "nope"',
        ),
        (
            {
                "containerStatuses": [
                    waits("CrashLoopBackOff") | {"lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}
                ]
            },
            "container app: CrashLoopBackOff (exit code 3, Error)",
        ),
        (
            {"containerStatuses": [{"name": "app", "ready": False, "state": {"terminated": {"exitCode": 1}}}]},
            "container app ended (exit code 1, no reason)",
        ),
        (
            {"containerStatuses": [{"name": "app", "ready": False, "state": {"running": {}}}]},
            "container app runs, but its readiness probe does not succeed",
        ),
        (
            {"initContainerStatuses": [waits("CreateContainerConfigError", "no secret x")]},
            "container app: CreateContainerConfigError: no secret x",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                ]
            },
            "Unschedulable: 0/1 nodes",
        ),
        ({"containerStatuses": [waits("ContainerCreating")]}, "is Running and not ready"),
        (
            {
                "initContainerStatuses": [
                    {"name": "istio-init", "ready": True, "state": {"terminated": {"exitCode": 0}}}
                ]
            },
            "is Running and not ready",
        ),
    ],
)
def test_trouble_is_told_in_the_clusters_own_words(status: dict[str, Any], sentence: str) -> None:
    assert pod_troubles([pod(**status)]) == [f"Pod pong: {sentence}"]


def test_ready_and_leaving_pods_are_no_trouble() -> None:
    ready = pod(conditions=[{"type": "Ready", "status": "True"}])
    assert pod_troubles([ready, pod(metadata={"deletionTimestamp": "now"})]) == []


def test_an_owner_says_why_it_has_no_pods() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    progress = {"type": "Progressing", "status": "True", "reason": "x", "message": "y"}
    over = failure | {"status": "False"}
    owner = {"kind": "Deployment", "metadata": {"name": "pong"}, "status": {"conditions": [progress, over, failure]}}
    assert pod_troubles([], [owner]) == ["Deployment pong: FailedCreate: exceeded quota"]


def test_a_container_that_has_recovered_is_no_trouble() -> None:
    recovered = {"name": "a", "ready": True, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}
    assert pod_troubles([pod(containerStatuses=[recovered, waits("ImagePullBackOff")])]) == [
        "Pod pong: container app: ImagePullBackOff"
    ]


def test_a_message_forges_no_line() -> None:
    waiting = {"waiting": {"reason": "Bad", "message": "a\x1b[2J\r\nPod forged: ready"}}
    broken = pod(containerStatuses=[{"name": "app", "ready": False, "state": waiting}])
    assert pod_troubles([broken]) == [r"Pod pong: container app: Bad: a\x1b[2J\r\nPod forged: ready"]
