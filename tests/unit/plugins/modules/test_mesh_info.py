# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.doc_fragments import checks
from ansible_collections.progressive.istio.plugins.module_utils._preflight.checks import NAMES
from ansible_collections.progressive.istio.plugins.modules import mesh_info

ISTIO = "/apis/networking.istio.io/v1"
EMPTY = {
    **{
        f"{ISTIO}/{plural}": {"metadata": {}, "items": []}
        for plural in ("destinationrules", "gateways", "serviceentries")
    },
    **{
        f"/apis/admissionregistration.k8s.io/v1/{plural}webhookconfigurations": {"metadata": {}, "items": []}
        for plural in ("mutating", "validating")
    },
    "/api/v1/services": {"metadata": {}, "items": []},
    "/api/v1/pods": {"metadata": {}, "items": []},
    "/api/v1/namespaces/shop": {"metadata": {"name": "shop"}},
}


@pytest.fixture
def call(fixed_api: Any, run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Run the module on a cluster with one VirtualService, which is bound to a Gateway that does not exist."""
    pong = {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"hosts": ["*"], "gateways": ["gw"]}}

    def run(answers: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        there = {f"{ISTIO}/virtualservices": {"metadata": {}, "items": [pong]}}
        fixed_api.answers = {**EMPTY, **there, **(answers or {})}
        return run_module(mesh_info.main, {**fixed_api.access, **options})

    return run


def test_documentation_and_arguments_agree() -> None:
    texts = (mesh_info.DOCUMENTATION, checks.ModuleDocFragment.DOCUMENTATION)
    documented = {name: option for text in texts for name, option in yaml.safe_load(text)["options"].items()}
    assert set(documented) == set(mesh_info.ARGUMENTS)
    for name, argument in mesh_info.ARGUMENTS.items():
        keys = ("type", "default", "required", "choices", "elements")
        assert [documented[name].get(key) for key in keys] == [argument.get(key) for key in keys], name
    assert tuple(documented["skip_checks"]["choices"]) == NAMES


def test_findings_are_returned_and_no_failure(call: Callable[..., dict[str, Any]]) -> None:
    result = call(name="pong", namespace="shop")
    assert not result.get("failed")
    assert (result["ok"], result["virtual_services"]) == (False, ["shop/pong"])
    error, warning = result["findings"]
    assert error.items() >= {"check": "gateway_exists", "severity": "error", "kind": "VirtualService"}.items()
    assert (warning["check"], warning["severity"]) == ("configuration_validated", "warning")
    assert result["msg"].startswith("29 checks: 1 error, 1 warning; VirtualService shop/pong names Gateway shop/gw")
    assert "ERROR    gateway_exists" in result["report"]
    marks = {check["name"]: check["result"] for check in result["checks"]}
    assert (list(marks), marks["gateway_exists"]) == (list(NAMES), "error")


def test_warnings_are_ok(call: Callable[..., dict[str, Any]]) -> None:
    result = call(name="pong", namespace="shop", skip_checks=["gateway_exists"])
    assert (result["ok"], result["msg"]) == (True, "28 checks (1 skipped): 0 errors, 1 warning")
    assert result["checks"][1].items() >= {"name": "gateway_exists", "skipped": "by skip_checks"}.items()


def test_results_are_those_documented(call: Callable[..., dict[str, Any]]) -> None:
    result = call(name="pong", namespace="shop")
    documented = yaml.safe_load(mesh_info.RETURN)
    assert set(documented) == set(result) - {"changed", "invocation"}
    for key in ("findings", "checks"):
        assert set(documented[key]["contains"]) == set(result[key][0])


@pytest.mark.parametrize(
    ("options", "found"),
    [({}, ["shop/pong"]), ({"namespace": "shop"}, ["shop/pong"]), ({"namespace": "other"}, [])],
)
def test_focus(call: Callable[..., dict[str, Any]], options: dict[str, Any], found: list[str]) -> None:
    assert call(**options)["virtual_services"] == found


def test_skipped_checks_spare_their_reads(call: Callable[..., dict[str, Any]], fixed_api: Any) -> None:
    result = call(name="pong", namespace="shop", skip_checks=[name for name in NAMES if name != "gateway_exists"])
    assert sorted(path.split("?")[0] for path in fixed_api.asked) == [f"{ISTIO}/gateways", f"{ISTIO}/virtualservices"]
    assert result["requests"] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "pong"}, "namespace"),
        ({"skip_checks": ["nix"]}, "skip_checks"),
    ],
)
def test_bad_input(call: Callable[..., dict[str, Any]], options: dict[str, Any], words: str) -> None:
    result = call(**options)
    assert result["failed"] is True
    assert words in result["msg"]


def test_what_cannot_be_read_at_all_fails(call: Callable[..., dict[str, Any]]) -> None:
    result = call({f"{ISTIO}/gateways": 404})
    assert result["failed"] is True
    assert "gateways NotFound" in result["msg"]
