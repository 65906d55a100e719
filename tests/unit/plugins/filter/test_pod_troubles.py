# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.filter.pod_troubles import pod_troubles


def pod(*containers: dict[str, Any], ready: str = "False", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "pong", **metadata},
        "spec": {"containers": [{"name": "app"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": list(containers),
        },
    }


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"name": "app", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}


def test_trouble_is_told_in_the_clusters_own_words() -> None:
    recovered = {"name": "a", "ready": True, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}
    assert pod_troubles([pod(recovered, waits("ImagePullBackOff", "no such image"))]) == [
        "pod pong container app cannot start: ImagePullBackOff: no such image"
    ]
    assert pod_troubles([pod(waits("ContainerCreating"))]) == ["pod pong is not ready"]


def test_ready_and_leaving_pods_are_no_trouble_with_or_without_a_sidecar() -> None:
    assert pod_troubles([pod(ready="True"), pod(deletionTimestamp="now")]) == []


def test_a_deployment_says_why_it_has_no_pods() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    deployment = {
        "metadata": {"name": "pong"},
        "spec": {"template": {"metadata": {"labels": {"app": "pong"}}}},
        "status": {"conditions": [failure]},
    }
    assert pod_troubles([], [deployment]) == ["Deployment pong cannot make pods: FailedCreate: exceeded quota"]


def test_a_message_forges_no_line() -> None:
    text = "pod pong container app cannot start: Bad: a\\x1b[2J Pod forged: ready"
    assert pod_troubles([pod(waits("Bad", "a\x1b[2J\r\nPod forged: ready"))]) == [text]
