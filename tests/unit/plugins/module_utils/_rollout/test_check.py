# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the mesh that `canary` refuses to step over, and those that it only tells of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import Answer, ApiServer, Request
from pong_mesh import NAMESPACE, destination_rule, populate, virtual_service

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}
    fixed |= {"stable": "v1", "canary": "v2", "wait_timeout": 0}
    return lambda check=False, **options: run_module(canary.main, {**fixed, "weight": 20, **options}, check)


@pytest.fixture
def gateway(server: ApiServer) -> dict[str, Any]:
    """The service behind a Gateway that a ready pod serves."""
    populate(server)
    server.put("virtualservices", virtual_service(100, 0, gateways=["gateway"], hosts=["shop.test"]))
    meta = {"name": "ingress-1", "namespace": "gateways", "labels": {"istio": "gateway"}, "uid": "ingress-1"}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    server.put("pods", {"metadata": meta, "spec": {"containers": []}, "status": ready})
    servers = [{"port": {"number": 80}, "hosts": ["*"]}]
    return server.put(
        "gateways",
        {
            "metadata": {"name": "gateway", "namespace": NAMESPACE},
            "spec": {"selector": {"istio": "gateway"}, "servers": servers},
        },
    )


def rival(server: ApiServer, namespace: str = "other") -> None:
    other = virtual_service(100, 0, gateways=[f"{NAMESPACE}/gateway"], hosts=["shop.test"])
    other["metadata"] |= {"name": "rival", "namespace": namespace}
    server.put("virtualservices", other)


def test_all_is_well(server: ApiServer, gateway: dict[str, Any], call: Call) -> None:
    assert call()["weights"]["after"] == {"v1": 80, "v2": 20}


@pytest.mark.parametrize("check", [False, True])
def test_another_route_for_the_same_host_is_refused(
    server: ApiServer, gateway: dict[str, Any], call: Call, check: bool
) -> None:
    rival(server)
    refused = call(check=check)
    assert refused["failed"]
    assert refused["msg"] == (
        "VirtualService shop/pong and VirtualService other/rival both route host shop.test on the same gateway; "
        "either may get the other's requests -> give them different hosts, or merge them, as the owner of "
        "other/rival agrees: kubectl get virtualservice -n other rival -o yaml; "
        "the weights stay v1 100 %, v2 0 %, by the check one_route_per_gateway_host"
    )
    assert server.sent("PATCH") == []
    assert call(skip_checks=["one_route_per_gateway_host"])["changed"]


def test_all_errors_at_once(server: ApiServer, gateway: dict[str, Any], call: Call) -> None:
    rival(server)
    gateway["spec"]["selector"] = {"istio": "nobody"}
    server.put("gateways", gateway)
    mistakes = call()["mistakes"]
    assert ["selects no pod of any namespace" in mistakes[0], "other/rival" in mistakes[1]] == [True, True]


def test_a_way_back_asks_for_no_rules(server: ApiServer, gateway: dict[str, Any], call: Call) -> None:
    call()
    rival(server)
    assert call(state="rolled_back", weight=None)["weights"]["after"] == {"v1": 100, "v2": 0}
    assert not call(state="held", weight=None).get("failed")


def test_what_is_wrong_with_other_routes_is_nobody_elses_business(
    server: ApiServer, gateway: dict[str, Any], call: Call
) -> None:
    service = server.get("virtualservices", "pong", NAMESPACE)
    nowhere = [{"destination": {"host": "pong", "subset": "v9"}, "weight": 0}]
    service["spec"]["http"].insert(0, {"match": [{"uri": {"prefix": "/old"}}], "route": nowhere})
    service["spec"]["http"].append({"match": [{"uri": {"prefix": "/older"}}], "route": nowhere})
    server.put("virtualservices", service)
    assert call()["changed"]


def test_a_route_that_is_never_used_is_refused(server: ApiServer, gateway: dict[str, Any], call: Call) -> None:
    service = server.get("virtualservices", "pong", NAMESPACE)
    service["spec"]["http"].insert(0, {"name": "all", "route": [{"destination": {"host": "files"}}]})
    server.put("virtualservices", service)
    assert "never uses route primary: route all comes before it" in call()["msg"]


def test_what_is_only_fragile_is_told(
    server: ApiServer, gateway: dict[str, Any], call: Call, warned: list[str]
) -> None:
    second = destination_rule("v7")
    second["metadata"]["name"] = "more"
    server.put("destinationrules", second)
    assert call()["changed"]
    assert [warning for warning in warned if "is one of 2 for Service shop/pong" in warning]


def test_a_step_gives_no_advice_about_the_names_of_routes(
    server: ApiServer, gateway: dict[str, Any], call: Call, warned: list[str]
) -> None:
    """Their authors may leave them unnamed, and the doctor gives it."""
    unnamed = virtual_service(100, 0, gateways=["gateway"], hosts=["shop.test"])
    del unnamed["spec"]["http"][1]["name"]
    server.put("virtualservices", unnamed)
    assert call()["changed"]
    assert not any("has no name" in warning for warning in warned)


def test_who_may_not_see_others_is_told_so(
    server: ApiServer, gateway: dict[str, Any], call: Call, warned: list[str]
) -> None:
    everywhere = (
        "/apis/networking.istio.io/v1/virtualservices",
        "/apis/networking.istio.io/v1/namespaces/shop/gateways/gateway",
    )

    def forbid(number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", "not for you") if request.path in everywhere else None

    server.before = forbid
    assert call()["changed"]
    assert [warning.split(":")[0] for warning in warned] == [
        "whether others route the same hosts was not seen (skip_checks",
        "the rules about gateways were not checked",
    ]
    warned.clear()
    assert call(weight=30, skip_checks=["one_route_per_gateway_host"])["changed"]
    assert len(warned) == 1


def test_an_unknown_rule_is_a_mistake(server: ApiServer, call: Call) -> None:
    populate(server)
    mistakes = call(skip_checks=["moon"], weight=101)["mistakes"]
    assert [mistake.split(":")[0] for mistake in mistakes] == ["weight is 101", "skip_checks has moon"]
