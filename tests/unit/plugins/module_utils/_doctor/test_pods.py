# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.pods import unready_gateways, unready_versions
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus, Mesh
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName
from printed import assert_harmless

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOST = "pong.shop.svc.cluster.local"
PULL = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
RUNS: dict[str, Any] = {"running": {}}


def pod(
    name: str, version: str = "v2", state: dict[str, Any] | None = None, since: str = "11:50:00", **more: Any
) -> dict[str, Any]:
    """A pod of Deployment pong-VERSION; ready if it has no state."""
    ready = {"type": "Ready", "status": str(state is None), "lastTransitionTime": f"2026-01-31T{since}Z"}
    container = {"name": "app", "ready": state is None, "state": state or RUNS, **more}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": f"2026-01-31T{since}Z",
            "labels": {"app": "pong", "version": version, "pod-template-hash": "abc", "istio": "gate"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"pong-{version}-abc", "controller": True}],
        },
        "spec": {"containers": [{"name": "app"}, {"name": "istio-proxy"}]},
        "status": {"phase": "Running", "conditions": [ready], "containerStatuses": [container]},
    }


def deployment(version: str, replicas: int = 1, revision: int = 1, reason: str = "ReplicaSetUpdated") -> dict[str, Any]:
    labels = {"app": "pong", "version": version}
    revisions = {"deployment.kubernetes.io/revision": str(revision)}
    return {
        "metadata": {"name": f"pong-{version}", "namespace": "shop", "annotations": revisions},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}}},
        "status": {"conditions": [{"type": "Progressing", "status": "True", "reason": reason}]},
    }


def mesh(pods: list[dict[str, Any]], deployments: list[dict[str, Any]], canary: int = 20, **more: Any) -> Mesh:
    route = [
        {"destination": {"host": HOST, "subset": name}, "weight": weight}
        for name, weight in (("v1", 100 - canary), ("v2", canary))
    ]
    where = {"name": "pong", "namespace": "shop"}
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    return Mesh(
        virtual_services=({"metadata": where, "spec": {"hosts": ["*"], "http": [{"route": route}]}},),
        destination_rules=({"metadata": where, "spec": {"host": HOST, "subsets": subsets}},),
        services=({"metadata": where, "spec": {"selector": {"app": "pong"}}},),
        pods=tuple(pods),
        deployments=tuple(deployments),
        **more,
    )


OWN = {("deployment", "shop", "pong-v2")}
STABLE = pod("pong-v1-a", "v1")
BOTH = [deployment("v1"), deployment("v2")]

WELL = [
    ("all ready", [STABLE, pod("pong-v2-a")], BOTH, 20),
    ("no pods and no requests", [STABLE], [deployment("v1"), deployment("v2", 0)], 0),
    ("just starts", [STABLE, pod("pong-v2-a"), pod("pong-v2-b", state=RUNS, since="11:59:55")], BOTH, 20),
    (
        "others take its requests",
        [STABLE, pod("pong-v2-a")],
        [*BOTH, {**deployment("v2", 0), "metadata": {"name": "pong-v2-spare", "namespace": "shop"}}],
        20,
    ),
]


@pytest.mark.parametrize(("pods", "deployments", "canary"), [case[1:] for case in WELL], ids=[case[0] for case in WELL])
def test_what_is_well(pods: list[dict[str, Any]], deployments: list[dict[str, Any]], canary: int) -> None:
    assert list(unready_versions(mesh(pods, deployments, canary), NOW)) == []


ILL = [
    (
        "a new revision that does not start",
        [STABLE, pod("pong-v2-a"), pod("pong-v2-b", state=PULL)],
        deployment("v2", revision=2),
        "has 1 of 2 pods not ready: pod pong-v2-b container app cannot start: ErrImagePull: not found",
        "kubectl rollout undo deployment -n shop pong-v2",
        "11:50:00",
    ),
    (
        "one that may only need its time is not undone",
        [STABLE, pod("pong-v2-a"), pod("pong-v2-b", state=RUNS)],
        deployment("v2", revision=2),
        "runs, but its readiness probe does not pass",
        "kubectl describe pod -n shop pong-v2-b",
        "11:50:00",
    ),
    (
        "a rollout that is paused cannot be undone",
        [STABLE, pod("pong-v2-a"), pod("pong-v2-b", state=PULL)],
        {**deployment("v2", revision=2), "spec": {**deployment("v2")["spec"], "paused": True}},
        "has 1 of 2 pods not ready",
        "kubectl describe pod -n shop pong-v2-b",
        "11:50:00",
    ),
    (
        "the first revision has nothing before it",
        [STABLE, pod("pong-v2-b", state=PULL)],
        deployment("v2"),
        "has 1 of 1 pod not ready",
        "kubectl describe pod -n shop pong-v2-b",
        "11:50:00",
    ),
    (
        "a revision that ran before is not undone",
        [STABLE, pod("pong-v2-b", state=PULL)],
        deployment("v2", revision=5, reason="NewReplicaSetAvailable"),
        "has 1 of 1 pod not ready",
        "kubectl describe pod -n shop pong-v2-b",
        "11:50:00",
    ),
    (
        "one that crashes tells why in its last log",
        [STABLE, pod("pong-v2-b", state={"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3)],
        deployment("v2"),
        "crashes (CrashLoopBackOff, 3 restarts",
        "kubectl logs -n shop pong-v2-b -c app --previous",
        "11:50:00",
    ),
    (
        "one that fails at once is not just starting",
        [STABLE, pod("pong-v2-b", state=PULL, since="11:59:58")],
        deployment("v2"),
        "ErrImagePull",
        "kubectl describe pod -n shop pong-v2-b",
        "11:59:58",
    ),
    (
        "scaled to nothing",
        [STABLE],
        deployment("v2", 0),
        "has no pod and gets 20 % of the requests: Deployment pong-v2 is scaled to 0",
        "kubectl scale deployment -n shop pong-v2 --replicas=3",
        None,
    ),
    (
        "no pod is made",
        [STABLE],
        deployment("v2"),
        "has no pod and gets 20 % of the requests: Deployment pong-v2 has not made its pods yet",
        "kubectl describe deployment -n shop pong-v2",
        None,
    ),
]


@pytest.mark.parametrize(
    ("pods", "canary", "problem", "command", "since"), [case[1:] for case in ILL], ids=[case[0] for case in ILL]
)
def test_what_is_ill(
    pods: list[dict[str, Any]], canary: dict[str, Any], problem: str, command: str, since: str | None
) -> None:
    (ill,) = unready_versions(mesh(pods, [deployment("v1", 3), canary]), NOW)
    finding = ill.finding
    assert (finding.check, finding.place) == ("pods_ready", "Deployment shop/pong-v2")
    assert problem in finding.problem
    assert finding.command == command
    assert_harmless(command, OWN)
    assert (f"{finding.since.at:%H:%M:%S}" if finding.since else None) == since
    assert ill.names == (
        {each["metadata"]["name"] for each in pods if "b" in each["metadata"]["name"][-1]} or {"pong-v2"}
    )


@pytest.mark.parametrize("focus", [Focus("edge"), Focus("shop", "pong", ServiceName("shop", "cart"))])
def test_what_belongs_to_others_is_only_shown(focus: Focus) -> None:
    """A route of another namespace leads there, or another service of the same VirtualService."""
    for pods, canary in (
        ([STABLE], deployment("v2", 0)),
        ([STABLE, pod("pong-v2-b", state=PULL)], deployment("v2", revision=2)),
    ):
        shop = mesh(pods, [deployment("v1", 3), canary], focus=focus)
        if focus.namespace == "edge":
            (route,) = shop.virtual_services
            shop = replace(shop, virtual_services=({**route, "metadata": {"name": "pong", "namespace": "edge"}},))
        (ill,) = unready_versions(shop, NOW)
        assert assert_harmless(ill.finding.command, set()) == "describe"


def test_pods_of_no_deployment_are_named_themselves() -> None:
    lonely = pod("pong-v2-b", state=RUNS)
    lonely["metadata"]["ownerReferences"] = []
    (ill,) = unready_versions(mesh([STABLE, pod("pong-v2-a"), lonely], BOTH), NOW)
    assert (ill.finding.place, ill.finding.command) == ("Pod shop/pong-v2-b", "kubectl describe pod -n shop pong-v2-b")


def test_a_gateway_that_runs_and_is_not_ready_is_left_to_whom_it_serves() -> None:
    gates = (pod("gate-a"), pod("gate-b", state=RUNS))
    (ill,) = unready_gateways(mesh([], [], proxies=gates), NOW)
    assert (ill.finding.check, ill.finding.place) == ("gateway_pods_ready", "Pod shop/gate-b")
    assert ill.finding.command == "kubectl describe pod -n shop gate-b"
    entry = {"metadata": {"name": "entry", "namespace": "shop"}, "spec": {"selector": {"istio": "gate"}}}
    for proxies, about in ((gates, {"Pod shop/gate-b"}), (gates[1:], {"Pod shop/gate-b", "Gateway shop/entry"})):
        (ill,) = unready_gateways(mesh([], [], proxies=proxies, gateways=(entry,)), NOW)
        assert ill.finding.about == about, "a Gateway whose other pods serve is not concerned"


@pytest.mark.parametrize("field", ["pods", "services", "proxies"])
def test_what_may_not_be_read_is_not_ill(field: str) -> None:
    ill = mesh([pod("pong-v2-b", state=PULL)], BOTH, proxies=(pod("gate-b", state=RUNS),), unread={field: "refused"})
    found = [*unready_versions(ill, NOW), *unready_gateways(ill, NOW)]
    assert {each.finding.check for each in found} == ({"pods_ready"} if field == "proxies" else {"gateway_pods_ready"})
