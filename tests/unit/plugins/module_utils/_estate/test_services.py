# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._estate.hosts import Place
from ansible_collections.progressive.istio.plugins.module_utils._estate.hosts import hosts as inventory_hosts
from ansible_collections.progressive.istio.plugins.module_utils._estate.services import Found, services
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase
from ansible_collections.progressive.istio.plugins.module_utils._rollout.parse import parse
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName
from estate_routes import Object, release, routes, rule, subsets
from hypothesis import given
from hypothesis import strategies as st

NEW = {"v1": 100, "v2": 0}
DONE = {"v1": 0, "v2": 100}


def one(*virtual_services: Object, rules: tuple[Object, ...] = (subsets("v1", "v2"),)) -> Found:
    (found,) = services(virtual_services, rules)
    return found


@pytest.mark.parametrize(
    ("weights", "note", "versions", "phase"),
    [
        (NEW, "", ("v1", "v2"), "none"),
        ({"v1": 80, "v2": 20}, "", ("v1", "v2"), "none"),
        ({"v1": 0, "v2": 100}, "", ("v1", "v2"), "none"),  # v1 may be the old one, and must not come back by itself
        ({"green": 100, "blue": 0}, "", ("green", "blue"), "none"),
        ({"v1": 90, "v2": 0, "v3": 10}, "", ("v1", "v3"), "none"),
        ({"v1": 80, "v2": 20}, release(Phase.PROGRESSING, 20), ("v1", "v2"), "progressing"),
        ({"v2": 20, "v1": 80}, release(Phase.HELD, 20), ("v1", "v2"), "held"),
        ({"v1": 0, "v2": 100}, release(Phase.PROMOTED, 100), ("v1", "v2"), "promoted"),
        ({"v3": 0, "v2": 100}, release(Phase.PROMOTED, 100), ("v2", "v3"), "promoted"),
        ({"v3": 0, "v1": 100}, release(Phase.ROLLED_BACK, 0), ("v1", "v3"), "rolled_back"),
        # What was beside the release all along is not begun after it.
        ({"v1": 0, "v2": 100, "v3": 0}, release(Phase.PROMOTED, 100), ("v1", "v2"), "promoted"),
        ({"v1": 100, "v2": 0, "v3": 0}, release(Phase.ROLLED_BACK, 0), ("v1", "v2"), "rolled_back"),
        ({"v1": 80, "v3": 20}, release(Phase.PROGRESSING, 20), ("v1", "v3"), "progressing"),
        (NEW, "{", ("v1", "v2"), "unreadable"),
        (NEW, release(Phase.PROMOTED, 100, host="other.shop.svc.cluster.local"), ("v1", "v2"), "none"),
    ],
)
def test_the_versions_and_the_phase(weights, note, versions, phase):
    found = one(routes(rule(weights), note=note))
    assert (found.stable, found.canary, found.phase, found.why) == (*versions, phase, "")


def test_a_service_whose_connections_are_split():
    found = one(routes(tcp=[rule({"v1": 80, "v2": 20})], tls=[rule({"v1": 80, "v2": 20})]))
    assert ([route.name for route in found.routes], found.why) == (["tls:1", "tcp:1"], "")
    assert (found.stable, found.canary, found.weights) == ("v1", "v2", {"v1": 80, "v2": 20})
    mixed = one(routes(rule({"v1": 100, "v2": 0}, name="web"), tcp=[rule({"v1": 80, "v2": 20})]))
    assert "(v1 100 %, v2 0 % in web, v1 80 %, v2 20 % in tcp:1): name those that a release is to move" in mixed.why


def test_what_is_found_of_a_service():
    found = one(routes(rule({"v1": 80, "v2": 20}, name="main")))
    assert found.service == ServiceName("shop", "checkout")
    assert (found.name, found.namespace, found.route.label) == ("checkout", "shop", "main")
    assert found.host == "checkout.shop.svc.cluster.local"
    assert found.weights == {"v1": 80, "v2": 20}
    assert found.labels == {"team": "pay"}
    assert found.destination_rule == ServiceName("shop", "checkout")
    assert found.gateway_hosts == ["pay.example.com"]


@pytest.mark.parametrize("gateways", [[], None, ["mesh"]])
def test_a_service_for_callers_in_the_mesh_has_no_host_name_at_a_gateway(gateways):
    assert one(routes(rule(NEW), gateways=gateways)).gateway_hosts == []


@pytest.mark.parametrize(
    ("weights", "host", "stable", "canary", "why"),
    [
        ({"v1": 100}, "checkout", "v1", "v2", "names one version of shop/checkout, v1: add a destination"),
        ({"v1": 90, "": 10}, "checkout", "v1", "v2", "names one version of shop/checkout, v1: add a destination"),
        (
            {"": 100},
            "checkout",
            "",
            "",
            "tells no versions of shop/checkout apart: give the route a destination for each",
        ),
        (
            {"v1": 100, "v2": 0, "v3": 0},
            "checkout",
            "v1",
            "",
            "has v1 100 %, v2 0 %, v3 0 %: say which are released by canary_stable_version and canary_version",
        ),
        (NEW, "checkout.shop", "v1", "v2", "host checkout.shop of HTTP route number 1 of VirtualService shop/checkout"),
    ],
)
def test_what_a_candidate_lacks(weights, host, stable, canary, why):
    found = one(routes(rule(weights, host=host)))
    assert (found.stable, found.canary) == (stable, canary)
    assert why in found.why


def test_a_version_that_a_cleanup_has_left_is_not_the_next_one():
    found = one(routes(rule({"v2": 100}), note=release(Phase.PROMOTED, 100)))
    assert (found.stable, found.canary) == ("v2", "")


def test_a_host_outside_the_cluster_is_no_candidate():
    assert services([routes(rule({"": 100}, host="api.example.com"))], []) == []


def test_rules_without_destinations_and_without_rules():
    redirect = {"redirect": {"uri": "/"}}
    assert services([routes(redirect), routes(), {"metadata": routes()["metadata"]}], []) == []


def test_all_routes_of_a_service_are_one_canary():
    found = one(routes(rule(NEW), rule({"v1": 100}, name="fixed"), rule(NEW), rule(NEW, name="api")))
    assert ([route.rule for route in found.routes], found.why) == ([0, 2, 3], "")


def test_routes_that_differ_are_a_candidate_until_a_release_is_begun():
    http = rule(NEW, name="web"), rule(DONE, name="beta")
    assert one(routes(*http)).why == (
        "HTTP routes web and beta of VirtualService shop/checkout split in different ways (v1 100 %, v2 0 % in web, "
        "v1 0 %, v2 100 % in beta): name those that a release is to move by canary_routes"
    )
    assert one(routes(*http, note=release(Phase.PROGRESSING, 0, routes=["web"]))).why == ""


def test_two_destinations_of_one_version_are_a_lack():
    double = rule(NEW)
    double["route"].append(double["route"][0])
    assert "more than one destination v1: merge them" in one(routes(double)).why


def test_a_route_to_one_version_beside_one_to_two_is_not_listed():
    header = rule({"v2": 100}, name="testers")
    assert one(routes(header, rule(NEW, name="main"))).route.label == "main"


def test_each_service_of_a_virtual_service_has_its_own_release():
    states = {
        "checkout.shop.svc.cluster.local": json.loads(release(Phase.PROGRESSING, 20)),
        "cart.shop.svc.cluster.local": json.loads(release(Phase.HELD, 20)),
    }
    note = json.dumps({"version": 2, "services": states})
    shares = {"v1": 80, "v2": 20}
    found = services([routes(rule(shares), rule(shares, host="cart"), rule(NEW, host="mail"), note=note)], [])
    assert [(each.service.name, each.phase, each.why) for each in found] == [
        ("cart", "held", ""),
        ("checkout", "progressing", ""),
        ("mail", "none", ""),
    ]


def test_releases_on_several_virtual_services_are_independent():
    found = services([routes(rule(NEW), name="outside"), routes(rule(NEW), name="inside")], [])
    assert [each.why for each in found] == ["", ""]


@pytest.mark.parametrize(
    ("host", "namespace", "found"),
    [
        ("checkout", "shop", ServiceName("shop", "rule")),
        ("checkout.shop.svc.cluster.local", "shop", ServiceName("shop", "rule")),
        ("checkout", "other", None),  # it is that of another Service
        ("checkout.shop.svc.cluster.local", "other", None),  # no module reads it there
    ],
)
def test_the_destination_rule(host, namespace, found):
    rules = (subsets("v1", "v2", host=host, namespace=namespace, name="rule"),)
    assert one(routes(rule(NEW)), rules=rules).destination_rule == found


names = st.sampled_from(["", "api", "web"])
weights = st.dictionaries(st.sampled_from(["", "v1", "v2", "v3"]), st.integers(0, 100), min_size=1)
hosts = st.sampled_from(["checkout", "checkout.shop.svc.cluster.local", "cart", "api.example.com"])
http = st.lists(st.builds(rule, weights, host=hosts, name=names), max_size=4)
notes = st.sampled_from(
    ["", "{", release(Phase.PROGRESSING, 20), release(Phase.PROMOTED, 100), release(Phase.ROLLED_BACK, 0, route="api")]
)


@given(http, notes)
def test_what_lacks_nothing_is_found_again_by_the_module(rules, note):
    virtual_service = routes(*rules, note=note)
    for found in services([virtual_service], [subsets("v1", "v2")]):
        if not found.why:
            versions = (found.stable, found.canary)
            snapshot = parse(Target("checkout", "shop", *versions, destination_host=found.host), virtual_service)
            assert snapshot.route.rule in {route.rule for route in found.routes}
            assert all(set(versions) & route.destinations.keys() for route in snapshot.routes)


def split(**weights: int) -> Object:
    """An HTTP route between Services."""
    return {"route": [{"destination": {"host": host.replace("_", "-")}, "weight": weights[host]} for host in weights]}


def test_services_that_a_rule_splits_between_are_versions():
    found = one(routes(split(cart_v1=90, cart_v2=10), split(cart_v2=10, cart_v1=90), split(cart_v1=100), name="cart"))
    assert (found.stable, found.canary, found.why) == ("cart-v1", "cart-v2", "")
    assert (found.service, found.destination_rule) == (ServiceName("shop", "cart"), None)
    assert ([route.rule for route in found.routes], found.weights) == ([0, 1], {"cart-v1": 90, "cart-v2": 10})


def test_the_release_of_services_tells_them():
    note = release(Phase.PROMOTED, 100, "cart-v1", "cart-v2", host="cart-v1,cart-v2")
    found = one(routes(split(cart_v3=0, cart_v2=100), name="cart", note=note))
    assert (found.stable, found.canary, found.phase) == ("cart-v2", "cart-v3", "promoted")


def test_services_beside_subsets_are_two_canaries():
    rules = (subsets("v1", "v2"),)
    found = services([routes(rule(NEW), split(cart_v1=100, cart_v2=0), name="all")], rules)
    assert [(each.service.name, each.stable, each.canary) for each in found] == [
        ("all", "cart-v1", "cart-v2"),
        ("checkout", "v1", "v2"),
    ]


def test_a_release_that_is_over_goes_on_where_it_was():
    note = release(Phase.ROLLED_BACK, 0, route="api")
    found = one(routes(rule({"v1": 100}, name="api"), rule(NEW), note=note))
    assert ([route.rule for route in found.routes], found.why) == ([0], "")


def test_what_follows_is_found_with_its_leader():
    followers = [{"namespace": "shop", "name": "inside"}, {"namespace": "team", "name": "leaf", "routes": ["main"]}]
    leader = routes(rule(NEW), note=release(Phase.PROGRESSING, 20, followers=followers))
    host = "checkout.shop.svc.cluster.local"
    others = [
        routes(rule(NEW, host=host), name=name, namespace=space)
        for name, space in (("inside", "shop"), ("leaf", "team"))
    ]
    found = one(leader, *others)
    assert (found.name, [(each.namespace, each.name, each.routes) for each in found.followers]) == (
        "checkout",
        [("shop", "inside", ()), ("team", "leaf", ("main",))],
    )
    (host_of_inventory,) = inventory_hosts([found], Place("prod"))
    assert host_of_inventory.variables["canary_virtual_services"] == [
        {"name": "inside", "namespace": "shop"},
        {"name": "leaf", "namespace": "team", "routes": ["main"]},
    ]
    assert len(services([routes(rule(NEW)), *others], [])) == 3
