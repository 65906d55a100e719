# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for requests that reach a version otherwise: each broken one is one finding."""

from __future__ import annotations

from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus
from ansible_collections.progressive.istio.plugins.module_utils._preflight import reach
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName
from broken_mesh import (
    HOST,
    Case,
    RuleTests,
    World,
    destination,
    found,
    pod,
    service,
    virtual_service,
)

CASES: list[Case] = [
    (
        "reached_by_weight_alone",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http.insert(
            0, {"match": [{"headers": {"x-canary": {"exact": "1"}}}], "route": [destination("v2", None)]}
        ),
        "sends requests to v2 beside its weight, by HTTP route number 1 (header x-canary); give it the same weights, "
        "or remove it, unless it leads to v2 on purpose: kubectl get virtualservice -n default pong -o yaml",
    ),
    (
        "reached_by_weight_alone",
        "warning",
        "VirtualService edge/admin",
        lambda w: w.virtual_services.append(
            virtual_service("admin", "edge", hosts=["admin.example"], http=[{"route": [destination(None, None)]}])
        ),
        "sends requests to v2 beside its weight, by HTTP route number 1; give it",
    ),
    (
        "reached_by_weight_alone",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http[0].update(mirror=destination("v2", None)["destination"]),
        "copies requests to v2 beside its weight, by the mirror of HTTP route primary (uri prefix /); give it",
    ),
    (
        "callers_routed",
        "warning",
        "Service default/pong-server-service",
        lambda w: w.sidecars.append(pod("caller", "edge")),
        "leads callers inside the mesh to all its pods, also to those of v2: no VirtualService bound to mesh routes "
        f"it; bind a route with the same weights for host {HOST} to mesh, if it matters: "
        "kubectl get service -n default pong-server-service -o yaml",
    ),
]


class TestRules(RuleTests):
    module, cases = reach, CASES


def test_what_is_released_is_named_by_who_looks() -> None:
    world = World()
    world.weights(20, 80)
    world.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v2", None)]})
    assert found(world) == []
    world.focus = Focus("default", "pong", version="v2")
    assert [finding.check for finding in found(world)] == ["reached_by_weight_alone"]
    world.focus = Focus("default", "pong", ServiceName("default", "files"), "v2")
    assert found(world) == []
    world.http[1]["route"] = [destination("v1", 0), destination("v2", 100)]
    world.focus = Focus("default", "pong", version="v2")
    world.http[0]["route"] = [destination("v1", None)]
    (finding,) = found(world)
    assert "sends requests to v1 beside its weight" in finding.problem


def test_rules_with_the_same_weights_are_one_release() -> None:
    world = World()
    second = {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", 80), destination("v2", 20)]}
    world.http.insert(0, second)
    assert not list(reach.reached_by_weight_alone(world.mesh()))
    second["route"] = [destination("v1", 0), destination("v2", 100)]
    assert [each.name for each in reach.reached_by_weight_alone(world.mesh())]


def test_the_services_of_versions_are_reached_by_their_weights_alone() -> None:
    world = World()
    split = [{"destination": {"host": name}, "weight": weight} for name, weight in (("cart-v1", 90), ("cart-v2", 10))]
    past = [{"destination": {"host": "cart-v2"}}]
    world.virtual_services.append(virtual_service("cart", hosts=["cart.example"], http=[{"route": split}]))
    world.services += [service(each, "default", {"app": "cart", "version": each}) for each in ("cart-v1", "cart-v2")]
    world.focus = Focus("default", "cart")
    assert [each for each in found(world) if each.check in ("reached_by_weight_alone", "callers_routed")] == []
    world.virtual_services.append(virtual_service("past", hosts=["past.example"], http=[{"route": past}]))
    (finding,) = [each for each in found(world) if each.check == "reached_by_weight_alone"]
    assert "sends requests to cart-v2 beside its weight, by HTTP route number 1" in finding.problem
