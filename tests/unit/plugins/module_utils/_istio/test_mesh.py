# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import (
    Focus,
    Mesh,
    behind,
    destinations_of,
    gateway_names,
    hosts_overlap,
    in_mesh,
    servers_of,
    serves,
)
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName
from broken_mesh import World, deployment, destination, destination_rule, gateway, pod, virtual_service


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a.example", "a.example", True),
        ("a.example", "b.example", False),
        ("*", "a.example", True),
        ("a.example", "*.example", True),
        ("*.a.example", "*.example", True),
        ("*.example", "example", False),
    ],
)
def test_hosts_overlap(one: str, other: str, overlap: bool) -> None:
    for pair in ((one, other), (other, one)):
        assert hosts_overlap(*pair) is overlap


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("entry", ("shop", "entry")),
        ("edge/entry", ("edge", "entry")),
        ("./entry", ("shop", "entry")),
        ("entry.edge", ("edge", "entry")),
        ("entry.edge.svc.cluster.local", ("edge", "entry")),
    ],
)
def test_the_notations_of_gateways(reference: str, name: tuple[str, str]) -> None:
    routes = virtual_service(namespace="shop", gateways=["mesh", reference])
    assert gateway_names(routes) == [ServiceName(*name)]
    assert in_mesh(routes)


def test_a_route_without_gateways_is_for_sidecars() -> None:
    assert in_mesh(virtual_service(gateways=None))
    assert not in_mesh(virtual_service(gateways=["entry"]))


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ((80, 20), [80, 20]),
        ((1, 3), [25, 75]),
        ((None, 40), [0, 100]),
        ((7,), [100]),
        ((None,), [100]),
        ((None, None), [0, 0]),
    ],
)
def test_the_share_that_a_destination_really_gets(weights: tuple[int | None, ...], shares: list[float]) -> None:
    route = [destination(f"v{number}", weight) for number, weight in enumerate(weights)]
    assert [each.share for each in destinations_of(virtual_service(http=[{"route": route}]))] == shares


@pytest.mark.parametrize(
    ("host", "accepted"),
    [("*", True), ("shop/*", True), ("./*", False), ("other/*", False), ("shop/a.example", True), ("b.example", False)],
)
def test_which_hosts_a_gateway_accepts(host: str, accepted: bool) -> None:
    (server,) = servers_of(gateway(namespace="edge", hosts=[host]))
    assert server.takes("a.example", "shop") is accepted


def test_pods_behind_a_service() -> None:
    world = World()
    (service, *_others) = world.services
    gone = pod("gone", app="pong-server")
    gone["metadata"]["deletionTimestamp"] = "now"
    pods = [*world.pods, pod("far", "other", app="pong-server"), gone, pod("else", app="x")]
    assert [each["metadata"]["name"] for each in behind(service, pods)] == ["pong-v1-a", "pong-v2-a"]
    assert [each["metadata"]["name"] for each in behind(service, pods, {"version": "v2"})] == ["pong-v2-a"]
    assert behind({**service, "spec": {}}, pods) == []


def test_a_service_selects_the_pods_of_a_deployment() -> None:
    (service, *others) = World().services
    assert serves(deployment("v1"), service)
    far = {**service, "metadata": {**service["metadata"], "namespace": "other"}}
    assert not any(serves(deployment("v1"), each) for each in [*others, far, {**service, "spec": {}}])


@pytest.mark.parametrize(
    ("focus", "names"),
    [(Focus(), ["pong", "far"]), (Focus("default"), ["pong"]), (Focus("other", "far"), ["far"]), (Focus("x"), [])],
)
def test_the_focus(focus: Focus, names: list[str]) -> None:
    mesh = Mesh(focus, virtual_services=(virtual_service(), virtual_service("far", "other")))
    assert [each["metadata"]["name"] for each in mesh.focused()] == names


def test_the_subset_in_the_namespace_of_the_service_comes_first() -> None:
    far = destination_rule("far", "team", "v1")
    far["spec"]["subsets"][0]["labels"] = {"version": "far"}
    world = World()
    world.destination_rules.insert(0, far)
    mesh = world.mesh()
    first = mesh.destinations()[0]
    found: Any = mesh.subset(first)
    assert (found.labels, found.destination_rule) == ({"version": "v1"}, "default/pong")
