# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a follower's annotation says is read as it was written, and is no state of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.shares import share_of
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import decode
from ansible_collections.progressive.istio.plugins.module_utils._release.following import Following, read_following
from ansible_collections.progressive.istio.plugins.module_utils._release.services import read_notes
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, Unreadable
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import identity

HOST, OTHER = "pong.shop.svc.cluster.local", "cart.shop.svc.cluster.local"
ONE = Following("shop/pong", HOST, "v1", "v2", 20, Phase.PROGRESSING, "r1")


@pytest.mark.parametrize("weight", [0, 20, 100, share_of(1, 3)])
def test_it_is_read_as_it_was_written(weight):
    following = replace(ONE, weight=weight)
    assert read_following(following.encode()) == following
    assert following.matches(following.weights)


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"version":3}', '{"version":1}', ONE.encode().replace("20", '"x"')]
)
def test_anything_else_is_none(text):
    assert read_following(text) is None


def test_other_weights_do_not_match():
    assert not ONE.matches({"v1": 70, "v2": 30})
    assert not ONE.matches({"v1": 80, "v2": 10, "v3": 10})
    assert replace(ONE, weight=0).matches({"v1": 100})


def test_a_reader_that_does_not_know_it_refuses():
    assert isinstance(decode(ONE.encode()), Unreadable)


def test_it_is_no_state_while_the_release_goes_on():
    state = read_notes(ONE.encode(), "shop").of(HOST)
    assert state == Unreadable("it follows VirtualService shop/pong, which has the state")
    over = read_notes(replace(ONE, phase=Phase.PROMOTED).encode(), "shop")
    assert (over.of(HOST), over.only) == (None, None)


def test_it_stands_beside_the_states_of_other_services():
    notes = read_notes(ONE.encode(), "shop")
    both = notes.written(
        OTHER, replace(ONE, host=OTHER, leader="shop/cart"), {identity(each, "shop") for each in (HOST, OTHER)}
    )
    assert set(json.loads(both)["services"]) == {HOST, OTHER}
    again = read_notes(both, "shop")
    assert (again.following(HOST), again.following(OTHER).leader) == (ONE, "shop/cart")
