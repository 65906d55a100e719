# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hosts."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import identity, same_host, service_of


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("pong", "shop/pong"),
        ("pong.other.svc.cluster.local", "other/pong"),
        ("pong.other.svc.corp.example", "other/pong"),
        ("pong.other", None),
        ("pong.other.svc", None),
        ("api.example.com", None),
        ("a.b.example.com", None),
    ],
)
def test_only_bare_and_full_names_mean_services(host: str, service: str | None) -> None:
    found = service_of(host, "shop")
    assert (found and str(found)) == service


def test_hosts_are_the_same_in_their_own_namespaces() -> None:
    assert same_host("pong", "shop", "pong.shop.svc.cluster.local", "elsewhere")
    assert not same_host("pong", "shop", "pong", "elsewhere")
    assert same_host("api.example.com", "a", "api.example.com", "b")
    assert not same_host("api.example.com", "a", "pong", "a")
    assert identity("pong.shop", "shop") == "pong.shop"
