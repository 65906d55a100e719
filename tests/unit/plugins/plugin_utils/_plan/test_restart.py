# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods lack a sidecar, and what to restart."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import restart
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY


def owned_by(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def plan(
    pods: list[dict[str, Any]],
    replica_sets: list[dict[str, Any]],
    deployments: list[dict[str, Any]] | None = None,
    sidecar: bool = True,
) -> dict[str, list[Any]]:
    """All workloads are restarted unless it is known which were made by this collection."""
    given = {"replica_sets": replica_sets, "deployments": deployments or [], "sidecar": sidecar}
    return restart.plan(pods, **given, all_owners=deployments is None)


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
    assert restart.without_sidecar([one]) == (["pong"] if missing else [])
    assert [text.partition(". ")[0] for text in restart.problems([one], namespace="shop")] == (
        ["these pods of namespace shop have no sidecar: pong"] if missing else []
    )


def test_a_restart_reaches_the_workload_behind_the_pods() -> None:
    sets = [{"metadata": {"name": "pong-1", **owned_by("Deployment", "pong")}}]
    pods = [
        pod("pong-1-a", metadata=owned_by("ReplicaSet", "pong-1")),
        pod("pong-1-b", metadata=owned_by("ReplicaSet", "pong-1")),
        pod("cache-0", metadata=owned_by("StatefulSet", "cache")),
        pod("agent-x", metadata=owned_by("DaemonSet", "agent")),
        pod("done", "app", "istio-proxy", metadata=owned_by("DaemonSet", "injected")),
    ]
    assert plan(pods, sets) == {
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
    assert plan(pods, sets) == {
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
    assert plan(pods, sets, deployments=deployments) == {
        "workloads": [{"kind": "Deployment", "name": "pong"}],
        "left": ["Deployment shop", "StatefulSet cache", "pod bare (it has no owner)"],
        "stuck": [],
    }


def test_ambient_mode_restarts_those_that_still_have_a_sidecar() -> None:
    pods = [
        pod("a", "app", "istio-proxy", metadata=owned_by("DaemonSet", "old")),
        pod("b", metadata=owned_by("DaemonSet", "plain")),
    ]
    assert plan(pods, [], sidecar=False)["workloads"] == [{"kind": "DaemonSet", "name": "old"}]
