# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The route between two versions: found, read and patched."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.shares import Percent
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import (
    ANNOTATION,
    Route,
    RouteError,
    annotate,
    every_route,
    locate,
    move,
    note_of,
    pair,
    patched,
    remove,
    users,
)
from hypothesis import given
from hypothesis import strategies as st
from pong_mesh import HOST, virtual_service

BOTH = ("v1", "v2")


def to(subset: str | None, weight: int | None = None, host: str = "pong") -> dict[str, Any]:
    """A destination."""
    destination = {"host": host} | ({"subset": subset} if subset else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def with_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    """A VirtualService with these HTTP rules."""
    return virtual_service(100, 0, http=list(rules))


def moved(service: dict[str, Any], shares: dict[str, int], before: tuple[str, ...] = BOTH) -> dict[str, Any]:
    """The VirtualService after a move."""
    return patched(service, move(service, locate(service, (*before, *shares)), before, shares, "note"))


def the_one(service: dict[str, Any], versions: tuple[str, ...] = BOTH, **options: Any) -> Route:
    """The only rule that is located."""
    (route,) = locate(service, versions, **options)
    return route


class TestLocate:
    """The rule is found by name, else by its versions."""

    def test_by_the_pair(self) -> None:
        route = the_one(virtual_service(80, 20))
        assert (route.rule, route.name, route.host) == (1, "primary", HOST)
        assert route.shares(BOTH) == {"v1": 80, "v2": 20}

    def test_the_rule_with_more_of_the_versions_wins(self) -> None:
        service = with_rules({"route": [to("v1")]}, {"name": "both", "route": [to("v1", 90), to("v2", 10)]})
        assert the_one(service).name == "both"

    def test_a_rule_with_one_of_them_is_enough(self) -> None:
        assert the_one(with_rules({"route": [to("v1")]}), ("v1", "v3")).name == "number 1"

    def test_hosts_written_in_two_ways_are_one(self) -> None:
        service = with_rules({"route": [to("v1", 60), to("v2", 40, HOST)]})
        assert the_one(service).shares(BOTH) == {"v1": 60, "v2": 40}

    def test_by_name(self) -> None:
        rules = [{"name": name, "route": [to("v1", 50), to("v2", 50)]} for name in ("a", "b")]
        assert the_one(with_rules(*rules), routes=["b"]).rule == 1

    @pytest.mark.parametrize("name", ["2", "number 2"])
    def test_by_number(self, name: str) -> None:
        rules = [{"route": [to("v1", 50), to("v2", 50)]} for _rule in range(2)]
        assert the_one(with_rules(*rules), routes=[name]).rule == 1

    def test_all_with_two_of_the_versions(self) -> None:
        rules = [[to("v1"), to("v2")], [to("v1")], [to("v1", host="ping")], [to("v2"), to("v3")], [to("v2"), to("v1")]]
        found = locate(with_rules(*({"route": rule} for rule in rules)), ("v1", "v2", "v3"))
        assert [route.rule for route in found] == [0, 3, 4]

    def test_a_named_one_needs_one_of_them(self) -> None:
        rules = [{"name": "a", "route": [to("v1"), to("v2")]}, {"name": "b", "route": [to("v1")]}]
        assert [route.rule for route in locate(with_rules(*rules), BOTH, routes=["a", "b"])] == [0, 1]

    def test_by_host(self) -> None:
        rule = {"route": [to("v1", 1), to("v2", 1), to("v1", 1, "ping"), to("v2", 3, "ping")]}
        assert the_one(with_rules(rule), host="ping.shop.svc.cluster.local").shares(BOTH) == {"v1": 25, "v2": 75}

    @pytest.mark.parametrize(
        ("rules", "options", "message"),
        [
            ([], {}, "VirtualService shop/pong has no HTTP route; its HTTP routes: none"),
            ([{"name": "a", "route": []}], {"routes": ["b"]}, "has no HTTP route b; its HTTP routes: a"),
            (
                [{"name": "a", "redirect": {}}],
                {},
                "VirtualService shop/pong has no destination with subset or host v1 or v2; it has no destination",
            ),
            (
                [{"name": "a", "route": [to("v8"), to(None, host="x")]}],
                {"routes": ["a"]},
                "HTTP route a of VirtualService shop/pong has no destination with subset or host v1 or v2; "
                "it has pong v8, x without subset",
            ),
            (
                [{"route": [to("v1"), to("v2")]}],
                {"host": "ping"},
                "has no destination with subset or host v1 or v2 of host ping; it has pong v1, pong v2",
            ),
            (
                [{"name": "a", "route": [to("v1"), to("v2")]}, {"route": [to("v1", host="x"), to("v2", host="x")]}],
                {},
                r"routes to v1 and v2 of 2 hosts \(pong in HTTP route a, x in HTTP route number 2\): name one",
            ),
            (
                [{"name": "a", "route": [to("v1")]}, {"route": [to("v1")]}],
                {},
                "HTTP routes a and number 2 of VirtualService shop/pong lead to v1 alone of these versions: name those",
            ),
            (
                [{"name": "a", "route": [to("v1"), to("v2")]}, {"name": "b", "route": [to("v1", host="x")]}],
                {"routes": ["a", "b"]},
                "HTTP route b of VirtualService shop/pong lead to x, and HTTP route a to pong",
            ),
            (
                [{"name": "a", "route": [to("v1"), to("v2")]}, {"name": "b", "route": [to("v8")]}],
                {"routes": ["a", "b"]},
                "HTTP route b of VirtualService shop/pong has no destination with subset or host v1 or v2; it has pong",
            ),
            (
                [{"name": "a", "route": [to("v1"), to("v2")]}],
                {"routes": ["a", "b", "c"]},
                "has no HTTP routes b and c; its HTTP routes: a",
            ),
            (
                [{"route": [to("v1", 50), to("v2", 20), to("v2", 30)]}],
                {},
                "HTTP route number 1 has more than one destination v2: merge them",
            ),
        ],
    )
    def test_what_is_unclear_is_refused(
        self, rules: list[dict[str, Any]], options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(RouteError, match=message):
            locate(with_rules(*rules), BOTH, **options)


class TestSeveralRules:
    """One patch moves all of them."""

    RULES = (
        {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "timeout": "3s", "route": [to("v1", 100), to("v2", 0)]},
        {"name": "fixed", "route": [to("v1")]},
        {"name": "b", "rewrite": {"uri": "/"}, "route": [to("old", 50), to("v1", 50), to("v2", 0)]},
    )

    def test_each_keeps_all_else(self) -> None:
        after = moved(with_rules(*self.RULES), {"v1": 80, "v2": 20})["spec"]["http"]
        assert [rule["route"] for rule in after] == [
            [to("v1", 80), to("v2", 20)],
            [to("v1")],
            [to("old", 50), to("v1", 40), to("v2", 10)],
        ]
        assert [{**rule, "route": []} for rule in after] == [{**rule, "route": []} for rule in self.RULES]

    def test_all_that_cannot_have_a_share_are_named(self) -> None:
        rules = [{**self.RULES[2], "name": name} for name in ("b", "c")]
        with pytest.raises(RouteError, match=r"cannot be set in HTTP route b: .*; .* cannot be set in HTTP route c: "):
            moved(with_rules(*rules), {"v1": 95, "v2": 5})

    def test_a_version_leaves_all_that_have_it(self) -> None:
        rules = [to("v1", 0), to("v2")], [to("v2"), to("v3", 0)], [to("v2"), to("v1", 0)]
        service = with_rules(*({"route": rule} for rule in rules))
        after = patched(service, remove(service, locate(service, ("v1", "v2", "v3")), "v1", "note"))
        assert [rule["route"] for rule in after["spec"]["http"]] == [[to("v2")], [to("v2"), to("v3", 0)], [to("v2")]]


class TestShares:
    """Weights are read as Istio takes them."""

    @pytest.mark.parametrize(
        ("weights", "shares"),
        [
            ((100, 0), {"v1": 100, "v2": 0}),
            ((100, None), {"v1": 100, "v2": 0}),
            ((3, 1), {"v1": 75, "v2": 25}),
            ((2, 1), {"v1": Percent(200, 3), "v2": Percent(100, 3)}),
            ((80, 40), {"v1": Percent(200, 3), "v2": Percent(100, 3)}),
            ((19999, 80001), {"v1": Percent(19999, 1000), "v2": Percent(80001, 1000)}),
            ((None, None), {"v1": 0, "v2": 0}),
        ],
    )
    def test_weights_are_relative(self, weights: tuple[int | None, ...], shares: dict[str, int]) -> None:
        assert the_one(virtual_service(*weights)).shares(BOTH) == shares

    @pytest.mark.parametrize("weight", [None, 0, 7])
    def test_a_destination_that_is_alone_has_all(self, weight: int | None) -> None:
        service = virtual_service(weight, versions=("v2",))
        assert the_one(service).shares(BOTH) == {"v2": 100}

    @pytest.mark.parametrize(
        ("others", "all_of_them"),
        [
            ([], {"v1": 50, "v2": 50}),
            ([to(None, 20, "ads")], {"v1": 40, "v2": 40, "ads": 20}),
            ([to("new", 20, "ads")], {"v1": 40, "v2": 40, "new of ads": 20}),
            ([to("v3", 20)], {"v1": 40, "v2": 40, "v3": 20}),
            ([to(None, 20)], {"v1": 40, "v2": 40, "pong": 20}),
            (
                [to(None, 10, "ads"), to(None, 30, "ads"), to(None, 0, "idle")],
                {"v1": 100 / 3, "v2": 100 / 3, "ads": 100 / 3},
            ),
        ],
    )
    def test_further_destinations_are_named(self, others: list[dict[str, Any]], all_of_them: dict[str, float]) -> None:
        route = the_one(with_rules({"route": [to("v1", 40), to("v2", 40), *others]}))
        assert route.shares(BOTH) == {"v1": 50, "v2": 50}
        found = route.of_all(route.shares(BOTH))
        assert {name: float(share) for name, share in found.items()} == pytest.approx(all_of_them)
        assert sum(found.values()) == 100

    def test_others_do_not_count(self) -> None:
        service = with_rules({"route": [to("v1", 60), to("v2", 20), to("old", 20), to(None, 100, "ping")]})
        assert the_one(service).shares(BOTH) == {"v1": 75, "v2": 25}


class TestMove:
    """Only the two weights and the note change."""

    @given(present=st.integers(0, 100), weight=st.integers(0, 100))
    def test_nothing_else_changes(self, present: int, weight: int) -> None:
        service = virtual_service(100 - present, present)
        expected = copy.deepcopy(service)
        for entry, number in zip(expected["spec"]["http"][1]["route"], (100 - weight, weight), strict=True):
            entry["weight"] = number
        expected["metadata"]["annotations"] = {ANNOTATION: "note"}
        assert moved(service, {"v1": 100 - weight, "v2": weight}) == expected

    @given(
        stable=st.integers(0, 100),
        canary=st.integers(0, 100),
        other=st.integers(1, 100),
        weight=st.integers(0, 100),
    )
    def test_others_keep_their_share(self, stable: int, canary: int, other: int, weight: int) -> None:
        service = with_rules({"route": [to("old", other), to("v1", stable), to("v2", canary)]})
        try:
            route = moved(service, {"v1": 100 - weight, "v2": weight})["spec"]["http"][0]["route"]
        except RouteError:
            assert stable + canary == 0 or weight * (stable + canary) % 100
            return
        numbers = [entry["weight"] for entry in route]
        assert numbers[0] == other
        assert numbers[1] + numbers[2] == stable + canary
        assert numbers[2] * 100 == weight * (stable + canary)

    def test_without_others_odd_weights_become_percentages(self) -> None:
        route = moved(virtual_service(80, 40), {"v1": 70, "v2": 30})["spec"]["http"][1]["route"]
        assert [entry["weight"] for entry in route] == [70, 30]

    def test_other_annotations_stay(self) -> None:
        service = virtual_service(100, 0)
        service["metadata"]["annotations"] = {"a/b": "c", ANNOTATION: "old"}
        assert moved(service, {"v1": 0, "v2": 100})["metadata"]["annotations"] == {"a/b": "c", ANNOTATION: "note"}

    def test_the_patch_is_guarded(self) -> None:
        service = virtual_service(100, 0)
        for patch in (move(service, locate(service, BOTH), BOTH, {"v1": 0, "v2": 100}, "n"), annotate(service, "n")):
            assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}

    def test_a_new_version_gets_a_destination_like_the_others(self) -> None:
        route = moved(virtual_service(100, versions=("v1",)), {"v1": 100, "v2": 0})["spec"]["http"][1]["route"]
        assert route[1] == {"destination": {"host": HOST, "subset": "v2", "port": {"number": 80}}, "weight": 0}
        assert len(route) == 2

    def test_a_new_version_takes_the_place_of_one_that_is_over(self) -> None:
        after = moved(virtual_service(0, 100), {"v2": 100, "v3": 0}, before=BOTH)
        route = after["spec"]["http"][1]["route"]
        assert [(entry["destination"]["subset"], entry["weight"]) for entry in route] == [("v3", 0), ("v2", 100)]

    def test_a_version_with_requests_keeps_its_place(self) -> None:
        service = virtual_service(50, 50)
        with_third = patched(service, move(service, locate(service, BOTH), BOTH, {"v1": 50, "v3": 0}, "n"))
        subsets = [entry["destination"]["subset"] for entry in with_third["spec"]["http"][1]["route"]]
        assert subsets == ["v1", "v2", "v3"]

    def test_nothing_to_share_is_refused(self) -> None:
        service = with_rules({"route": [to("v1", 0), to("v2", 0), to("old", 100)]})
        with pytest.raises(RouteError, match="leaves v1 and v2 nothing to share"):
            moved(service, {"v1": 50, "v2": 50})

    def test_a_share_that_is_no_whole_number_is_refused(self) -> None:
        service = with_rules({"route": [to("v1", 50), to("v2", 0), to("old", 50)]})
        with pytest.raises(RouteError, match=r"v1 95 %, v2 5 % cannot be set .* leave 50 of 100, .*: 0, 2, 4, 6"):
            moved(service, {"v1": 95, "v2": 5})


def test_a_version_leaves_the_route_and_nothing_else_does() -> None:
    service = with_rules({"route": [to("v1", 0), to("old", 10), to("v2", 90)]})
    after = patched(service, remove(service, locate(service, BOTH), "v1", "note"))
    assert after["spec"]["http"][0]["route"] == [to("old", 10), to("v2", 90)]


def test_the_note_is_read_back() -> None:
    service = virtual_service(100, 0)
    assert note_of(service) is None
    assert note_of(patched(service, annotate(service, "note"))) == "note"


@pytest.mark.parametrize(
    ("rules", "name", "found"),
    [
        ([{"route": [to("v1"), to("v2")]}], None, ("v1", "v2")),
        ([{"name": "a", "route": [to("v1"), to("v2")]}, {"name": "b", "route": [to("x"), to("y")]}], "b", ("x", "y")),
        ([{"route": [to("v1"), to("v2")]}, {"route": [to("x"), to("y")]}], None, None),
        ([{"route": [to("v1")]}], None, None),
        ([{"route": [to("v1"), to(None, host="x")]}], None, None),
        ([], None, None),
    ],
)
def test_two_versions_are_found_without_names(
    rules: list[dict[str, Any]], name: str | None, found: tuple[str, str] | None
) -> None:
    assert pair(with_rules(*rules), routes=[name] if name else []) == found


def test_all_rules_that_lead_to_a_version_are_found() -> None:
    service = with_rules(
        {"name": "a", "route": [to("v1", 0), to("v2")]},
        {"route": [to("v2")], "mirror": {"host": HOST, "subset": "v1"}},
        {"name": "c", "route": [to("v2")], "mirrors": [to("v1")]},
        {"name": "d", "route": [to("v1", host="ping")]},
    )
    service["spec"]["tcp"] = [{"route": [to("v1")]}]
    assert users(service, HostSubset(ServiceName("shop", "pong"), "v1")) == [
        "http route a of shop/pong",
        "http route number 2 of shop/pong",
        "http route c of shop/pong",
        "route tcp:1 of shop/pong",
    ]


def test_a_route_without_a_label_is_called_by_its_number() -> None:
    assert Route(2, "", "pong", None, {}, 0).name == "number 3"


def by_service(*weights: tuple[str, int], **more: Any) -> dict[str, Any]:
    return {"route": [{"destination": {"host": host}, "weight": weight} for host, weight in weights], **more}


def with_subset(rule: dict[str, Any], weight: int) -> dict[str, Any]:
    """The rule with a subset of one of its Services."""
    place = {"host": "cart-v1", "subset": "old"}
    return {**rule, "route": [*rule["route"], {"destination": place, "weight": weight}]}


CART = by_service(("cart-v1", 90), ("cart-v2.shop.svc.cluster.local", 10))
FULLY = by_service(("cart-v2", 10), ("cart-v1.shop.svc.cluster.local", 90), name="api")


def test_versions_that_are_services_are_found_however_they_are_written() -> None:
    found = locate(with_rules(CART, FULLY), ("cart-v1", "cart-v2"), host="cart.shop.svc.cluster.local")
    assert [(each.rule, each.by_service, each.weights(("cart-v1", "cart-v2"))) for each in found] == [
        (0, True, {"cart-v1": 90, "cart-v2": 10}),
        (1, True, {"cart-v1": 90, "cart-v2": 10}),
    ]
    assert found[0].place("cart-v3") == HostSubset(ServiceName("shop", "cart-v3"), "")
    assert found[0].service("cart-v1", "cart-v2") == "cart-v1,cart-v2"


def test_the_other_destinations_of_such_a_rule_keep_their_weights() -> None:
    rule = by_service(("cart-v1", 50), ("cart-v2", 0), ("pay-v1", 50))
    (found,) = locate(with_rules(rule), ("cart-v1", "cart-v2"))
    assert found.of_all({"cart-v1": 80, "cart-v2": 20}) == {"cart-v1": 40, "cart-v2": 10, "pay-v1": 50}
    patch = move(with_rules(rule), [found], ("cart-v1", "cart-v2"), {"cart-v1": 80, "cart-v2": 20}, None)
    assert [each["value"] for each in patch[1:]] == [40, 10]


def test_a_new_service_takes_the_place_of_one_without_requests_or_is_added() -> None:
    service = with_rules(by_service(("cart-v1", 0), ("cart-v2", 100)), by_service(("cart-v2", 100)))
    found = locate(service, ("cart-v1", "cart-v2", "cart-v3"), routes=["1", "2"])
    after = patched(service, move(service, found, ("cart-v1", "cart-v2"), {"cart-v2": 80, "cart-v3": 20}, None))
    assert after["spec"]["http"] == [
        by_service(("cart-v3", 20), ("cart-v2", 80)),
        by_service(("cart-v2", 80), ("cart-v3", 20)),
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([CART], ("cart-v1", "cart-v2")),
        ([CART, FULLY], None),  # in different orders
        ([by_service(("cart-v1", 90), ("api.example.com", 10))], None),
        ([by_service(("cart-v1", 90), ("cart-v1", 10))], None),
        ([with_subset(by_service(("cart-v1", 80), ("cart-v2", 10)), 10)], None),
    ],
)
def test_a_pair_of_services(rules: list[dict[str, Any]], expected: tuple[str, str] | None) -> None:
    assert pair(with_rules(*rules)) == expected


def test_a_subset_of_such_a_service_is_another_destination() -> None:
    rule = with_subset(by_service(("cart-v1", 50), ("cart-v2", 40)), 10)
    (found,) = locate(with_rules(rule), ("cart-v1", "cart-v2"))
    assert found.of_all(found.shares(("cart-v1", "cart-v2"))) == {"cart-v1": 50, "cart-v2": 40, "old of cart-v1": 10}
    assert [set(each.destinations) for each in every_route(with_rules(rule))] == [
        {"cart-v1", "cart-v2"},
        {"", "old"},
    ]


def test_every_route_has_one_host_or_the_services_that_it_splits_between() -> None:
    mixed = by_service(("cart-v1", 50), ("cart-v2", 40), ("api.example.com", 10))
    assert [
        (each.by_service, set(each.destinations)) for each in every_route(with_rules(mixed, by_service(("pay", 1))))
    ] == [
        (True, {"cart-v1", "cart-v2"}),
        (False, {""}),
        (False, {""}),
    ]
