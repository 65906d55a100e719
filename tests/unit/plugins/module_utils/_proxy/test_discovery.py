# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Gateways an attachment has, and which pods they select."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import GATEWAY, POD
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Attachment
from ansible_collections.progressive.istio.plugins.module_utils._proxy.discovery import discover, selector_of
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName

ONE, TWO, NONE = (ServiceName("shop", name) for name in ("one", "two", "none"))


class Recorder:
    """A cluster with two Gateways of one selector."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def get(self, kind: object, name: str, namespace: str) -> dict[str, Any] | None:
        self.asked.append((kind, namespace, name))
        return None if name == "none" else {"spec": {"selector": {"istio": "edge", "app": "gateway"}}}

    def list(self, kind: object, namespace: str | None, selector: str) -> list[dict[str, Any]]:
        self.asked.append((kind, namespace, selector))
        return [{"metadata": {"name": "edge"}}]


def test_gateways_of_one_selector_share_one_list_in_all_namespaces() -> None:
    cluster: Any = Recorder()
    found = discover(cluster, Attachment("VirtualService shop/pong", (ONE, TWO, NONE), mesh=False))
    assert found.gateways[NONE] is None
    assert found.pods == dict.fromkeys((ONE, TWO), ({"metadata": {"name": "edge"}},))
    assert cluster.asked == [
        *((GATEWAY, "shop", name) for name in ("one", "two", "none")),
        (POD, None, "app=gateway,istio=edge"),
    ]


def test_a_gateway_without_a_selector() -> None:
    assert selector_of({"spec": None}) == selector_of({"spec": {"selector": {}}}) == ""
