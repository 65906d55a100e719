# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.conditions import (
    condition,
    is_live,
    is_ready,
    is_true,
    keeps_serving,
)


def with_status(**status: Any) -> dict[str, Any]:
    return {"metadata": {}, "status": status}


def test_conditions_by_type() -> None:
    pod = with_status(
        conditions=[{"type": "Ready", "status": "True", "reason": "x"}, {"type": "Held", "status": "False"}]
    )
    assert condition(pod, "Ready")["reason"] == "x"
    assert (is_ready(pod), is_true(pod, "Held"), is_true(pod, "Other")) == (True, False, False)
    for bare in (with_status(), {"metadata": {}}, {"metadata": {}, "status": {"conditions": None}}):
        assert (condition(bare, "Ready"), is_ready(bare)) == ({}, False)


@pytest.mark.parametrize(
    ("metadata", "phase", "live"),
    [
        ({}, "Running", True),
        ({}, "Pending", True),
        ({}, "Failed", False),
        ({}, "Succeeded", False),
        ({"deletionTimestamp": "now"}, "Running", False),
    ],
)
def test_a_live_pod(metadata: dict[str, Any], phase: str, live: bool) -> None:
    assert is_live({"metadata": metadata, "status": {"phase": phase}}) is live


@pytest.mark.parametrize(
    ("spec", "keeps"),
    [
        ({}, True),
        ({"replicas": 0}, False),
        ({"paused": True}, False),
        ({"strategy": {"type": "Recreate"}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}, "replicas": 1}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "50%"}}, "replicas": 3}, True),
    ],
)
def test_a_deployment_that_keeps_serving(spec: dict[str, Any], keeps: bool) -> None:
    assert keeps_serving({"spec": spec}) is keeps
