# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import Access
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import POD, VIRTUAL_SERVICE, Cluster
from ansible_collections.progressive.istio.plugins.module_utils._k8s.rights import Right, missing, of_a_move, of_a_proof
from api_server import ApiServer

PATCH = Right("patch", VIRTUAL_SERVICE, "shop", "pong")
FORWARD = Right("create", POD, "shop", part="portforward")


def rule(*resources: str, verbs: tuple[str, ...] = ("*",), group: str = "*", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs), **more}


@pytest.mark.parametrize(
    ("right", "granting", "granted"),
    [
        (PATCH, rule("virtualservices", verbs=("get", "patch"), group="networking.istio.io"), True),
        (PATCH, rule("*"), True),
        (PATCH, rule("virtualservices", verbs=("get",)), False),
        (PATCH, rule("virtualservices", group=""), False),
        (PATCH, rule("virtualservices", resourceNames=["pong"]), True),
        (PATCH, rule("virtualservices", resourceNames=["other"]), False),
        (FORWARD, rule("pods"), False),
        (FORWARD, rule("pods/portforward"), True),
        (FORWARD, rule("*/portforward"), True),
    ],
)
def test_a_rule_grants_a_right(right: Right, granting: dict[str, Any], granted: bool) -> None:
    assert right.is_granted(granting) is granted


def test_a_right_as_text() -> None:
    assert str(PATCH) == "patch virtualservices pong in namespace shop"
    assert str(FORWARD) == "create pods/portforward in namespace shop"
    assert str(Right("list", POD, "")) == "list pods in all namespaces"


def test_a_watched_move_needs_more() -> None:
    moved = set(map(str, of_a_move("shop", "pong", "shop", watches=False)))
    watched = set(map(str, of_a_move("shop", "pong", "shop", watches=True)))
    assert watched - moved == {"watch virtualservices pong in namespace shop", "watch pods in namespace shop"}
    assert "list destinationrules in namespace routes" in map(str, of_a_move("routes", "pong", "shop", watches=False))


def test_a_namespace_of_proxies_is_listed_once() -> None:
    found = [str(right) for right in of_a_proof(["edge", "edge"], ["edge", "edge"])]
    assert len(found) == len(set(found)) == 4


def test_the_missing_ones(server: ApiServer) -> None:
    server.rules = [rule("virtualservices")]
    cluster = Cluster(lambda: Access(server.url, "test"))
    assert missing(cluster, [PATCH, FORWARD]) == [FORWARD]
