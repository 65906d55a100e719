# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of connections, which Envoy has in the filter chains of listeners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import (
    EnvoyRoutes,
    Weights,
    chain_destinations,
    chains_of,
    listeners_path,
    rules_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._proxy.expectations import (
    AbsenceExpectation,
    Observation,
    WeightsExpectation,
)
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import RuleId
from rule_ids import http

Object = dict[str, Any]
DB = ServiceName("shop", "db")
V1, V2 = (HostSubset(DB, version) for version in ("v1", "v2"))
FQDN = "db.shop.svc.cluster.local"
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def rule(*weights: int, **more: Any) -> Object:
    entries = [
        {"destination": {"host": "db", "subset": name}, "weight": weight}
        for name, weight in zip(("v1", "v2"), weights, strict=False)
    ]
    return {"route": entries, **more}


def sni(*hosts: str) -> Object:
    return {"match": [{"sniHosts": list(hosts)}]}


def virtual_service(**spec: Any) -> Object:
    return {"metadata": {"name": "db", "namespace": "shop"}, "spec": spec}


def chain(*, of: str = "db.shop", origin: str = "", hosts: tuple[str, ...] = (), **clusters: int) -> Object:
    """A filter chain as istiod makes one, weighted unless it has one cluster without a weight."""
    named = {f"outbound|9000|{name}|{FQDN}": weight for name, weight in clusters.items()}
    if list(named.values()) == [0]:
        (cluster,) = named
        config = {"stat_prefix": cluster, "cluster": cluster}
    else:
        entries = [{"name": name, "weight": weight} for name, weight in named.items()]
        config = {"stat_prefix": of, "weighted_clusters": {"clusters": entries}}
    made: Object = {
        "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"@type": TCP_PROXY, **config}}]
    }
    if hosts:
        made["filter_chain_match"] = {"server_names": list(hosts)}
    if origin:
        path = f"/apis/networking.istio.io/v1alpha3/namespaces/{origin}"
        made["metadata"] = {"filter_metadata": {"istio": {"config": path}}}
    return made


def dump(state: str = "active_state", **listeners: list[Object]) -> bytes:
    configs = [
        {"name": name, state: {"listener": {"name": name, "filter_chains": chains}}}
        for name, chains in listeners.items()
    ]
    return json.dumps({"configs": configs}).encode()


ONE = virtual_service(tcp=[rule(80, 20)])
HIDDEN = HostSubset(DB, "")


@pytest.mark.parametrize(
    ("chains", "found"),
    [
        ([chain(v1=80, v2=20)], [{V1: 80, V2: 20}]),
        ([chain(v1=100)], [{V1: 100}]),  # istiod leaves out a destination without a weight
        ([chain(v1=1), chain(v2=1)], [{V1: 1}, {V2: 1}]),
        ([chain(of="db.other", v1=1)], []),
        ([chain(of="db-2.shop", v1=1)], []),
        ([chain(v3=1)], []),  # another rule of the same VirtualService
        ([chain(v1=0)], []),  # a VirtualService with one destination, which is not this one
        ([chain(origin="shop/virtual-service/db", v1=0)], [{V1: 1}]),  # as it was before the rule had two
        ([chain(origin="shop/virtual-service/other", of="db.shop", v1=1)], []),
        ([{"filters": [{"name": "http", "typed_config": {"@type": "HttpConnectionManager"}}]}], []),
        ([{"filters": [{"name": "untyped"}]}, {}], []),
    ],
)
def test_the_chains_of_a_rule(chains: list[Object], found: list[Weights]) -> None:
    made = chains_of(dump(outer=[], inner=chains), rules_of(ONE, [RuleId("tcp", 0)]))
    assert made == EnvoyRoutes(frozenset(["inner"] if found else []), (tuple(found),))


def test_one_destination_is_known_by_its_cluster() -> None:
    rules = rules_of(virtual_service(tcp=[rule(100)]), [RuleId("tcp", 0)])
    assert chains_of(dump(any=[chain(v1=0), chain(v2=0)]), rules).weights == (({V1: 1},),)


def test_a_listener_that_warms_is_not_live() -> None:
    rules = rules_of(ONE, [RuleId("tcp", 0)])
    assert chains_of(dump("warming_state", any=[chain(v1=80, v2=20)]), rules).weights == ((),)


def test_the_default_chain_counts() -> None:
    body = json.loads(dump(any=[]))
    body["configs"][0]["active_state"]["listener"]["default_filter_chain"] = chain(v1=80, v2=20)
    found = chains_of(json.dumps(body).encode(), rules_of(ONE, [RuleId("tcp", 0)]))
    assert found.weights == (({V1: 80, V2: 20},),)


def test_rules_for_tls_are_told_apart_by_their_hosts_and_from_tcp() -> None:
    own = virtual_service(
        tls=[rule(80, 20, **sni("b.test", "a.test")), rule(50, 50, **sni("c.test"))], tcp=[rule(30, 70)]
    )
    rules = rules_of(own, [RuleId("tls", 0), RuleId("tls", 1), RuleId("tcp", 0)])
    assert all(not each.siblings for each in rules)
    chains = [chain(hosts=("a.test", "b.test"), v1=80, v2=20), chain(hosts=("c.test",), v1=1, v2=1), chain(v1=3, v2=7)]
    found = dict(zip([each.label for each in rules], chains_of(dump(any=chains), rules).weights, strict=True))
    assert found == {"tls:1": ({V1: 80, V2: 20},), "tls:2": ({V1: 1, V2: 1},), "tcp:1": ({V1: 3, V2: 7},)}


def test_a_rule_for_any_sni_cannot_be_told_from_tcp() -> None:
    own = virtual_service(tls=[rule(50, 50, **sni("*"))], tcp=[rule(80, 20)])
    of_tls, of_tcp = rules_of(own, [RuleId("tls", 0), RuleId("tcp", 0)])[::-1]
    assert (of_tls.siblings, of_tcp.siblings) == (({V1: 80, V2: 20},), ({V1: 50, V2: 50},))
    observe = WeightsExpectation([of_tcp])
    assert observe(listeners(dump(any=[chain(v1=1, v2=1), chain(v1=8, v2=2)])), False).agrees
    assert not observe(listeners(dump(any=[chain(v1=1, v2=1), chain(v1=9, v2=1)])), False).agrees


def test_rules_that_envoy_cannot_tell_apart_are_siblings() -> None:
    own = virtual_service(tcp=[rule(80, 20), rule(100, 0)], http=[rule(10, 90)])
    (first,) = rules_of(own, [RuleId("tcp", 0)])
    assert first.siblings == ({V1: 100, V2: 0},)


def listeners(found: bytes) -> Any:
    """An Envoy with these listeners, and a route of its own for HTTP."""
    route = {
        "name": "",
        "route": {
            "weighted_clusters": {
                "clusters": [{"name": f"outbound|80|v{each}|{FQDN}", "weight": 50} for each in (1, 2)]
            }
        },
        "metadata": {
            "filter_metadata": {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/db"}}
        },
    }
    routes = {"configs": [{"route_config": {"name": "80", "virtual_hosts": [{"routes": [route]}]}}]}

    def get(path: str) -> bytes:
        resource = parse_qs(urlsplit(path).query)["resource"]
        return found if resource == ["dynamic_listeners"] else json.dumps(routes).encode()

    return get


def test_weights_of_connections_are_expected_in_listeners() -> None:
    observe = WeightsExpectation(rules_of(ONE, [RuleId("tcp", 0)]))
    shares = {"v1": 80, "v2": 20}
    assert observe(listeners(dump(any=[chain(v1=8, v2=2)])), False) == Observation(
        True, "runs v1 80 %, v2 20 %", shares
    )
    assert not observe(listeners(dump(any=[chain(v1=100)])), False).agrees
    assert observe(listeners(dump(any=[])), False) == Observation(False, "has no such route")
    assert observe(listeners(dump(any=[])), True) == Observation(True, "has no such route", concerned=False)


@pytest.mark.parametrize(("live", "agrees"), [((50, 50), True), ((100, 0), False)])
def test_requests_and_connections_must_both_be_live(live: tuple[int, int], agrees: bool) -> None:
    rules = rules_of(virtual_service(http=[rule(50, 50)], tcp=[rule(50, 50)]), [*http(0), RuleId("tcp", 0)])
    seen = WeightsExpectation(rules)(listeners(dump(any=[chain(v1=live[0], v2=live[1])])), False)
    assert seen.agrees is agrees
    assert agrees or seen.shows == "runs v1 100 %, v2 0 % in route tcp:1"


def test_only_the_listeners_with_a_rule_are_asked_again() -> None:
    asked: list[str] = []
    answer = listeners(dump(own=[chain(v1=1)], other=[]))

    def get(path: str) -> bytes:
        asked.append(path)
        return answer(path)

    observe = WeightsExpectation(rules_of(ONE, [RuleId("tcp", 0)]))
    observe(get, False)
    observe(get, False)
    assert asked == [listeners_path(), listeners_path(["own"])]


@pytest.mark.parametrize(
    ("chains", "sidecar", "there"),
    [
        ([chain(v1=99, v2=1)], True, True),
        ([chain(v1=100)], True, False),
        ([chain(v2=0)], False, True),
        ([chain(v2=0)], True, False),  # a sidecar's own chain to each Service
        ([chain(origin="shop/virtual-service/any", v2=0)], True, True),
    ],
)
def test_absence(chains: list[Object], sidecar: bool, there: bool) -> None:
    body = dump(any=chains)
    assert (V2 in chain_destinations(body, sidecar)) is there
    no_routes = b'{"configs": []}'
    answers = {"dynamic_listeners": body, "dynamic_route_configs": no_routes}

    def get(path: str) -> bytes:
        return answers[parse_qs(urlsplit(path).query)["resource"][0]]

    assert AbsenceExpectation(frozenset({V2}))(get, sidecar).agrees is not there


SEEN = json.loads((Path(__file__).parent / "listeners.json").read_text())  # as Istio 1.31 and Envoy 1.40 have them


@pytest.mark.parametrize("role", ["gateway", "sidecar"])
def test_what_a_real_proxy_has(role: str) -> None:
    entries = [
        {"destination": {"host": "ledger", "subset": name}, "weight": weight}
        for name, weight in (("blue", 80), ("green", 20))
    ]
    hosts = ["ledger.routes.test", "ledger.routes.svc.cluster.local"]
    own = {
        "metadata": {"name": "ledger-routes", "namespace": "routes"},
        "spec": {"tls": [{"match": [{"sniHosts": hosts}], "route": entries}], "tcp": [{"route": entries}]},
    }
    blue, green = (HostSubset(ServiceName("routes", "ledger"), name) for name in ("blue", "green"))
    found = chains_of(json.dumps(SEEN[role]).encode(), rules_of(own, [RuleId("tls", 0), RuleId("tcp", 0)]))
    assert found.weights == (({blue: 80, green: 20},), ({blue: 80, green: 20},))
    assert {name.rpartition("_")[2] for name in found.configs} == {"9000", "9443"}
