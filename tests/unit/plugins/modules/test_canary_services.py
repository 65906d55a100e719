# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary` where each version is a Service of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary, canary_info
from api_server import ApiServer, Object
from pong_mesh import ANNOTATION, NAMESPACE

Call = Callable[..., dict[str, Any]]
STEPS = [20, 100]
HEADERS = {"request": {"set": {"a": "b"}}}
FULL = "cart-v2.shop.svc.cluster.local"


def to(host: str, weight: int | None = None, **more: Any) -> Object:
    return (
        {"destination": {"host": host, "port": {"number": 8080}}}
        | ({} if weight is None else {"weight": weight})
        | more
    )


def service(name: str, namespace: str = NAMESPACE, **selector: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector, "ports": [{"port": 8080, "name": "http"}]},
    }


def pod(app: str, version: str) -> Object:
    meta = {"name": f"{app}-{version}-x", "namespace": NAMESPACE, "uid": f"{app}-{version}"}
    return {
        "metadata": {**meta, "labels": {"app": app, "release": version}},
        "spec": {"containers": [{"name": "app"}, {"name": "istio-proxy"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


@pytest.fixture
def cart(server: ApiServer) -> ApiServer:
    """Two rules between cart-v1 and cart-v2, a rule for another service, and pods of three versions of both."""
    rules = [
        {"name": "items", "match": [{"uri": {"prefix": "/items"}}], "route": [to("cart-v1", 100), to(FULL, 0)]},
        {"name": "pay", "match": [{"uri": {"prefix": "/pay"}}], "route": [to("pay-v1", 100), to("pay-v2", 0)]},
        {
            "match": [{"uri": {"prefix": "/"}}],
            "route": [to(FULL, 0), to("cart-v1", 100, headers={"request": {"set": {"a": "b"}}})],
        },
    ]
    meta = {"name": "cart", "namespace": NAMESPACE, "resourceVersion": "5"}
    server.put("virtualservices", {"metadata": meta, "spec": {"hosts": ["cart.example.com"], "http": rules}})
    for app in ("cart", "pay"):
        for version in ("v1", "v2", "v3"):
            server.put("services", service(f"{app}-{version}", app=app, release=version))
            server.put("pods", pod(app, version))
    return server


@pytest.fixture
def call(cart: ApiServer, run_module: Call) -> Call:
    fixed = {"host": cart.url, "api_key": "secret", "name": "cart", "namespace": NAMESPACE, "proof": "none"}
    fixed |= {"stable": "cart-v1", "canary": "cart-v2", "watch": 0, "wait_timeout": 0, "interval": 0}

    def run(state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        steps = {"steps": STEPS} if state == "advanced" else {}
        return run_module(canary.main, {**fixed, "state": state, **steps, **options}, check)

    return run


def rules_of(server: ApiServer) -> list[Object]:
    rules: list[Object] = server.get("virtualservices", "cart", NAMESPACE)["spec"]["http"]
    return rules


def shares(server: ApiServer) -> list[dict[str, int]]:
    return [{each["destination"]["host"]: each["weight"] for each in rule["route"]} for rule in rules_of(server)]


def note(server: ApiServer) -> dict[str, Any]:
    text = server.get("virtualservices", "cart", NAMESPACE)["metadata"]["annotations"][ANNOTATION]
    return dict(json.loads(text))


def test_all_rules_between_the_two_services_move_and_nothing_else(call: Call, cart: ApiServer) -> None:
    before = rules_of(cart)
    result = call("advanced")
    assert not result.get("failed"), result["msg"]
    assert (result["routes"], result["weights"]["after"]) == (["items", "number 3"], {"cart-v1": 80, "cart-v2": 20})
    pay = {"pay-v1": 100, "pay-v2": 0}
    assert shares(cart) == [{"cart-v1": 80, FULL: 20}, pay, {FULL: 20, "cart-v1": 80}]
    assert (note(cart)["stable"], note(cart)["canary"], note(cart)["host"]) == ("cart-v1", "cart-v2", "cart-v1,cart-v2")
    assert call("advanced")["weights"]["after"] == {"cart-v1": 0, "cart-v2": 100}
    assert call("rolled_back", canary="cart-v2")["weights"]["after"] == {"cart-v1": 100, "cart-v2": 0}
    after = rules_of(cart)
    assert after == before


def test_the_whole_name_means_the_same(call: Call, cart: ApiServer) -> None:
    call("advanced", canary=FULL, stable="cart-v1.shop.svc.cluster.local")
    assert call("advanced")["phase"] == "promoted"


def test_check_mode_predicts(call: Call, cart: ApiServer) -> None:
    predicted = call("weighted", check=True, weight=35)
    assert shares(cart)[0] == {"cart-v1": 100, FULL: 0}
    assert call("weighted", weight=35)["weights"] == predicted["weights"]


def test_the_next_release_follows_and_takes_the_place_of_the_old_service(call: Call, cart: ApiServer) -> None:
    for _step in STEPS:
        call("advanced")
    result = call("advanced", stable="cart-v2", canary="cart-v3")
    assert not result.get("failed"), result["msg"]
    assert shares(cart)[::2] == [{"cart-v3": 20, FULL: 80}, {FULL: 80, "cart-v3": 20}]
    assert rules_of(cart)[2]["route"][1]["headers"] == HEADERS
    assert {each["canary"] for each in note(cart)["history"]} == {"cart-v2", "cart-v3"}


def test_a_cleanup_takes_the_old_service_out_and_the_next_release_finds_the_rules(call: Call, cart: ApiServer) -> None:
    for _step in STEPS:
        call("advanced")
    assert call("cleaned", drain=0)["removed"] == "cart-v1"
    assert shares(cart)[::2] == [{FULL: 100}, {FULL: 100}]
    result = call("advanced", stable="cart-v2", canary="cart-v3")
    assert not result.get("failed"), result["msg"]
    assert shares(cart)[::2] == [{FULL: 80, "cart-v3": 20}] * 2


def test_two_services_of_one_virtual_service_have_releases_of_their_own(call: Call, cart: ApiServer) -> None:
    call("advanced")
    call("advanced", stable="pay-v1", canary="pay-v2")
    assert shares(cart)[1] == {"pay-v1": 80, "pay-v2": 20}
    states = note(cart)["services"]
    assert [each["canary"] for each in states.values()] == ["cart-v2", "pay-v2"]
    call("rolled_back")
    assert shares(cart)[:2] == [{"cart-v1": 100, FULL: 0}, {"pay-v1": 80, "pay-v2": 20}]
    for version in ("v2", "v3"):  # the next release of one leaves the state of the other
        call("advanced", stable="cart-v1", canary=f"cart-{version}")
    assert [each["canary"] for each in note(cart)["services"].values()] == ["cart-v2", "pay-v2"]


PLACE = "a version in HTTP route items of VirtualService shop/cart,"


@pytest.mark.parametrize(
    ("change", "canary", "mistake"),
    [
        (None, "cart-v9", f"Service shop/cart-v9, {PLACE} does not exist or selects no pods"),
        (service("cart-v2"), "cart-v2", f"Service shop/cart-v2, {PLACE} does not exist or selects no pods"),
        (service("cart", "b", app="cart"), "cart.b.svc.cluster.local", "are Services of the namespaces b and shop"),
        (None, "api.example.com", f"api.example.com, {PLACE} is no Service of this cluster"),
    ],
)
def test_what_is_no_version_is_refused(
    call: Call, cart: ApiServer, change: Object | None, canary: str, mistake: str
) -> None:
    if change:
        cart.put("services", change)
    result = call("advanced", canary=canary, routes=["items"])
    assert result["failed"]
    assert mistake in result["msg"]
    assert not cart.sent("PATCH")


def test_where_a_new_version_goes_in_several_rules_must_be_said(call: Call) -> None:
    message = "HTTP routes items and number 3 of VirtualService shop/cart lead to cart-v1 alone of these versions"
    assert message in call("advanced", canary="cart-v3")["msg"]


def test_a_version_that_gets_its_pods_otherwise_is_reported(call: Call, cart: ApiServer, warned: list[str]) -> None:
    cart.put("services", service("cart-v1", app="cart"))  # also those of cart-v2
    call("advanced")
    bypass = "cart-v2 is also reached by the weight of cart-v1 without subset in HTTP route items"
    assert any(bypass in each for each in warned)


def test_a_rule_for_the_stable_service_alone_is_reported(call: Call, cart: ApiServer, warned: list[str]) -> None:
    virtual_service = cart.get("virtualservices", "cart", NAMESPACE)
    virtual_service["spec"]["http"].insert(
        0, {"name": "old", "match": [{"uri": {"exact": "/old"}}], "route": [to("cart-v1")]}
    )
    cart.put("virtualservices", virtual_service)
    call("advanced")
    assert any("HTTP route old of VirtualService shop/cart leads past cart-v2" in each for each in warned)


def test_without_names_they_are_found(cart: ApiServer, run_module: Call) -> None:
    virtual_service = cart.get("virtualservices", "cart", NAMESPACE)
    del virtual_service["spec"]["http"][1:]
    cart.put("virtualservices", virtual_service)
    options = {"host": cart.url, "api_key": "secret", "name": "cart", "namespace": NAMESPACE}
    found = run_module(canary_info.main, options, False)
    assert (found["stable"], found["canary"]) == ("cart-v1", "cart-v2")
    assert found["versions"]["cart-v2"]["ready"] == 1


def test_services_may_select_by_labels_that_have_nothing_in_common(call: Call, cart: ApiServer) -> None:
    for version in ("v1", "v2"):
        labels = {f"is-{version}": "yes"}
        cart.put("services", service(f"cart-{version}", **labels))
        found = pod("cart", version)
        cart.put("pods", {**found, "metadata": {**found["metadata"], "labels": labels}})
    assert call("advanced")["changed"]
    cart.delete("pods", "cart-v2-x", NAMESPACE)
    assert "cart-v2 has no ready pod left: it has no pods" in call("advanced")["msg"]


def test_a_service_of_another_namespace_is_written_with_the_domain_that_was_given(call: Call, cart: ApiServer) -> None:
    """The cluster may have another domain than cluster.local, in which istiod completes short names alone."""
    names = [f"pay-{version}.bank.svc.corp.example" for version in ("v1", "v2")]
    for version in ("v1", "v2"):
        cart.put("services", service(f"pay-{version}", "bank", app="pay", release=version))
        found = pod("pay", version)
        cart.put("pods", {**found, "metadata": {**found["metadata"], "namespace": "bank"}})
    virtual_service = cart.get("virtualservices", "cart", NAMESPACE)
    virtual_service["spec"]["http"][1]["route"] = [to(names[0])]
    cart.put("virtualservices", virtual_service)
    result = call("advanced", stable=names[0], canary=names[1], routes=["pay"])
    assert not result.get("failed"), result["msg"]
    assert shares(cart)[1] == {names[0]: 80, names[1]: 20}
