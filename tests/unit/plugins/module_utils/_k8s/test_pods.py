# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods can carry, and why they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.pods import Version, examine, why_no_pods
from hypothesis import given
from hypothesis import strategies as st
from pong_mesh import deployment, made_by, pod

V2 = {"version": "v2"}
NOT_SCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available:\n 1 Insufficient cpu.",
}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The status of a container that waits."""
    return {"name": "pong", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def last(code: int, reason: str = "Error") -> dict[str, Any]:
    """How it ended the last time."""
    return {"lastState": {"terminated": {"exitCode": code, "reason": reason}}}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({"conditions": [NOT_SCHEDULED]}, "cannot be scheduled: Unschedulable: 0/1 nodes are available: 1 Insuffi"),
        (
            {"containerStatuses": [waiting("ImagePullBackOff", "Back-off pulling image")]},
            "container pong cannot start: ImagePullBackOff: Back-off pulling image",
        ),
        (
            {"containerStatuses": [waiting("CrashLoopBackOff", restartCount=5, **last(137, "OOMKilled"))]},
            "container pong crashes (CrashLoopBackOff, 5 restarts; last OOMKilled, exit code 137)",
        ),
        (
            {"containerStatuses": [{"name": "pong", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]},
            "container pong ended (Error, exit code 3)",
        ),
        (
            {"initContainerStatuses": [waiting("CrashLoopBackOff", restartCount=1, **last(1))]},
            "container pong crashes (CrashLoopBackOff, 1 restarts; last Error, exit code 1)",
        ),
        (
            {"containerStatuses": [{"name": "pong", "ready": False, "state": {"running": {}}, "restartCount": 2}]},
            "container pong runs after 2 restarts, but its readiness probe does not pass",
        ),
        (
            {"containerStatuses": [{"name": "pong", "ready": False, "state": {"running": {}}, "restartCount": 0}]},
            "container pong runs, but its readiness probe does not pass",
        ),
        ({"reason": "NodeAffinity", "message": "no match"}, "is not ready: NodeAffinity: no match"),
        ({"containerStatuses": [waiting("ContainerCreating")]}, "is not ready"),
        (
            {
                "initContainerStatuses": [
                    {"name": "istio-init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
                ],
                "containerStatuses": [waiting("PodInitializing")],
            },
            "is not ready",
        ),
    ],
)
def test_a_pod_that_is_not_ready_says_why(status: dict[str, Any], trouble: str) -> None:
    version = examine("v2", V2, [pod("v2", ready=False, **status)])
    assert (version.ready, version.total) == (0, 1)
    assert version.problems[0].startswith(f"pod pong-v2-1 {trouble}")


def test_a_readiness_gate_is_named() -> None:
    gated = pod("v2", ready=False)
    gated["spec"]["readinessGates"] = [{"conditionType": "target-health.elbv2.k8s.aws/x"}]
    assert examine("v2", V2, [gated]).problems == (
        "pod pong-v2-1 waits for its readiness gate target-health.elbv2.k8s.aws/x",
    )


def test_a_ready_pod_counts_if_it_is_in_the_mesh() -> None:
    native = pod("v2", 2, sidecar=False)
    native["spec"]["initContainers"] = [{"name": "istio-proxy", "restartPolicy": "Always"}]
    ambient = pod("v2", 3, sidecar=False)
    ambient["metadata"]["annotations"] = {"ambient.istio.io/redirection": "enabled"}
    version = examine("v2", V2, [pod("v2", 1), native, ambient, pod("v2", 4, sidecar=False)])
    assert (version.ready, version.total) == (3, 4)
    assert version.problems == (
        "pod pong-v2-4 has no sidecar: restart it once its namespace is labelled for injection",
    )


def test_pods_that_end_and_pods_of_other_versions_do_not_count() -> None:
    ends = pod("v2", 2)
    ends["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    evicted = pod("v2", 3)
    evicted["status"]["phase"] = "Failed"
    assert examine("v2", V2, [pod("v2", 1), ends, evicted, pod("v1")]) == Version("v2", 1, 1, ())


UPDATE = [  # a rolling update that is stuck, of two pods with a surge of one
    *(made_by("old", pod("v2", number, ready=False)) for number in (1, 2)),
    made_by("new", pod("v2", 3, ready=False)),
]
GOING_ON = [  # one that goes well, of four pods with a surge of one and one that may be missing
    *(made_by("old", pod("v2", number)) for number in (1, 2, 3)),
    made_by("new", pod("v2", 4)),
    made_by("new", pod("v2", 5, ready=False)),
]


@pytest.mark.parametrize(
    ("pods", "deployments", "expected"),
    [
        (UPDATE, [deployment("v2", 2)], (0, 2)),
        (UPDATE, None, (0, 2)),
        (UPDATE, [deployment("v1", 9)], (0, 2)),
        (GOING_ON, [deployment("v2", 4)], (4, 4)),
        (GOING_ON, None, (4, 4)),
        ([pod("v2", 1)], [deployment("v2", 0)], (1, 1)),
        ([made_by("old", pod("v2", 1))], [deployment("v2", 0)], (1, 0)),
        ([made_by("old", pod("v2", 1))], [deployment("v2", 3)], (1, 3)),
        ([made_by("old", pod("v2", 1))], [deployment("v2", 2), deployment("v2", 3, "pong-v2-east")], (1, 5)),
        ([pod("v2", 1), pod("v2", 2, ready=False)], [], (1, 2)),
        ([], [deployment("v2", 3)], (0, 3)),
        ([], None, (0, 0)),
    ],
    ids=[
        "surge and crashed pods are not wanted",
        "as far as the pods tell",
        "by an owner that is no Deployment",
        "a rolling update changes nothing",
        "also where nobody may read Deployments",
        "a pod of something else is wanted",
        "scaled to 0, and one pod is not gone yet",
        "pods that are not made yet are wanted",
        "two Deployments of one version",
        "no Deployment at all",
        "no pod at all",
        "nothing is known",
    ],
)
def test_what_is_wanted_is_what_its_workloads_ask_for(
    pods: list[dict[str, Any]], deployments: list[dict[str, Any]] | None, expected: tuple[int, int]
) -> None:
    version = examine("v2", V2, pods, deployments)
    assert (version.ready, version.total) == expected


def test_a_deployment_that_is_deleted_wants_nothing() -> None:
    going = deployment("v2", 3)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert examine("v2", V2, [], [going]).total == 0


def test_a_deployment_that_cannot_make_its_pods_says_so() -> None:
    quota = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    stuck = deployment("v2", 2, conditions=[quota])
    version = examine("v2", V2, [made_by("old", pod("v2"))], [stuck])
    assert version.lack == "1 of 2 pods ready: Deployment pong-v2 cannot make pods: FailedCreate: exceeded quota"
    assert examine("v2", V2, [], [stuck]).lack == (
        "it has no pods (Deployment pong-v2 cannot make pods: FailedCreate: exceeded quota)"
    )


@pytest.mark.parametrize(
    ("ready", "total", "minimum", "filled"),
    [
        (2, 2, None, 100),
        (1, 2, None, 50),
        (0, 2, None, 0),
        (0, 0, None, 0),
        (3, 2, None, 100),
        (1, 0, None, 100),
        (1, 4, 1, 100),
        (1, 2, 2, 50),
        (2, 2, 5, 100),
    ],
)
def test_how_many_of_its_own_pods_are_ready(ready: int, total: int, minimum: int | None, filled: int) -> None:
    assert Version("v2", ready, total, ()).filled(minimum) == filled


def test_the_surge_of_an_update_is_not_told_as_more_than_all() -> None:
    assert Version("v2", 3, 2, ()).count == "2 of 2"


@pytest.mark.parametrize(
    ("ready", "total", "whole", "minimum", "expected"),
    [
        (1, 1, 1, None, (100, "")),
        (
            1,
            1,
            4,
            None,
            (25, "its 1 pod is ready, but all requests need 4; scale it up, or set min_ready (canary_min_ready)"),
        ),
        (0, 0, 4, None, (0, "it has no pods")),
        (0, 0, 0, None, (0, "it has no pods")),
        (2, 3, 3, None, (66, "2 of 3 pods ready: pod x is not ready")),
        (1, 1, 4, 1, (100, "")),
        (1, 2, 2, 2, (0, "1 of 2 pods ready: pod x is not ready")),
        (0, 1, 1, None, (0, "0 of 1 pod ready: pod x is not ready")),
    ],
)
def test_ready_pods_carry_their_share(
    ready: int, total: int, whole: int, minimum: int | None, expected: tuple[int, str]
) -> None:
    assert Version("v2", ready, total, ("pod x is not ready",) * (total - ready)).carries(whole, minimum) == expected


def test_a_sentence_names_three_pods() -> None:
    pods = [pod("v2", number, ready=False) for number in range(1, 6)]
    _ready, why = examine("v2", V2, pods).carries(5)
    assert why.endswith("pod pong-v2-3 is not ready; and 2 more")


@given(ready=st.integers(0, 50), more=st.integers(0, 50), other=st.integers(0, 50))
def test_what_is_carried_never_exceeds_the_pods(ready: int, more: int, other: int) -> None:
    version = Version("v2", ready, ready + more, ("pod x is not ready",) * more)
    whole = max(version.total, other)
    upto, why = version.carries(whole)
    assert 0 <= upto <= 100
    assert upto * whole <= 100 * ready
    assert (upto == 100) == (not why)


@pytest.mark.parametrize(
    ("deployments", "why"),
    [
        ([], "no Deployment makes pods with app=pong,version=v2"),
        ([({"version": "v1"}, 1, [])], "no Deployment makes pods with app=pong,version=v2"),
        ([({"version": "v2"}, 0, [])], "Deployment pong-v2 is scaled to 0"),
        ([({"version": "v2"}, 1, [])], "Deployment pong-v2 has not made its pods yet"),
        (
            [({"version": "v2"}, 1, [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}])],
            "Deployment pong-v2 cannot make pods: FailedCreate",
        ),
    ],
)
def test_no_pods_at_all_is_explained(
    deployments: list[tuple[dict[str, str], int, list[dict[str, str]]]], why: str
) -> None:
    found = [
        {
            "metadata": {"name": "pong-v2"},
            "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": "pong", **labels}}}},
            "status": {"conditions": conditions},
        }
        for labels, replicas, conditions in deployments
    ]
    assert why_no_pods({"app": "pong", "version": "v2"}, found) == why
