# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs a version."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._report.workloads import workloads_of
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import Subset
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from pong_mesh import made_by, pod, virtual_service

LABELS = {"app": "pong", "version": "v2"}
CONTAINERS = [
    {"name": "app", "image": "shop/pong:2"},
    {"name": "istio-proxy", "image": "istio/proxyv2:1"},
    {"name": "log", "image": "shop/log:1"},
]
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "app", "image": "shop/pong:3"}]}}
DEPLOYMENT = {"metadata": {"name": "pong-v2"}, "spec": {"replicas": 2, "template": TEMPLATE}}
OTHER = {
    "metadata": {"name": "pong-v3"},
    "spec": {"replicas": 1, "template": {"metadata": {"labels": {"version": "v3"}}}},
}


def running(number: int) -> dict[str, Any]:
    found = pod("v2", number)
    return made_by("5d8f", {**found, "spec": {"containers": CONTAINERS}})


@pytest.mark.parametrize(
    ("pods", "deployments", "expected"),
    [
        (
            [running(1), running(2)],
            (DEPLOYMENT, OTHER),
            {"ready": 2, "total": 2, "deployments": ["pong-v2"], "images": ["shop/log:1", "shop/pong:2"]},
        ),
        ([], (DEPLOYMENT,), {"ready": 0, "total": 2, "deployments": ["pong-v2"], "images": ["shop/pong:3"]}),
        (
            [running(1)],
            None,
            {"ready": 1, "total": 1, "deployments": [], "images": ["shop/log:1", "shop/pong:2"]},
        ),
    ],
    ids=["pods", "scaled up, without a pod yet", "without the right to read Deployments"],
)
def test_a_version_is_its_pods_and_deployments(
    pods: list[dict[str, Any]], deployments: tuple[dict[str, Any], ...] | None, expected: dict[str, Any]
) -> None:
    service = virtual_service(80, 20)
    snapshot = Snapshot(
        Target("pong", "shop", "v1", "v2"),
        service,
        None,
        locate(service, ("v1", "v2")),
        subsets={"v2": Subset("v2", {"version": "v2"}, "shop/pong")},
        pods=tuple(pods),
        deployments=deployments,
    )
    found = workloads_of(snapshot)
    assert found["v2"] == expected
    assert found["v1"] == {"ready": 0, "total": 0, "deployments": [], "images": []}, "it has no subset"
