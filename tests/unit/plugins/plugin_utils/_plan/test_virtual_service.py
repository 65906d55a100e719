# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import virtual_service as planned
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY, NotOurs
from hypothesis import given
from hypothesis import strategies as st

HOST = "pong.shop.svc.cluster.local"
ALL = [{"uri": {"prefix": "/"}}]


def to(subset: str = "", weight: int | None = None, host: str = HOST) -> dict[str, Any]:
    destination = {"host": host} | ({"subset": subset} if subset else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def new(subset: str, weight: int) -> dict[str, Any]:
    return {"destination": {"host": HOST, "subset": subset, "port": {"number": 80}}, "weight": weight}


def service(*http: dict[str, Any], name: str = "pong-routes", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "resourceVersion": "7", "labels": MANAGED_BY}
    bound = {"hosts": ["*"], "gateways": ["pong-gateway"], "http": list(http)}
    return {"metadata": metadata, "spec": {key: value for key, value in (bound | spec).items() if value is not None}}


def route(*destinations: dict[str, Any], name: str = "primary") -> dict[str, Any]:
    return {"match": ALL, "route": list(destinations)} | ({"name": name} if name else {})


def plan(*objects: dict[str, Any], api_found: bool = True, **settings: Any) -> dict[str, Any]:
    defaults = {
        "name": "pong-routes",
        "namespace": "shop",
        "host": HOST,
        "port": 80,
        "stable": "v1",
        "canary": "v2",
        "route": "primary",
        "gateways": ["pong-gateway"],
        "hosts": ["*"],
    }
    return planned.plan({"api_found": api_found, "resources": list(objects)}, **(defaults | settings))


def test_a_new_service_sends_everything_to_stable_and_names_both() -> None:
    assert plan()["definition"]["spec"] == {
        "hosts": ["*"],
        "gateways": ["pong-gateway"],
        "http": [{"name": "primary", "match": ALL, "route": [new("v1", 100), new("v2", 0)]}],
    }


@given(
    weights=st.lists(st.integers(0, 100), min_size=2, max_size=4).filter(any),
    others=st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
)
def test_weights_and_foreign_routes_stay_whatever_they_are(weights: list[int], others: list[str]) -> None:
    names = ["v2", "v1", "v3", "v4"]
    split = route(*(to(subset, weight) for subset, weight in zip(names, weights, strict=False)))
    current = service(*(route(to("x", host="other"), name=name) for name in others), split)
    before = copy.deepcopy(current)
    assert plan(current) == {"definition": None, "note": ""}
    assert current == before


@pytest.mark.parametrize("host", [HOST, "pong"])
@pytest.mark.parametrize(
    ("destinations", "expected"),
    [
        ([("", None)], [("v1", 100), "v2"]),
        ([("v1", None)], [("v1", 100), "v2"]),
        ([("v1", 0)], [("v1", 100), "v2"]),
        ([("v2", None)], ["v1", ("v2", 100)]),
        ([("v1", 80), ("v2", 20)], [("v1", 80), ("v2", 20)]),
    ],
)
def test_the_only_unnamed_route_of_the_service_is_taken_over(
    host: str, destinations: list[tuple[str, int | None]], expected: list[Any]
) -> None:
    foreign = route(to("x", host="other"), name="")
    taken = route(*(to(subset, weight, host) for subset, weight in destinations), name="")
    definition = plan(service(foreign, taken))["definition"]
    routes = definition["spec"]["http"]
    assert routes[0] == foreign
    assert routes[1] == {
        "name": "primary",
        "match": ALL,
        "route": [new(one, 0) if isinstance(one, str) else to(*one, host) for one in expected],
    }
    assert definition["metadata"]["resourceVersion"] == "7"


def test_a_canary_under_way_is_left_alone_and_said() -> None:
    answer = plan(service(route(to("v1", 50), to("v2", 50))), canary="v3")
    assert answer["definition"] is None
    assert answer["note"].startswith("Route primary of VirtualService shop/pong-routes sends 50 to v1, 50 to v2:")


@pytest.mark.parametrize(
    ("spec", "settings", "expected"),
    [
        ({"gateways": ["shop/pong-gateway"]}, {}, None),
        ({"gateways": ["other"]}, {}, {"gateways": ["other", "pong-gateway"]}),
        ({"gateways": None, "hosts": ["a"]}, {"hosts": ["a"]}, {"gateways": ["mesh", "pong-gateway"]}),
        ({"hosts": ["a"]}, {"hosts": ["b"]}, {"hosts": ["a", "b"]}),
        ({"hosts": ["*"]}, {"hosts": ["b"]}, None),
    ],
)
def test_gateways_and_hosts_are_added_and_never_taken_away(
    spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    current = service(route(to("v1", 80), to("v2", 20)), **spec)
    definition = plan(current, **settings)["definition"]
    if expected is None:
        assert definition is None
    else:
        written = definition["spec"]
        assert written.pop("http") == current["spec"]["http"]
        assert {field: written[field] for field in expected} == expected


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (
            service(route(to("v1", 80), to("v2", 20), name="main")),
            "it has no http route primary (but main)",
        ),
        (
            service(route(to("v1", 80, "pong-server"), name="")),
            "it has no http route primary and no single",
        ),
        (service(), "it has no http route primary and no single"),
        (service(route(to("v1"), name=""), route(to("v1"), name="")), "2 of its http routes could be the canary's"),
        (service(route(to("v1"), to("v2", host="x"))), f"its route primary leads to {HOST}, x, not to {HOST}"),
        (service({"name": "primary", "redirect": {"uri": "/"}}), "its route primary leads to no destination"),
        (service(route(to("v1", 50), to("", 50))), "its route primary cannot be read as a split (50 to v1, 50 to all"),
        (service(route(to("v1", 50), to("v1", 50))), "its route primary cannot be read as a split (50 to v1)"),
        (service(route(to("v1"), to("v2"))), "its route primary cannot be read as a split (0 to v1, 0 to v2)"),
        (service(route(to("v7"))), "its route primary sends 100 to v7 and has no destination v1"),
        (service(route(to("v2", 50), to("v7", 50))), "its route primary sends 50 to v2, 50 to v7 and has no"),
        (service(route(to("v1")), name="rival"), "rival has the host * on shop/pong-gateway already"),
    ],
)
def test_what_cannot_be_understood_is_refused(current: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotOurs, match=re.escape(f"VirtualService shop/pong-routes: {reason}")):
        plan(current)


@pytest.mark.parametrize("spec", [{"hosts": ["a"]}, {"gateways": ["other"]}, {"gateways": None}])
def test_another_host_or_gateway_is_no_rival(spec: dict[str, Any]) -> None:
    assert plan(service(route(to("v1")), name="rival", **spec))["definition"]


def test_a_cluster_without_istio_is_named() -> None:
    with pytest.raises(NotOurs, match=r"is Istio 1[.]22 or newer installed"):
        plan(api_found=False)
