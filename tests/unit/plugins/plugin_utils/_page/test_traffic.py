# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._page.traffic import entrances


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        ([], ["clients: source"]),
        (["gateway istio-system/istio-ingressgateway-6fd7dfc8db-r5zj4"], ["istio-ingressgateway: 1 gateway pod"]),
        (["sidecar shop/web-1-a", "sidecar shop/web-1-b"], ["shop/web: 2 sidecars"]),
        (
            ["sidecar shop/x-1-a", "gateway a/edge-1-a", "gateway a/edge-1-b", "sidecar b/x-1-a"],
            ["edge: 2 gateway pods", "2 workloads: 2 sidecars"],
        ),
        ([f"sidecar shop/w{number % 15}-1-{number}" for number in range(40)], ["15 workloads: 40 sidecars"]),
    ],
)
def test_proxies_of_one_kind_are_one_entrance(proxies: list[str], expected: list[str]) -> None:
    found = entrances({"live": [{"proxy": each, "after": 1} for each in proxies]})
    assert [f"{each.name}: {each.note}" for each in found] == expected


def test_where_no_proxy_was_asked_the_gateways_are_the_entrances() -> None:
    found = entrances({"live": [], "gateways": ["shop/edge", "mesh"]})
    assert [f"{each.name}: {each.note}" for each in found] == ["shop/edge: Gateway", "mesh: sidecars"]
