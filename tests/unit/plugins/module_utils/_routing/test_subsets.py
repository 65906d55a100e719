# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subsets of a host."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import Subset, subsets_of


def rule(name: str, namespace: str, host: str, *subsets: dict[str, Any]) -> dict[str, Any]:
    """A DestinationRule."""
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"host": host, "subsets": list(subsets)}}


def test_subsets_of_all_rules_for_the_host_are_found() -> None:
    rules = [
        rule("a", "shop", "pong", {"name": "v1", "labels": {"version": "v1"}}),
        rule("b", "shop", "pong.shop.svc.cluster.local", {"name": "v2"}, {"name": "v1", "labels": {"version": "x"}}),
        rule("c", "shop", "other", {"name": "v3"}),
        rule("d", "else", "pong", {"name": "v4"}),
        {"metadata": {"name": "e", "namespace": "shop"}, "spec": {"host": "pong"}},
    ]
    assert subsets_of("pong.shop.svc.cluster.local", "shop", rules) == {
        "v1": Subset("v1", {"version": "v1"}, "shop/a"),
        "v2": Subset("v2", {}, "shop/b"),
    }
