# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that the doctor names, for routes that the test of the doctor and a step has not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.settings import settings_for
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Target


def virtual_service(*destinations: dict[str, str]) -> dict[str, Any]:
    route = [{"destination": each, "weight": 50} for each in destinations]
    return {"metadata": {"name": "pay", "namespace": "shop"}, "spec": {"http": [{"route": route}]}}


@pytest.mark.parametrize(
    ("destinations", "host", "expected"),
    [
        (({"host": "pay", "subset": "v1"}, {"host": "pay"}), None, ""),
        (
            ({"host": "pay.example.com", "subset": "v1"}, {"host": "pay.example.com", "subset": "v2"}),
            "pay",
            "canary_host: pay.example.com",
        ),
        (
            ({"host": "pay", "subset": "v1"}, {"host": "pay", "subset": "v2"}),
            "cart.shop.svc.corp.net",
            "canary_host: pay.shop.svc.corp.net",
        ),
    ],
    ids=["a destination without a subset is no version", "outside the cluster", "another domain"],
)
def test_settings(destinations: tuple[dict[str, str], ...], host: str | None, expected: str) -> None:
    target = Target("pay", "shop", "v1", "v2", destination_host=host)
    assert settings_for(target, virtual_service(*destinations)) == expected


def test_a_route_for_connections_is_known_by_its_number() -> None:
    rules = [
        {"route": [{"destination": {"host": host, "subset": name}, "weight": 50} for name in ("v1", "v2")]}
        for host in ("pay.example.com", "bank.example.com")
    ]
    service = {"metadata": {"name": "pay", "namespace": "shop"}, "spec": {"tcp": rules}}
    target = Target("pay", "shop", "v1", "v2", ("tcp:2",), "cart")
    assert settings_for(target, service) == "canary_host: bank.example.com"
