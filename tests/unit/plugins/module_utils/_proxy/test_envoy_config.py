# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import (
    EnvoyRoutes,
    HostHealth,
    Weights,
    destinations,
    hosts,
    hosts_path,
    percentages,
    routes_of,
    routes_path,
    rules_of,
    same_shares,
)
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName
from hypothesis import given
from hypothesis import strategies as st
from rule_ids import http

PONG = ServiceName("shop", "pong")
V1, V2, V3 = (HostSubset(PONG, version) for version in ("v1", "v2", "v3"))
OUTSIDE = HostSubset("api.example.com", "")
FQDN = "pong.shop.svc.cluster.local"


def virtual_service(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"http": list(rules)}}


def rule(*weights: tuple[str, str, int | None], **fields: Any) -> dict[str, Any]:
    entries = [
        {"destination": {"host": host, "subset": subset}} | ({} if weight is None else {"weight": weight})
        for host, subset, weight in weights
    ]
    return {"route": entries, **fields}


SPLIT = rule(("pong", "v1", 80), ("pong", "v2", 20), name="primary")


def route(name: str = "primary", *, of: str = "shop/virtual-service/pong", **clusters: int) -> dict[str, Any]:
    """A route as Envoy 1.40 dumps it; clusters by subset."""
    entries = [{"name": f"outbound|80|{subset}|{FQDN}", "weight": weight} for subset, weight in clusters.items()]
    action = {"cluster": entries[0]["name"]} if len(entries) == 1 else {"weighted_clusters": {"clusters": entries}}
    config = f"/apis/networking.istio.io/v1/namespaces/{of}"
    return {"name": name, "route": action, "metadata": {"filter_metadata": {"istio": {"config": config}}}}


def dump(**configs: list[dict[str, Any]]) -> bytes:
    return json.dumps(
        {
            "configs": [
                {"route_config": {"name": name, "virtual_hosts": [{"name": "any", "routes": routes}]}}
                for name, routes in configs.items()
            ]
        }
    ).encode()


@pytest.mark.parametrize(
    ("given_rule", "names", "weights"),
    [
        (SPLIT, {"primary"}, {V1: 80, V2: 20}),
        (rule((FQDN, "v1", 100), ("pong", "v2", None)), {""}, {V1: 100, V2: 0}),
        (rule(("pong", "v2", 0)), {""}, {V2: 1}),  # alone, it gets everything
        (rule(("pong", "v1", 1), ("pong", "v1", 2), ("api.example.com", "", 3)), {""}, {V1: 3, OUTSIDE: 3}),
        (
            {**SPLIT, "match": [{"name": "beta"}, {"uri": {"prefix": "/"}}]},
            {"primary.beta", "primary"},
            {V1: 80, V2: 20},
        ),
    ],
)
def test_a_rule_as_envoy_should_run_it(given_rule: dict[str, Any], names: set[str], weights: Weights) -> None:
    (made,) = rules_of(virtual_service(SPLIT, given_rule), http(1))
    assert (made.virtual_service, made.names, made.weights) == ("shop/pong", names, weights)


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ([route(v1=80, v2=20)], [{V1: 80, V2: 20}]),
        ([route(v1=100)], [{V1: 1}]),  # one cluster has no weight
        ([route(v1=1), route(v1=2, v3=3)], [{V1: 1}, {V1: 2, V3: 3}]),
        ([route(of="shop/virtual-service/ping", v1=1)], []),
        ([route(of="other-shop/virtual-service/pong", v1=1)], []),
        ([route(of="shop/virtual-service/pong-2", v1=1)], []),
        ([route(of="shop/destination-rule/pong", v1=1)], []),
        ([route("secondary", v1=1)], []),
        ([{**route(v1=1), "metadata": {}}], []),
        ([{**route(v1=1), "route": {"cluster": "PassthroughCluster"}}], [{HostSubset("PassthroughCluster", ""): 1}]),
        ([{**route(v1=1), "route": {}, "redirect": {}}], [{}]),
    ],
)
def test_the_routes_of_a_named_rule(routes: list[dict[str, Any]], found: list[Weights]) -> None:
    made = routes_of(dump(outer=[], inner=routes), rules_of(virtual_service(SPLIT), http(0)))
    assert made == EnvoyRoutes(frozenset(["inner"] if found else []), (tuple(found),))


def test_routes_in_several_configurations() -> None:
    made = routes_of(
        dump(**{"http.80": [route(v1=1, v2=1)], "https.443.a": [route(v2=1)]}),
        rules_of(virtual_service(SPLIT), http(0)),
    )
    assert made == EnvoyRoutes(frozenset({"http.80", "https.443.a"}), (({V1: 1, V2: 1}, {V2: 1}),))


def test_the_routes_of_several_rules() -> None:
    rules = rules_of(virtual_service(SPLIT, rule(("pong", "v1", 80), ("pong", "v2", 20))), http(0, 1))
    made = routes_of(dump(any=[route(v1=1), route("", v2=1), route("other", v1=1)]), rules)
    assert made.weights == (({V1: 1},), ({V2: 1},))


@pytest.mark.parametrize(
    ("others", "siblings"),
    [
        ([rule(("pong", "v1", 100))], ()),  # the moved one has a name
        ([{**rule(("pong", "v1", 100)), "name": "primary"}], ({V1: 1},)),
        ([{"name": "primary", "redirect": {"uri": "/"}}], ({},)),
        ([{"redirect": {"uri": "/"}}], ()),
    ],
)
def test_rules_of_the_same_name_cannot_be_told_apart(others: list[dict[str, Any]], siblings: tuple[Weights]) -> None:
    (made,) = rules_of(virtual_service(SPLIT, *others), http(0))
    assert made.siblings == siblings


def test_unnamed_rules_with_a_destination_in_common_cannot_be_told_apart() -> None:
    moved = rule(("pong", "v1", 80), ("pong", "v2", 20))
    given = (moved, rule(("pong", "v1", None)), rule(("ping", "v1", None)), moved)
    one, two = rules_of(virtual_service(*given), http(0, 3))
    assert (one.siblings, two.siblings) == (({V1: 1}, {V1: 80, V2: 20}), ({V1: 80, V2: 20}, {V1: 1}))


def test_a_rule_without_a_name_is_known_by_where_it_leads() -> None:
    unnamed = rules_of(virtual_service(rule(("pong", "v1", 80), ("pong", "v2", 20))), http(0))
    elsewhere = {**route("", v1=1), "route": {"cluster": f"outbound|80|v1|ping.shop.svc.{'cluster.local'}"}}
    assert routes_of(dump(any=[elsewhere, route("", v2=1), route(v1=1)]), unnamed).weights == (({V2: 1},),)


@pytest.mark.parametrize("empty", [b"{}", b'{"configs": []}', dump(any=[])])
def test_an_envoy_without_routes(empty: bytes) -> None:
    assert routes_of(empty, rules_of(virtual_service(SPLIT), http(0))) == EnvoyRoutes(frozenset(), ((),))
    assert destinations(empty) == set()


def test_everything_that_is_routed_to() -> None:
    own = route(v1=1)
    del own["metadata"]  # a sidecar has a route to each Service, whether a VirtualService leads there or not
    assert destinations(dump(a=[own, route(v2=1)])) == {V2}
    assert destinations(dump(a=[route(v1=1, v2=0)], b=[route("x", of="a/virtual-service/b", v3=1)])) == {V1, V2, V3}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({V1: 80, V2: 20}, {V1: 4, V2: 1}, True),
        ({V1: 80, V2: 20}, {V1: 20, V2: 80}, False),
        ({V1: 100, V2: 0}, {V1: 1}, True),
        ({V1: 100}, {V2: 100}, False),
        ({V1: 80, V2: 20}, {V1: 80}, False),
        ({V1: 0}, {}, True),
        ({V1: 99, V2: 1}, {V1: 100}, False),
    ],
)
def test_shares_are_compared_and_not_numbers(one: Weights, other: Weights, same: bool) -> None:
    assert same_shares(one, other) is same
    assert same_shares(one=other, other=one) is same


WEIGHTS = st.dictionaries(st.sampled_from([V1, V2, V3, OUTSIDE]), st.integers(0, 1000), max_size=4)


@given(WEIGHTS, st.integers(1, 50))
def test_shares_stay_the_same_when_all_weights_grow(weights: Weights, factor: int) -> None:
    assert same_shares(weights, {place: weight * factor for place, weight in weights.items()})


@given(WEIGHTS, WEIGHTS)
def test_same_shares_are_same_fractions(one: Weights, other: Weights) -> None:
    whole, other_whole = sum(one.values()), sum(other.values())
    fractions = all(
        one.get(place, 0) * other_whole == other.get(place, 0) * whole for place in one.keys() | other.keys()
    )
    assert same_shares(one, other) is (fractions and bool(whole) == bool(other_whole))


@pytest.mark.parametrize(
    ("weights", "known", "said"),
    [
        ({V1: 80, V2: 20}, (), {"v1": 80, "v2": 20}),
        ({V1: 1}, (V1, V2), {"v1": 100, "v2": 0}),
        ({V1: 2, V2: 1}, (), {"v1": 66.67, "v2": 33.33}),
        ({V1: 1, OUTSIDE: 1}, (), {"v1 of shop/pong": 50, "api.example.com": 50}),
        ({}, (V1,), {"v1": 0}),
    ],
)
def test_percentages(weights: Weights, known: tuple[HostSubset, ...], said: dict[str, float]) -> None:
    found = percentages(weights, known)
    assert found == said
    assert all(isinstance(share, int) for share in found.values() if share == int(share))


def test_the_path_to_all_routes_and_to_some() -> None:
    assert routes_path() == "/config_dump?resource=dynamic_route_configs"
    query = parse_qs(urlsplit(routes_path(["http.80", "a|b"])).query)
    pattern = query["name_regex"][0]
    assert [bool(re.fullmatch(pattern, name)) for name in ("http.80", "a|b", "http-80", "a", "x.http.80")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("cluster", "meant"),
    [
        (f"outbound|80|v1|{FQDN}", True),
        (f"outbound|8080|v2|{FQDN}", True),
        ("outbound|80|v1|pong.shop.svc.other.domain", True),
        ("outbound|443||api.example.com", True),
        (f"outbound|80|v10|{FQDN}", False),
        (f"outbound|80||{FQDN}", False),
        (f"outbound|80|v1|my-{FQDN}", False),
        ("outbound|80|v1|pong.shops.svc.cluster.local", False),
        ("outbound|443||apixexample.com", False),
        ("outbound|443||api.example.com.hk", False),
        (f"inbound|80|v1|{FQDN}", False),
        (f"another-outbound|80|v1|{FQDN}", False),
    ],
)
def test_the_path_to_the_hosts_of_some(cluster: str, meant: bool) -> None:
    url = urlsplit(hosts_path([V1, V2, OUTSIDE]))
    query = parse_qs(url.query)
    assert (url.path, query["format"]) == ("/clusters", ["json"])
    assert bool(re.search(query["filter"][0], cluster)) is meant


def clusters(*entries: tuple[str, list[dict[str, Any]]]) -> bytes:
    return json.dumps(
        {
            "cluster_statuses": [
                {"name": name, "host_statuses": [{"health_status": health} for health in healths]}
                for name, healths in entries
            ]
        }
    ).encode()


HEALTHY = {"eds_health_status": "HEALTHY"}


@pytest.mark.parametrize(
    ("health", "healthy"),
    [
        (HEALTHY, 1),
        ({}, 1),
        ({"eds_health_status": "DEGRADED"}, 1),
        ({"eds_health_status": "UNHEALTHY"}, 0),
        ({"eds_health_status": "DRAINING"}, 0),
        ({"eds_health_status": "HEALTHY", "failed_outlier_check": True}, 0),
        ({"eds_health_status": "HEALTHY", "failed_outlier_check": False}, 1),
    ],
)
def test_when_a_host_is_healthy(health: dict[str, Any], healthy: int) -> None:
    assert hosts(clusters((f"outbound|80|v1|{FQDN}", [health]))) == {V1: HostHealth(healthy, 1)}


def test_the_hosts_of_all_clusters() -> None:
    found = hosts(
        clusters(
            (f"outbound|80|v1|{FQDN}", [HEALTHY, HEALTHY]),
            (f"outbound|81|v1|{FQDN}", [HEALTHY]),  # a port with fewer hosts is the one that counts
            (f"outbound|80|v2|{FQDN}", []),
            ("xds-grpc", [HEALTHY]),
            ("outbound|443||api.example.com", [HEALTHY]),
        )
    )
    assert found == {V1: HostHealth(1, 1), V2: HostHealth(0, 0), OUTSIDE: HostHealth(1, 1)}
    assert hosts(b"{}") == {}
