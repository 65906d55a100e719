# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of one VirtualService keep their states apart, whoever wrote them last."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import decode, encode
from ansible_collections.progressive.istio.plugins.module_utils._release.services import HOST, VERSION, read_notes
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, State, Unreadable
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import identity
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = ("cart", "pay", "mail")


def state(host: str, weight: int = 20) -> State:
    return State("v1", "v2", Phase.WEIGHTED, weight, NOON, extra={HOST: host})


def full(name: str) -> str:
    return f"{name}.shop.svc.cluster.local"


PRESENT = {identity(name, "shop") for name in NAMES}


def note(*hosts: str) -> str | None:
    """The annotation once each of these hosts has written in turn."""
    text = None
    for host in hosts:
        text = read_notes(text, "shop").written(host, state(host), PRESENT)
    return text


def test_one_service_has_its_state_alone() -> None:
    assert note("cart") == encode(state("cart"))
    assert note("cart", full("cart")) == encode(state(full("cart")))


def test_several_are_listed_by_full_names() -> None:
    text = note("pay", "cart")
    assert text is not None
    assert json.loads(text) == {
        "version": VERSION,
        "services": {full("cart"): json.loads(encode(state("cart"))), full("pay"): json.loads(encode(state("pay")))},
    }
    assert isinstance(decode(text), Unreadable)  # to a reader of version 1


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans(), st.integers(0, 100)), min_size=1, max_size=8))
def test_what_was_written_last_of_a_host_is_read(writes: list[tuple[str, bool, int]]) -> None:
    text, last = None, {}
    for name, short, weight in writes:
        last[name] = state(name if short else full(name), weight)
        text = read_notes(text, "shop").written(str(last[name].extra[HOST]), last[name], PRESENT)
    notes = read_notes(text, "shop")
    assert {name: notes.of(name) for name in last} == last
    assert {name: notes.of(full(name)) for name in last} == last
    assert set(notes.hosts) == {full(name) for name in last}


def test_the_state_of_a_host_without_routes_goes_with_the_next_write() -> None:
    text = read_notes(note("cart", "pay"), "shop").written("pay", state("pay", 50), {identity("pay", "shop")})
    assert decode(text) == state("pay", 50)


def test_a_state_without_a_host_is_of_any_until_one_writes() -> None:
    old = replace(state(""), extra={})
    notes = read_notes(encode(old), "shop")
    assert (notes.of("cart"), notes.of("pay"), notes.only, notes.hosts) == (old, old, old, [])
    assert decode(notes.written("cart", state("cart"), PRESENT)) == state("cart")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 2}', '{"version": 2, "services": []}', '{"version": 9, "services": {}}']
)
def test_what_cannot_be_read_is_so_for_all(text: str) -> None:
    notes = read_notes(text, "shop")
    assert isinstance(notes.of("cart"), Unreadable)
    assert decode(notes.written("cart", state("cart"), PRESENT)) == state("cart")


def test_one_damaged_state_harms_no_other_and_is_kept() -> None:
    text = json.dumps({"version": VERSION, "services": {full("cart"): {"version": 7}, full("pay"): {"odd": True}}})
    notes = read_notes(text, "shop")
    assert isinstance(notes.of("cart"), Unreadable)
    assert isinstance(notes.of("pay"), Unreadable)
    assert notes.of("mail") is None
    after = read_notes(notes.written("mail", state("mail"), PRESENT), "shop")
    assert after.of("mail") == state("mail")
    assert json.loads(after.texts[full("cart")]) == {"version": 7}


def test_no_annotation() -> None:
    notes = read_notes(None, "shop")
    assert (notes.of("cart"), notes.only, notes.hosts) == (None, None, [])


def by_service(stable: str, canary: str, weight: int = 20) -> State:
    return State(stable, canary, Phase.WEIGHTED, weight, NOON, extra={HOST: f"{stable},{canary}"})


def test_where_versions_are_services_the_next_release_has_one_in_common() -> None:
    present = {identity(name, "shop") for name in ("cart-v1", "cart-v2", "cart-v3", "pay-v1", "pay-v2")}
    text = None
    for stable, canary in (("cart-v1", "cart-v2"), ("pay-v1", "pay-v2"), ("cart-v2", "cart-v3")):
        text = read_notes(text, "shop").written(f"{stable},{canary}", by_service(stable, canary), present)
    notes = read_notes(text, "shop")
    assert notes.of("cart-v3,cart-v4") == by_service("cart-v2", "cart-v3")
    assert notes.of(full("pay-v2")) == by_service("pay-v1", "pay-v2")
    assert (notes.of("cart-v1,cart-v9"), len(notes.hosts)) == (None, 2)
