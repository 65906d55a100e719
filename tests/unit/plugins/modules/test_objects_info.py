# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.modules import objects_info

SHOP = "/namespaces/shop"
PODS, RULES = f"/api/v1{SHOP}/pods", f"/apis/networking.istio.io/v1{SHOP}/destinationrules"
DEPLOYMENT = f"/apis/apps/v1{SHOP}/deployments/pong"
ONE = {"metadata": {"name": "pong", "namespace": "shop", "annotations": {"note": "a\x1b[2J\nb"}}}


@pytest.fixture
def call(fixed_api: Any, run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def run(answers: dict[str, Any], **objects: Any) -> dict[str, Any]:
        fixed_api.answers = answers
        return run_module(objects_info.main, {**fixed_api.access, "objects": objects}, False)

    return run


def found(result: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(json.loads(result["found"])[name])


def test_documentation_and_arguments_agree() -> None:
    documented = yaml.safe_load(objects_info.DOCUMENTATION)["options"]
    assert set(documented) | set(objects_info.AUTH_ARGUMENTS) == set(objects_info.SPEC["argument_spec"])


def test_a_list_has_whole_objects_that_are_not_changed(call: Callable[..., dict[str, Any]]) -> None:
    result = call({RULES: {"metadata": {}, "items": [ONE]}}, rules={"kind": "DestinationRule", "namespace": "shop"})
    whole = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", **ONE}
    assert found(result, "rules") == {"resources": [whole], "api_found": True, "readable": True}


def test_an_object_by_name_is_a_list_of_one_or_none(call: Callable[..., dict[str, Any]]) -> None:
    wanted = {"kind": "Deployment", "namespace": "shop", "name": "pong"}
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", **ONE}
    assert found(call({DEPLOYMENT: whole}, it=wanted), "it")["resources"] == [whole]
    assert found(call({DEPLOYMENT: 404}, it=wanted), "it")["resources"] == []


def test_the_version_of_the_server(call: Callable[..., dict[str, Any]]) -> None:
    result = call({"/version": {"gitVersion": "v1.34.1"}}, server={"kind": "Kubernetes"})
    assert found(result, "server")["resources"] == [{"version": "v1.34.1"}]


def test_a_kind_that_is_not_served_is_no_failure(
    call: Callable[..., dict[str, Any]], fixed_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_api, "answer", lambda _path: (404, {}))  # an API server answers with no Status then
    result = call({}, rules={"kind": "DestinationRule", "namespace": "shop"})
    assert found(result, "rules") == {"resources": [], "api_found": False, "readable": True}


def test_only_what_is_optional_may_be_forbidden(call: Callable[..., dict[str, Any]]) -> None:
    forbidden = {PODS: 403}
    wanted = {"kind": "Pod", "namespace": "shop"}
    assert not found(call(forbidden, pods={**wanted, "optional": True}), "pods")["readable"]
    result = call(forbidden, pods=wanted)
    assert result["failed"]
    assert "Pod shop" in result["msg"]


def test_an_unreachable_cluster_is_named_with_the_settings(run_module: Callable[..., dict[str, Any]]) -> None:
    options = {"host": "http://127.0.0.1:9", "api_key": "secret", "objects": {"it": {"kind": "Pod"}}}
    result = run_module(objects_info.main, options, False)
    assert result["failed"]
    assert "http://127.0.0.1:9" in result["msg"]
    assert result["msg"].endswith(objects_info.HINT)
