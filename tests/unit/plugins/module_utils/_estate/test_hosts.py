# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._estate.hosts import InventoryHost, Place, hosts
from ansible_collections.progressive.istio.plugins.module_utils._estate.services import services
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase
from estate_routes import Object, release, routes, rule, subsets

NEW = {"v1": 100, "v2": 0}
HERE = Place("kind-test", "kind-test")


def listed(*virtual_services: Object, place: Place = HERE) -> list[InventoryHost]:
    return hosts(services(virtual_services, [subsets("v1", "v2")]), place)


def names(*virtual_services: Object) -> list[str]:
    return [each.name for each in listed(*virtual_services)]


def test_the_variables_are_the_settings_of_the_role():
    (host,) = listed(routes(rule(NEW, name="main"), note=release(Phase.ROLLED_BACK, 0)))
    assert host == InventoryHost(
        "checkout.shop",
        ["canaries", "namespace_shop", "phase_rolled_back"],
        {
            "canary_app": "checkout",
            "canary_namespace": "shop",
            "canary_service": "checkout",
            "canary_host": "checkout.shop.svc.cluster.local",
            "canary_virtual_service": "checkout",
            "canary_stable_version": "v1",
            "canary_version": "v2",
            "canary_destination_rule": "checkout",
            "canary_gateway_hosts": ["pay.example.com"],
            "canary_context": "kind-test",
            "canary_found": {
                "phase": "rolled_back",
                "weights": {"v1": 100, "v2": 0},
                "labels": {"team": "pay"},
                "cluster": "kind-test",
            },
        },
    )


def test_the_application_of_what_site_yml_made():
    (host,) = listed(routes(rule(NEW, host="pong-service"), name="pong-virtual-service"))
    assert (host.variables["canary_app"], host.variables["canary_service"]) == ("pong", "pong-service")
    (host,) = listed(routes(rule(NEW, host="pong-service"), name="pong"))
    assert host.variables["canary_app"] == "pong-service"


def test_a_candidate_says_what_it_lacks_and_has_no_phase():
    (host,) = listed(routes(rule({"v1": 100})))
    assert host.groups == ["candidates", "namespace_shop"]
    assert "add a destination" in host.variables["canary_found"]["why"]


def test_what_is_not_known_is_not_set():
    (host,) = listed(routes(rule({"": 100}), gateways=["mesh"]), place=Place("in-cluster"))
    left_out = {"stable_version", "version", "destination_rule", "gateway_hosts", "context", "kubeconfig"}
    assert not {f"canary_{name}" for name in left_out} & host.variables.keys()


def test_the_namespace_is_that_of_the_service():
    (host,) = listed(routes(rule(NEW, host="checkout.shop.svc.cluster.local"), namespace="edge-eu"))
    assert (host.name, host.groups[1]) == ("checkout.shop", "namespace_shop")
    assert host.variables["canary_namespace"] == "edge-eu"
    assert "canary_destination_rule" not in host.variables, "cleanup.yml would look for it in the other namespace"


@pytest.mark.parametrize(
    ("virtual_services", "expected"),
    [
        ([routes(rule(NEW, name="api"))], ["checkout.shop"]),
        ([routes(rule(NEW, name="api"), rule(NEW, name="web"))], ["checkout.shop"]),
        (
            [routes(rule(NEW), name="outside"), routes(rule(NEW), name="inside")],
            ["checkout.shop.outside", "checkout.shop.inside"],
        ),
        (
            [routes(rule(NEW), name="outside"), routes(rule(NEW, name="a"), rule(NEW, name="b"), name="inside")],
            ["checkout.shop.outside", "checkout.shop.inside"],
        ),
        ([routes(rule(NEW), rule(NEW, host="cart"))], ["cart.shop", "checkout.shop"]),
        ([routes(rule(NEW), namespace="a"), routes(rule(NEW), namespace="b")], ["checkout.a", "checkout.b"]),
        # Characters with a meaning in --limit or in file names.
        (
            [routes(rule(NEW), name="a:b"), routes(rule(NEW), name="a/b")],
            ["checkout.shop.a-b", "checkout.shop.a-b-2"],
        ),
        ([routes(rule(NEW), rule(NEW, host="checkout.shop"))], ["checkout.shop", "checkout.shop-2"]),
    ],
)
def test_names(virtual_services, expected):
    assert names(*virtual_services) == expected


def test_the_hosts_of_several_clusters():
    (host,) = listed(routes(rule(NEW)), place=Place("eu-1", "admin@eu", "/home/k", suffix="eu-1"))
    assert (host.name, host.groups) == (
        "checkout.shop@eu-1",
        ["canaries", "namespace_shop", "cluster_eu_1", "phase_none"],
    )
    assert (host.variables["canary_context"], host.variables["canary_kubeconfig"]) == ("admin@eu", "/home/k")
