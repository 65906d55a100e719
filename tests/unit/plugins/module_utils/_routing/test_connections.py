# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for TLS and TCP are found, named and moved beside those for HTTP."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import (
    RouteError,
    described,
    every_route,
    has_route,
    hosts_of,
    listed,
    locate,
    move,
    names_of,
    pair,
    patched,
    remove,
)
from hypothesis import given
from hypothesis import strategies as st
from pong_mesh import HOST, virtual_service

Object = dict[str, Any]
BOTH = ("v1", "v2")


def to(subset: str, weight: int | None = None, port: int = 9000, **more: Any) -> Object:
    destination = {"host": HOST, "subset": subset, "port": {"number": port}}
    return {"destination": destination, **more} | ({} if weight is None else {"weight": weight})


def split(old: int = 100, **more: Any) -> Object:
    return {"route": [to("v1", old), to("v2", 100 - old)], **more}


def tls(*hosts: str, **more: Any) -> Object:
    return split(match=[{"sniHosts": list(hosts), "port": 443}], **more)


def service(*, http: list[Object] | None = None, **spec: Any) -> Object:
    return virtual_service(100, 0, http=http or [], **spec)


MIXED = service(http=[{"name": "web", **split()}], tls=[tls("a.test")], tcp=[{"route": [to("v1")]}, split()])


def test_every_rule_with_both_versions_moves_whatever_it_is_for() -> None:
    found = locate(MIXED, BOTH)
    assert [(each.protocol, each.rule, each.name) for each in found] == [
        ("http", 0, "web"),
        ("tls", 0, "tls:1"),
        ("tcp", 1, "tcp:2"),
    ]
    assert listed(found) == "routes web, tls:1 and tcp:2"
    assert listed(found[1:2]) == "route tls:1"
    assert names_of(reversed(found)) == ["web", "tls:1", "tcp:2"]


@pytest.mark.parametrize(
    ("names", "found"),
    [(["tcp:2"], ["tcp:2"]), (["tls:1", "web"], ["web", "tls:1"]), (["1"], ["web"]), (["number 1"], ["web"])],
)
def test_they_are_named_by_protocol_and_number(names: list[str], found: list[str]) -> None:
    assert [each.name for each in locate(MIXED, BOTH, routes=names)] == found


@pytest.mark.parametrize(
    ("name", "there"), [("tcp:2", True), ("tcp:0", False), ("tcp:3", False), ("tls:2", False), ("2", False)]
)
def test_what_has_no_such_rule(name: str, there: bool) -> None:
    assert has_route(MIXED, name) is there
    if not there:
        with pytest.raises(RouteError, match=f"has no .*route {name}; its routes: web, tls:1, tcp:1, tcp:2"):
            locate(MIXED, BOTH, routes=[name])


def test_a_name_in_a_rule_that_cannot_have_one_counts_for_nothing() -> None:
    assert not has_route(service(tcp=[split(name="db")]), "db")


def test_all_move_in_one_patch_and_all_else_stays() -> None:
    unknown = {"route": [to("v1", 100, future={"a": 1}), to("v2", 0)], "ext": True}
    before = service(http=[{"name": "web", **split()}], tls=[tls("a.test")], tcp=[unknown])
    untouched = copy.deepcopy(before)
    operations = move(before, locate(before, BOTH), BOTH, {"v1": 80, "v2": 20}, "note")
    assert [each["path"] for each in operations if each["path"].startswith("/spec")] == [
        f"/spec/{place}/0/route/{index}/weight" for place in ("http", "tls", "tcp") for index in (0, 1)
    ]
    after = patched(before, operations)
    assert before == untouched
    for protocol in ("http", "tls", "tcp"):
        for entry, weight in zip(after["spec"][protocol][0]["route"], (80, 20), strict=True):
            assert entry["weight"] == weight
            entry["weight"] = {80: 100, 20: 0}[weight]
    assert after["spec"] == untouched["spec"]


@given(st.integers(0, 100), st.sampled_from(["tls", "tcp"]), st.integers(0, 3))
def test_a_move_and_the_way_back(share: int, protocol: str, before: int) -> None:
    others = [{"route": [{"destination": {"host": "db"}}]}] * before
    own, shares = service(**{protocol: [*others, split()]}), {"v1": 100 - share, "v2": share}
    there = patched(own, move(own, locate(own, BOTH), BOTH, shares, None))
    (route,) = locate(there, BOTH)
    assert (route.rule, route.shares(BOTH)) == (before, shares)
    assert patched(there, move(there, [route], BOTH, {"v1": 100, "v2": 0}, None)) == own


def test_a_new_version_keeps_the_port_and_one_that_is_over_leaves() -> None:
    alone = service(tcp=[{"route": [to("v1", port=5432)]}])
    routes = locate(alone, BOTH)
    grown = patched(alone, move(alone, routes, BOTH, {"v1": 90, "v2": 10}, None))
    assert grown["spec"]["tcp"][0]["route"] == [to("v1", 90, 5432), to("v2", 10, 5432)]
    left = patched(grown, remove(grown, locate(grown, BOTH), "v2", "note"))
    assert left["spec"]["tcp"][0]["route"] == [to("v1", 90, 5432)]


def test_what_they_lead_to_is_known() -> None:
    own = service(tcp=[split(), {"route": [{"destination": {"host": "db"}}]}])
    assert pair(own, routes=["tcp:1"]) == pair(own) == BOTH
    assert len(hosts_of(own)) == 2
    assert [each.name for each in every_route(own)] == ["tcp:1", "tcp:2"]
    assert described(own, ["tcp:2"]) == ["tcp:2: db without subset, so every pod behind it"]


def test_shares_that_cannot_be_set_name_the_rule() -> None:
    third = {"route": [to("v1", 60), to("v2", 0), {"destination": {"host": "old"}, "weight": 40}]}
    own = service(tcp=[third])
    with pytest.raises(RouteError, match="v1 99 %, v2 1 % cannot be set in route tcp:1: its other destinations leave"):
        move(own, locate(own, BOTH), BOTH, {"v1": 99, "v2": 1}, None)
