# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Service and a Deployment get."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import app_version
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY, NotOurs

SETTINGS: dict[str, Any] = {
    "kubernetes": "v1.34.1",
    "namespace": "shop",
    "app": "pong",
    "version": "v1",
    "service": "pong",
    "deployment": "pong-v1",
    "image": "pong:1",
    "env": {},
    "port": 8080,
    "service_port": 80,
    "probe_path": "/ping",
    "resources": {},
    "drain": 5,
}
LABELS = {"app": "pong", "version": "v1"}


def written(*deployments: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    return app_version.plan([], list(deployments), **{**SETTINGS, **settings})["definition"]


def container(*deployments: dict[str, Any], **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = written(*deployments, **settings)[-1]["spec"]["template"]["spec"]["containers"][0]
    return found


def deployment(**container: Any) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"name": "pong", **container}]}}}
    return {"metadata": {"name": "pong-v1", "labels": MANAGED_BY}, "spec": spec}


def test_numbers_are_numbers_where_ansible_makes_text_of_them() -> None:
    """As ansible-core before 2.19 does of every template."""
    text = {name: str(SETTINGS[name]) for name in ("port", "service_port", "drain")}
    assert written(**text, replicas="3") == written(replicas=3)
    service, new = written(**text, replicas="3")
    assert service["spec"]["ports"][0] == {"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"}
    assert new["spec"]["replicas"] == 3
    assert new["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 35
    assert container(**text)["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_a_version_has_its_labels_and_what_is_new_is_ours() -> None:
    service, new = written()
    assert (service["kind"], service["metadata"]["labels"]) == ("Service", {"app": "pong", **MANAGED_BY})
    assert (new["kind"], new["metadata"]["labels"]) == ("Deployment", {**LABELS, **MANAGED_BY})
    assert new["spec"]["selector"]["matchLabels"] == new["spec"]["template"]["metadata"]["labels"] == LABELS
    assert service["spec"]["selector"] == {"app": "pong"}


def test_what_is_there_keeps_its_labels_and_replicas() -> None:
    (present,) = written(deployment(), service="")
    assert present["metadata"]["labels"] == LABELS
    assert "replicas" not in present["spec"]


def test_all_that_cannot_be_written_is_reported() -> None:
    others = {"metadata": {"name": "pong"}, "spec": {}}
    with pytest.raises(NotOurs, match=r"^Service shop/pong: .*; Deployment shop/pong-v1: "):
        app_version.plan([others], [{**others, "metadata": {"name": "pong-v1"}}], **SETTINGS)


@pytest.mark.parametrize(
    ("value", "text"),
    [("v2", "v2"), ('say "hi"', 'say "hi"'), (True, "true"), (False, "false"), (0.5, "0.5"), (7, "7"), ("7", "7")],
)
def test_the_environment_is_text_as_yaml_has_it(value: object, text: str) -> None:
    assert container(env={"NAME": value})["env"] == [{"name": "NAME", "value": text}]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1.27.16", False),
        ("v1.29.9-eks-a737599", False),
        ("v1.30.0", True),
        ("v1.31.4+k3s1", True),
        ("v1.100.1-gke.12", True),
    ],
)
def test_a_new_pod_sleeps_before_it_stops_where_the_server_knows_how(version: str, expected: bool) -> None:
    assert ("lifecycle" in container(kubernetes=version)) is expected


def test_without_a_path_the_port_is_probed() -> None:
    assert container()["readinessProbe"] == {"httpGet": {"path": "/ping", "port": "http"}, "periodSeconds": 2}
    assert container(probe_path="")["readinessProbe"] == {"tcpSocket": {"port": "http"}, "periodSeconds": 2}


def test_what_is_there_keeps_its_hook() -> None:
    assert "lifecycle" in container(deployment(lifecycle={"preStop": {"sleep": {"seconds": 5}}}), kubernetes="")
    assert "lifecycle" not in container(deployment())
