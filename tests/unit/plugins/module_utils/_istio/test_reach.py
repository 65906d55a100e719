# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of somebody else whose canary, green, has 0 %; every case adds one way to it, or one that is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Mesh
from ansible_collections.progressive.istio.plugins.module_utils._istio.reach import (
    MOST,
    MovedRules,
    bypasses,
    past,
    sentences,
    unrouted_callers,
)
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import every_route
from hypothesis import given
from hypothesis import strategies as st
from rule_ids import http

HOST = "checkout.shop.svc.cluster.local"
CALLERS = (
    "green is also reached through Service shop/checkout: callers inside the mesh get any of its pods, for no "
    "VirtualService bound to mesh routes it"
)


def to(subset: str | None = None, weight: int | None = None, host: str = HOST) -> dict[str, Any]:
    target = {"host": host, **({"subset": subset} if subset else {})}
    return {"destination": target, **({} if weight is None else {"weight": weight})}


def named(name: str, namespace: str = "shop") -> dict[str, Any]:
    return {"name": name, "namespace": namespace}


def routes(name: str, *http: dict[str, Any], namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    spec = {"hosts": ["shop.example"], "gateways": ["entry"], "http": list(http), **spec}
    return {"metadata": named(name, namespace), "spec": spec}


def service(name: str, selector: dict[str, str] | None, namespace: str = "shop") -> dict[str, Any]:
    return {"metadata": named(name, namespace), "spec": {"selector": selector, "ports": [{"port": 8088}]}}


def subsets(name: str, host: str = HOST, **labels: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": named(name),
        "spec": {"host": host, "subsets": [{"name": one, "labels": its} for one, its in labels.items()]},
    }


WEIGHTED = {"route": [to("blue", 100), to("green", 0)]}
PLAIN = Mesh(
    destination_rules=(subsets("checkout", blue={"track": "blue"}, green={"track": "green"}),),
    services=(service("checkout", {"workload": "checkout"}),),
)


def told(own: dict[str, Any], *others: dict[str, Any], world: Mesh = PLAIN, version: str = "green") -> list[str]:
    """The sentences about rules; the weighted rule is the first one that has both versions."""
    rule = next(index for index, each in enumerate(own["spec"]["http"]) if each.get("route", [])[1:])
    everything = replace(world, virtual_services=(own, *others))
    return [
        str(each)
        for each in bypasses(MovedRules(own, frozenset(http(rule)), every_route(own)[rule]), version, everything)
    ]


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "header": (
        {"match": [{"headers": {"x-canary": {"exact": "1"}}}], "route": [to("green")]},
        "green is also reached by HTTP route number 1 of VirtualService shop/routes (header x-canary)",
    ),
    "named": (
        {"name": "beta", "match": [{"uri": {"prefix": "/beta"}}], "route": [to("green", 100)]},
        "green is also reached by HTTP route beta of VirtualService shop/routes (uri prefix /beta)",
    ),
    "everybody": (
        {"route": [to("green")]},
        "green is also reached by HTTP route number 1 of VirtualService shop/routes",
    ),
    "alone with weight 0": (  # Istio does not look at the weight of a destination that is alone
        {"route": [to("green", 0)]},
        "green is also reached by HTTP route number 1 of VirtualService shop/routes",
    ),
    "bare host": (
        {"route": [to("green", host="checkout")]},
        "green is also reached by HTTP route number 1 of VirtualService shop/routes",
    ),
    "without subset": ({"route": [to()]}, "green is also reached by HTTP route number 1 of VirtualService shop/routes"),
    "mirror": (
        {"route": [to("blue")], "mirror": to("green")["destination"]},
        "green also gets copies by the mirror of HTTP route number 1 of VirtualService shop/routes",
    ),
    "mirror of some": (
        {"route": [to("blue")], "mirror": to("green")["destination"], "mirrorPercentage": {"value": 0.5}},
        "green also gets copies by the mirror of HTTP route number 1 of VirtualService shop/routes",
    ),
    "mirrors": (
        {"route": [to("blue")], "mirrors": [{"destination": to("green")["destination"], "percentage": {"value": 5}}]},
        "green also gets copies by the mirror of HTTP route number 1 of VirtualService shop/routes",
    ),
    "many conditions": (
        {
            "match": [
                {"headers": {"a": {"exact": "1"}, "b": {"exact": "1"}}, "method": {"exact": "PUT"}},
                {"queryParams": {"c": {"exact": "1"}}, "sourceLabels": {"team": "qa"}, "gateways": ["mesh"]},
            ],
            "route": [to("green")],
        },
        "green is also reached by HTTP route number 1 of VirtualService shop/routes (header a, header b, "
        "method exact PUT and 3 more)",
    ),
}


def first(virtual_service: dict[str, Any]) -> MovedRules:
    return MovedRules(virtual_service, frozenset(http(0)), every_route(virtual_service)[0])


@pytest.mark.parametrize(("rule", "sentence"), RULES.values(), ids=RULES)
def test_another_rule_of_the_same_virtual_service(rule, sentence):
    assert told(routes("routes", rule, WEIGHTED)) == [sentence]


@pytest.mark.parametrize(("rule", "sentence"), RULES.values(), ids=RULES)
def test_a_rule_of_another_virtual_service(rule, sentence):
    assert told(routes("checkout", WEIGHTED), routes("routes", rule)) == [sentence]


NO_WAYS: dict[str, dict[str, Any]] = {
    "stable": {"match": [{"uri": {"prefix": "/admin"}}], "route": [to("blue")]},
    "at weight 0": {"route": [to("blue", 100), to("green", 0)]},
    "without a weight": {"route": [to("blue", 100), to("green")]},
    "no mirror": {"route": [to("blue")], "mirror": to("green")["destination"], "mirrorPercentage": {"value": 0}},
    "no mirrors": {"route": [to("blue")], "mirrors": [{**to("green"), "percentage": {"value": 0}}]},
    "another host": {"route": [to("green", host="cart.shop.svc.cluster.local")]},
    "another namespace": {"route": [to("green", host="checkout.stage.svc.cluster.local")]},
    "outside": {"route": [to(host="checkout.shop")]},
    "redirect": {"redirect": {"uri": "/"}},
    "delegate": {"delegate": {"name": "green"}},
}


@pytest.mark.parametrize("rule", NO_WAYS.values(), ids=NO_WAYS)
def test_what_leads_elsewhere(rule):
    assert told(routes("checkout", WEIGHTED), routes("routes", rule)) == []


def test_the_mirror_of_the_weighted_rule_itself_stays_after_a_rollback():
    rule = {**WEIGHTED, "name": "main", "mirror": to("green")["destination"]}
    sentence = "green also gets copies by the mirror of HTTP route main of VirtualService shop/checkout"
    assert told(routes("checkout", rule)) == [sentence]


def test_a_destination_without_subset_beside_the_versions():
    rule = {"route": [to("blue", 50), to("green", 0), to(weight=50)]}
    (sentence,) = told(routes("checkout", rule))
    assert f"the weight of {HOST} without subset in HTTP route number 1 of VirtualService shop/checkout" in sentence


@pytest.mark.parametrize("labels", [{}, {"workload": "checkout"}])
def test_a_stable_subset_that_selects_the_canary_too(labels):
    world = replace(PLAIN, destination_rules=(subsets("checkout", blue=labels, green={"track": "green"}),))
    assert told(routes("checkout", WEIGHTED), world=world) == [
        "green is also reached by the weight of subset blue in HTTP route number 1 of VirtualService shop/checkout"
    ]


def test_another_service_in_front_of_the_same_pods():
    preview = "preview.shop.svc.cluster.local"
    rule = routes("preview", {"route": [to(host=preview)]})
    for selector, found in (
        ({"workload": "checkout"}, 1),
        ({"track": "green"}, 1),
        ({"workload": "checkout", "track": "blue"}, 0),
        ({"workload": "cart"}, 0),
        (None, 0),
    ):
        world = replace(PLAIN, services=(*PLAIN.services, service("preview", selector)))
        assert len(told(routes("checkout", WEIGHTED), rule, world=world)) == found, selector


def test_a_service_of_another_namespace_has_pods_of_its_own():
    far = "checkout.stage.svc.cluster.local"
    world = replace(PLAIN, services=(*PLAIN.services, service("checkout", {"workload": "checkout"}, "stage")))
    assert told(routes("checkout", WEIGHTED), routes("far", {"route": [to(host=far)]}), world=world) == []


def test_tcp_and_tls_rules_count_too():
    for protocol in ("tcp", "tls"):
        other = routes("raw", **{protocol: [{"route": [to("green")]}]})
        place = f"route {protocol}:1 of VirtualService shop/raw"
        assert told(routes("checkout", WEIGHTED), other) == [f"green is also reached by {place}"]


def test_an_undefined_subset_is_known_by_its_name():
    world = replace(PLAIN, destination_rules=())
    own = routes("checkout", {"route": [to("green")]}, WEIGHTED)
    assert len(told(own, world=world)) == 1
    assert told(routes("checkout", {"route": [to("blue")]}, WEIGHTED), world=world) == []


def test_a_consistent_hash_is_no_way():
    """Envoy picks the weighted destination first: a cookie holds a user on a pod of it, not on a version."""
    (rule,) = PLAIN.destination_rules
    policy = {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "user", "ttl": "0s"}}}}
    sticky = {**rule, "spec": {**rule["spec"], "trafficPolicy": policy}}
    assert told(routes("checkout", WEIGHTED), world=replace(PLAIN, destination_rules=(sticky,))) == []


MESH_ROUTES: dict[str, tuple[dict[str, Any], bool]] = {  # what routes callers inside the mesh: whether it does
    "bare": ({"hosts": ["checkout"], "gateways": ["mesh"]}, True),
    "full": ({"hosts": [HOST], "gateways": ["entry", "mesh"]}, True),
    "no gateway named": ({"hosts": ["shop.example", HOST], "gateways": []}, True),
    "wildcard": ({"hosts": ["*.shop.svc.cluster.local"], "gateways": ["mesh"]}, True),
    "exported": ({"hosts": [HOST], "gateways": ["mesh"], "exportTo": ["*"]}, True),
    "public host only": ({"hosts": ["shop.example"], "gateways": ["entry", "mesh"]}, False),
    "gateway only": ({"hosts": [HOST], "gateways": ["entry"]}, False),
    "other service": ({"hosts": ["cart"], "gateways": ["mesh"]}, False),
    "short with a dot": ({"hosts": ["checkout.shop"], "gateways": ["mesh"]}, False),
}


@pytest.mark.parametrize(("spec", "routed"), MESH_ROUTES.values(), ids=MESH_ROUTES)
@pytest.mark.parametrize("own", [True, False])
def test_callers_inside_the_mesh(spec, routed, own):
    gateway_only = routes("checkout", WEIGHTED)
    virtual_service = routes("checkout", WEIGHTED, **spec) if own else gateway_only
    world = replace(PLAIN, virtual_services=(virtual_service, routes("inside", {"route": [to("blue")]}, **spec)))
    found = unrouted_callers(first(virtual_service), "green", world)
    assert (found is None) == routed
    assert routed or str(found) == CALLERS


def test_callers_whom_the_route_is_not_exported_to():
    own = routes("checkout", WEIGHTED, hosts=[HOST], gateways=["mesh"], exportTo=["."])
    found = unrouted_callers(first(own), "green", replace(PLAIN, virtual_services=(own,)))
    assert str(found).endswith(
        "callers in other namespaces get any of its pods, for VirtualService shop/checkout is not exported to them"
    )


def test_a_service_that_does_not_select_the_canary_or_was_not_read():
    own = routes("checkout", WEIGHTED)
    for services in ((), (service("checkout", {"track": "blue"}),), (service("checkout", None),)):
        assert unrouted_callers(first(own), "green", replace(PLAIN, services=services)) is None


def test_what_leads_past_the_canary():
    own = routes(
        "checkout",
        {"route": [to("blue")]},
        {"name": "fixed", "match": [{"uri": {"prefix": "/fixed"}}], "route": [to("blue")]},
        {"name": "both", **WEIGHTED},
        {"name": "testers", "route": [to("green")]},
        {"name": "other", "route": [to("blue", host="cart")]},
        {"name": "gone", "redirect": {"uri": "/"}},
    )
    fixed = "HTTP route fixed of VirtualService shop/checkout leads past green, to blue alone (uri prefix /fixed)"
    assert past(first(own), "blue", "green") == (fixed,)


def test_many_ways_are_bounded():
    others = tuple(routes(f"way-{number}", {"route": [to("green")]}) for number in range(MOST + 3))
    own = routes("checkout", WEIGHTED)
    found = sentences(first(own), "green", replace(PLAIN, virtual_services=(own, *others)), callers=False)
    assert len(found) == MOST + 1
    assert found[-1] == "green is also reached by 3 more places, which the module mesh_info lists"
    assert sentences(first(own), "green", replace(PLAIN, virtual_services=(own,))) == (CALLERS,)


VERSIONS = st.sampled_from(["blue", "green", "red"])
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["blue", "green", "red", None]), st.integers(0, 100)), min_size=1, max_size=3
)


@given(ENTRIES, VERSIONS)
def test_a_rule_is_told_exactly_if_it_gives_the_version_a_share(entries, version):
    """Against the plain reading of the rule: a share for the subset by name, or for the Service as a whole."""
    world = replace(
        PLAIN,
        destination_rules=(subsets("checkout", **{each: {"track": each} for each in ("blue", "green", "red")}),),
    )
    alone = len(entries) == 1
    shares = [subset for subset, weight in entries if subset in (version, None) and (weight or alone)]
    other = routes("other", {"route": [to(subset, weight) for subset, weight in entries]})
    own = routes("checkout", {"route": [to("blue", 50), to("green", 50), to("red", 0)]})
    assert len(told(own, other, world=world, version=version)) == len(shares)


@given(st.integers(0, 100), VERSIONS)
def test_the_weight_itself_is_no_bypass(weight, version):
    own = routes("checkout", {"route": [to("blue", 100 - weight), to("green", weight)]})
    assert told(own, version=version) == []
