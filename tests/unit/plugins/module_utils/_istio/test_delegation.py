# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a delegate are where istiod merges them into."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.delegation import (
    Binding,
    bindings,
    delegates_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import bound_rules
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName
from rule_ids import http

Object = dict[str, Any]


def to(*weights: int, host: str = "pong") -> list[Object]:
    names = ("v1", "v2")
    return [
        {"destination": {"host": host, "subset": name}, "weight": weight}
        for name, weight in zip(names, weights, strict=True)
    ]


def virtual_service(name: str, namespace: str, *http: Object, **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {**spec, "http": list(http)}}


def root(*http: Object, name: str = "root", namespace: str = "web") -> Object:
    return virtual_service(name, namespace, *http, hosts=["shop.example"], gateways=["edge/main"])


LEAF = virtual_service("leaf", "shop", {"name": "a", "route": to(80, 20)}, {"route": to(80, 20)})
HERE = {"name": "leaf", "namespace": "shop"}


def test_a_virtual_service_with_hosts_has_its_rules_itself() -> None:
    own = root({"route": to(1, 0)}, {"route": to(1, 0)})
    assert bindings(own, http(1, 0)) == (Binding(own, http(0, 1)),)


def test_a_delegate_is_in_each_root() -> None:
    front = root({"name": "x", "route": to(1, 0, host="other")}, {"name": "shop", "delegate": HERE})
    inside = root({"delegate": HERE}, name="inside")
    first, second = bindings(LEAF, http(0, 1), [front, LEAF, inside])
    assert (first.virtual_service["metadata"]["name"], first.rules) == ("root", http(1, 2))
    assert (second.virtual_service["metadata"]["name"], second.rules) == ("inside", http(0, 1))
    found = bound_rules((first, second))
    assert [(each.virtual_service, sorted(each.names)) for each in found] == [
        ("web/root", ["shop-a"]),
        ("web/root", ["shop"]),
        ("web/inside", ["a"]),
        ("web/inside", [""]),
    ]
    pong = ServiceName("shop", "pong")  # short hosts are read in the namespace of the delegate
    assert all(each.weights == {HostSubset(pong, "v1"): 80, HostSubset(pong, "v2"): 20} for each in found)


def test_only_the_rules_that_were_asked_for() -> None:
    (found,) = bindings(LEAF, http(1), [root({"delegate": HERE})])
    assert found.rules == http(1)


def test_the_names_of_matches_are_joined_and_gateways_are_those_of_the_delegate_first() -> None:
    own = {"name": "a", "match": [{"name": "m"}, {"gateways": ["own", "mesh"], "sourceLabels": {"b": "2"}}]}
    leaf = virtual_service("leaf", "shop", {**own, "route": to(1, 0)})
    outer = {"name": "r", "match": [{"name": "n", "gateways": ["edge/main"], "sourceLabels": {"a": "1"}}]}
    (found,) = bindings(leaf, http(0), [root({**outer, "delegate": HERE})])
    (rule,) = bound_rules([found])
    assert rule.names == {"r-a.n-m", "r-a.n"}
    matches = found.virtual_service["spec"]["http"][0]["match"]
    assert [each["gateways"] for each in matches] == [["edge/main"], ["shop/own", "mesh"]]
    assert [each["sourceLabels"] for each in matches] == [{"a": "1"}, {"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    "world",
    [
        [],
        [root({"delegate": {"name": "leaf"}})],  # of its own namespace
        [root({"delegate": {**HERE, "name": "other"}})],
        [virtual_service("root", "web", {"delegate": HERE})],  # a delegate itself
    ],
)
def test_a_delegate_without_a_root_is_nowhere(world: list[Object]) -> None:
    assert bindings(LEAF, http(0), world) == ()


@pytest.mark.parametrize(
    ("exported", "there"), [(["*"], True), (["web"], True), (["."], False), (["other"], False), ([], True)]
)
def test_a_root_has_what_is_exported_to_its_namespace(exported: list[str], there: bool) -> None:
    leaf = {**LEAF, "spec": {**LEAF["spec"], "exportTo": exported}}
    assert bool(bindings(leaf, http(0), [root({"delegate": HERE})])) is there


def test_another_delegate_of_the_same_root_is_beside_it() -> None:
    other = virtual_service("other", "web", {"route": to(50, 50, host="pong.shop.svc.cluster.local")})
    (found,) = bindings(LEAF, http(1), [root({"delegate": {"name": "other"}}, {"delegate": HERE}), other])
    (rule,) = bound_rules([found])
    assert found.rules == http(2)
    assert [sum(each.values()) for each in rule.siblings] == [100]  # neither has a name: told apart by the weights


def test_what_a_root_delegates_to_is_named() -> None:
    assert delegates_of(root({"delegate": HERE}, {"delegate": {"name": "near"}}, {"route": to(1, 0)})) == [
        ServiceName("shop", "leaf"),
        ServiceName("web", "near"),
    ]
