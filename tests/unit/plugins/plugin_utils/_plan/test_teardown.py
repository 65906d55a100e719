# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import teardown

OURS = {"app.kubernetes.io/managed-by": "progressive.istio"}
NAMES = {"VirtualService": "routes", "Gateway": "gateway", "DestinationRule": "rule", "Service": "pong"}
SPECS: dict[str, dict[str, Any]] = {
    "VirtualService": {"http": [{"name": "primary"}]},
    "Gateway": {"servers": [{"port": {"name": "http"}}]},
    "DestinationRule": {"subsets": [{"name": "v1", "labels": {"version": "v1"}}]},
}


def thing(kind: str, name: str = "", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name or NAMES[kind], "namespace": "shop", "labels": OURS | {"app": "pong"} | (labels or {})}
    return {"apiVersion": f"{kind}/v1", "kind": kind, "metadata": metadata, "spec": SPECS.get(kind, {}) | spec}


def plan(*objects: dict[str, Any], cluster: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return teardown.plan(
        list(objects),
        NAMES,
        app="pong",
        host="pong.shop.svc.cluster.local",
        route="primary",
        routes={"resources": cluster or []},
    )


def elsewhere(**spec: Any) -> dict[str, Any]:
    one = thing("VirtualService", "theirs", **({"http": []} | spec))
    return {**one, "metadata": {"name": "theirs", "namespace": "web"}}


def test_nothing_goes_before_what_names_it() -> None:
    kinds = ("Service", "DestinationRule", "Gateway", "VirtualService")
    answer = plan(thing("Deployment", "v2"), *(thing(kind) for kind in kinds), thing("Deployment", "v1"))
    assert [one["kind"] for one in answer["routing"]] == ["VirtualService", "Gateway", "DestinationRule"]
    assert [one["name"] for one in answer["workloads"]] == ["v1", "v2", "pong"]
    assert answer["routing"][0] == {"api_version": "VirtualService/v1", "kind": "VirtualService", "name": "routes"}
    assert answer["kept"] == []


def test_other_applications_are_not_spoken_of() -> None:
    objects = [thing(kind, "other") for kind in NAMES]
    assert plan(*objects, thing("Deployment", "other", {"app": "other"})) == {
        "routing": [],
        "workloads": [],
        "kept": [],
    }


@pytest.mark.parametrize("kind", [*NAMES, "Deployment"])
def test_what_was_there_before_stays(kind: str) -> None:
    one = thing(kind, NAMES.get(kind, "pong"))
    one["metadata"]["labels"] = {"app": "pong"}
    answer = plan(one)
    assert answer["kept"][0] == f"{kind} shop/{one['metadata']['name']} stays: it existed before"
    assert not answer["routing"]
    assert not answer["workloads"]


@pytest.mark.parametrize(
    ("one", "addition"),
    [
        (thing("VirtualService", http=[{"name": "primary"}, {"name": "blue"}, {}]), "other routes too (blue, unnamed)"),
        (thing("VirtualService", tcp=[{}]), "other routes too (tcp)"),
        (
            thing("Gateway", servers=[{"port": {"name": "http"}}, {"port": {"name": "https"}}]),
            "other servers too (https)",
        ),
        (
            thing("DestinationRule", subsets=[{"name": "v1", "labels": {"version": "v1"}}, {"name": "eu"}]),
            "other subsets too (eu)",
        ),
    ],
)
def test_what_other_people_have_a_part_in_stays(one: dict[str, Any], addition: str) -> None:
    answer = plan(one)
    assert answer["kept"] == [f"{one['kind']} shop/{NAMES[one['kind']]} stays: it has {addition}"]
    assert not answer["routing"]


@pytest.mark.parametrize("host", ["pong", "pong.shop.svc.cluster.local"])
@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_what_a_staying_service_leads_to_stays_with_it(host: str, protocol: str) -> None:
    rules = {protocol: [{"name": "primary", "route": [{"destination": {"host": host}}]}]}
    other = thing("VirtualService", "other", gateways=["mesh"], **({"http": []} | rules))
    everything = [*(thing(kind) for kind in NAMES), thing("Deployment", "v1")]
    answer = plan(other, *everything)
    assert [one["kind"] for one in answer["routing"]] == ["VirtualService", "Gateway"]
    assert answer["workloads"] == []
    assert answer["kept"] == [
        f"{kind} shop/{name} stays: VirtualService shop/other routes to it"
        for kind, name in (("DestinationRule", "rule"), ("Deployment", "v1"), ("Service", "pong"))
    ]


@pytest.mark.parametrize(("gateway", "stays"), [("gateway", True), ("shop/gateway", True), ("other/gateway", False)])
def test_a_gateway_that_others_are_bound_to_stays(gateway: str, stays: bool) -> None:
    answer = plan(thing("Gateway"), thing("VirtualService", "other", gateways=[gateway], http=[]))
    assert (answer["kept"] == ["Gateway shop/gateway stays: VirtualService shop/other is bound to it"]) == stays
    assert bool(answer["routing"]) != stays


@pytest.mark.parametrize(
    ("gateway", "stays"),
    [
        ("shop/gateway", True),
        ("gateway.shop.svc.cluster.local", True),
        ("gateway", False),
        ("./gateway", False),
        ("web/gateway", False),
        ("shop/other", False),
    ],
)
def test_a_gateway_that_other_namespaces_are_bound_to_stays(gateway: str, stays: bool) -> None:
    answer = plan(thing("Gateway"), cluster=[elsewhere(gateways=["mesh", gateway])])
    assert (answer["kept"] == ["Gateway shop/gateway stays: VirtualService web/theirs is bound to it"]) == stays
    assert bool(answer["routing"]) != stays


def test_a_gateway_stays_where_other_namespaces_may_not_be_read() -> None:
    answer = teardown.plan(
        [thing("Gateway"), thing("Service")], NAMES, app="pong", host="pong", route="primary", routes={}
    )
    assert [one["kind"] for one in answer["workloads"]] == ["Service"]
    assert answer["routing"] == []
    assert "cannot be read (list virtualservices in the cluster)" in answer["kept"][0]


@pytest.mark.parametrize(
    "rule",
    [
        {"route": [{"destination": {"host": "pong.shop.svc.cluster.local"}}]},
        {"route": [], "mirror": {"host": "pong.shop.svc.cluster.local"}},
        {"route": [], "mirrors": [{"destination": {"host": "pong.shop.svc.cluster.local"}}]},
    ],
)
def test_what_other_namespaces_send_requests_to_stays(rule: dict[str, Any]) -> None:
    answer = plan(thing("DestinationRule"), thing("Service"), cluster=[elsewhere(http=[rule])])
    assert (answer["routing"], answer["workloads"]) == ([], [])
    assert all(line.endswith("stays: VirtualService web/theirs routes to it") for line in answer["kept"])


def test_a_host_of_the_same_short_name_in_another_namespace_is_another_service() -> None:
    other = elsewhere(http=[{"route": [{"destination": {"host": "pong"}}]}])
    assert plan(thing("Service"), cluster=[other])["kept"] == []


def test_a_route_that_others_delegate_to_stays_with_what_it_needs() -> None:
    ours = thing(
        "VirtualService",
        gateways=["gateway"],
        http=[{"name": "primary", "route": [{"destination": {"host": "pong"}}]}],
    )
    root = elsewhere(http=[{"delegate": {"name": "routes", "namespace": "shop"}}])
    answer = plan(ours, thing("Gateway"), thing("Service"), cluster=[root])
    assert (answer["routing"], answer["workloads"]) == ([], [])
    assert answer["kept"][0] == "VirtualService shop/routes stays: VirtualService web/theirs delegates to it"
