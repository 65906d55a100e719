# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Mesh
from ansible_collections.progressive.istio.plugins.module_utils._preflight.checks import Result
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import Finding
from ansible_collections.progressive.istio.plugins.module_utils._preflight.report import render, verdict

LOST = Finding("error", "VirtualService", "shop", "pong", "loses 20 %", "define v2")
FRAGILE = Finding("warning", "Namespace", "", "shop", "has two labels", "remove one")
RESULTS = [
    Result("first", "A rule."),
    Result("second", "A rule.", (LOST, FRAGILE)),
    Result("third", "A rule.", (FRAGILE,)),
    Result("fourth", "A rule.", skipped="by skip_checks"),
]


def thing(name: str, spec: dict[str, Any], ready: bool = True, **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions}}


def destination(subset: str, weight: int) -> dict[str, Any]:
    return {"destination": {"host": "pong", "subset": subset}, "weight": weight}


SUBSETS = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
MESH = Mesh(
    virtual_services=(
        thing("pong", {"hosts": ["a", "b"], "gateways": ["edge/gw", "mesh"], "http": [
            {"name": "primary", "route": [destination("v1", 80), destination("v2", 15), destination("v3", 5)]},
            {"route": [{"destination": {"host": "api.example.com"}}]},
        ]}),
    ),
    services=(thing("pong", {"selector": {"app": "pong"}}),),
    destination_rules=(thing("pong", {"host": "pong", "subsets": SUBSETS}),),
    pods=(thing("a", {}, app="pong", version="v1"), thing("b", {}, ready=False, app="pong", version="v1")),
)  # fmt: skip


def test_overview() -> None:
    assert render(MESH, []).splitlines() == [
        "VirtualService shop/pong: hosts a, b; gateways edge/gw, mesh",
        "   80 %  route primary -> pong v1 (1 of 2 pods ready)",
        "   15 %  route primary -> pong v2 (0 of 0 pods ready)",
        "    5 %  route primary -> pong v3",
        "  100 %  http route number 2 -> api.example.com",
        "0 checks: 0 errors, 0 warnings",
    ]


def test_overview_says_nothing_of_pods_that_may_not_be_read() -> None:
    assert "ready" not in render(replace(MESH, unread={"pods": "refused"}), [])


def test_overview_of_a_service_without_subsets() -> None:
    virtual_service = thing("pong", {"http": [{"route": [{"destination": {"host": "pong"}}]}]})
    assert render(replace(MESH, virtual_services=(virtual_service,)), []).splitlines()[:2] == [
        "VirtualService shop/pong: hosts none; gateways mesh",
        "  100 %  http route number 1 -> pong (1 of 2 pods ready)",
    ]


def test_results() -> None:
    assert render(Mesh(), RESULTS).splitlines() == [
        "ok       first",
        "ERROR    second",
        "         VirtualService shop/pong loses 20 %",
        "         -> define v2",
        "         Namespace shop has two labels",
        "         -> remove one",
        "warning  third",
        "         Namespace shop has two labels",
        "         -> remove one",
        "skipped  fourth: by skip_checks",
        "3 checks (1 skipped): 1 error, 2 warnings",
    ]


def test_verdict() -> None:
    assert verdict(RESULTS[:1]) == "1 check: 0 errors, 0 warnings"
