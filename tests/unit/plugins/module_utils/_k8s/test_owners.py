# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.owners import deployment_of, owner_of, workload_of


def pod(kind: str = "", owner: str = "", controller: bool = True, **labels: str) -> dict[str, Any]:
    owners = [{"kind": kind, "name": owner, "controller": controller}] if kind else []
    return {"metadata": {"name": "pong-x", "labels": labels, "ownerReferences": owners}}


HASH = {"pod-template-hash": "abc"}


@pytest.mark.parametrize(
    ("thing", "owner", "deployment", "workload"),
    [
        (pod("ReplicaSet", "pong-v1-abc", **HASH), ("ReplicaSet", "pong-v1-abc"), "pong-v1", "pong-v1"),
        (pod("ReplicaSet", "pong-v1-abc"), ("ReplicaSet", "pong-v1-abc"), "", "pong-v1-abc"),
        (pod("ReplicaSet", "other", **HASH), ("ReplicaSet", "other"), "", "other"),
        (pod("StatefulSet", "db", **HASH), ("StatefulSet", "db"), "", "db"),
        (pod("ReplicaSet", "pong-v1-abc", controller=False, **HASH), ("", ""), "", "pong-x"),
        (pod(), ("", ""), "", "pong-x"),
    ],
)
def test_controllers(thing: dict[str, Any], owner: tuple[str, str], deployment: str, workload: str) -> None:
    assert (owner_of(thing), deployment_of(thing), workload_of(thing)) == (owner, deployment, workload)
