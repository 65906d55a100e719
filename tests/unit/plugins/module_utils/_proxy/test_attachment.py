# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.delegation import bindings
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import (
    Attachment,
    Proxy,
    attachment_of,
    proxies_in,
)
from rule_ids import http


def bound(virtual_service: dict[str, Any], rule: int, *others: dict[str, Any]) -> Attachment:
    return attachment_of(virtual_service, bindings(virtual_service, http(rule), others))


@pytest.mark.parametrize(
    ("matches", "gateways", "mesh"),
    [
        (None, ["shop/edge"], True),
        ([], ["shop/edge"], True),
        ([{"gateways": ["mesh"]}], [], True),
        ([{"gateways": ["outer/edge"]}, {"gateways": ["edge", "outer/edge"]}], ["outer/edge", "shop/edge"], False),
        ([{"gateways": ["mesh"]}, {"gateways": ["edge"]}], ["shop/edge"], True),
        ([{"gateways": ["mesh"]}, {"uri": {"prefix": "/"}}], ["shop/edge"], True),
    ],
)
def test_where_a_rule_is_bound_to(matches: list[dict[str, Any]] | None, gateways: list[str], mesh: bool) -> None:
    rule = {"route": []} if matches is None else {"route": [], "match": matches}
    spec = {"hosts": ["*"], "gateways": ["edge", "mesh"], "http": [{"match": [{"gateways": ["other"]}]}, rule]}
    found = bound({"metadata": {"namespace": "shop", "name": "pong"}, "spec": spec}, 1)
    assert ([str(name) for name in found.gateways], found.mesh) == (gateways, mesh)
    assert (found.place, found.delegated) == ("VirtualService shop/pong", False)


def test_a_delegate_is_bound_by_others() -> None:
    delegate = {"metadata": {"namespace": "shop", "name": "pong"}, "spec": {"http": [{"route": []}]}}
    assert bound(delegate, 0).delegated
    rule = {"match": [{"gateways": ["entry"]}], "delegate": {"name": "pong", "namespace": "shop"}}
    root = {"metadata": {"namespace": "web", "name": "root"}, "spec": {"hosts": ["a.example"], "http": [rule]}}
    inside = {**root, "metadata": {"namespace": "web", "name": "inside"}}
    inside["spec"] = {"hosts": ["pong.shop.svc.cluster.local"], "http": [{"delegate": rule["delegate"]}]}
    found = bound(delegate, 0, root, inside)
    assert ([str(name) for name in found.gateways], found.mesh, found.delegated) == (["web/entry"], True, False)
    assert found.place == "VirtualService shop/pong"
    assert found.visibility
    assert found.visibility.hosts == ("pong.shop.svc.cluster.local",)


def pod(*containers: dict[str, Any], ready: str = "True", **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "one", "namespace": "edge", "uid": "1", **fields},
        "spec": {"containers": list(containers)},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]},
    }


GATEWAY = {"name": "istio-proxy", "args": ["proxy", "router"]}
SIDECAR = {"name": "istio-proxy", "args": ["proxy", "sidecar"]}
APP = {"name": "app", "args": ["sidecar"]}


@pytest.mark.parametrize(
    ("given", "role"),
    [
        (pod(GATEWAY), "gateway"),
        (pod({"name": "istio-proxy"}), "gateway"),  # its own way to start: only a sidecar is always told what it is
        (pod(APP, SIDECAR), "sidecar"),
        ({**pod(APP), "spec": {"containers": [APP], "initContainers": [SIDECAR]}}, "sidecar"),
        (pod(APP), None),
        (pod(GATEWAY, ready="False"), None),
        (pod(GATEWAY, deletionTimestamp="2026-01-01T00:00:00Z"), None),
        ({**pod(GATEWAY), "status": {}}, None),
    ],
)
def test_the_envoys_in_pods(given: dict[str, Any], role: str | None) -> None:
    for each in ("gateway", "sidecar"):
        assert proxies_in(each, [given]) == ([Proxy(each, "edge", "one", "1")] if each == role else [])  # type: ignore[arg-type]


def test_a_proxy_in_a_sentence() -> None:
    assert str(Proxy("gateway", "edge", "one", "1")) == "gateway edge/one"
