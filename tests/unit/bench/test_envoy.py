# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

from bench.envoy import updated

ORIGIN = "/apis/networking.istio.io/v1/namespaces/{}/virtual-service/{}"


def config(stamp: str, *services: str) -> dict[str, Any]:
    routes = [
        {"metadata": {"filter_metadata": {"istio": {"config": ORIGIN.format(*service.split("/"))}}}}
        for service in services
    ]
    return {"last_updated": stamp, "route_config": {"virtual_hosts": [{"routes": routes}]}}


def test_the_last_update_of_the_routes_of_one_virtual_service() -> None:
    dump = {
        "configs": [
            config("2026-11-24T08:00:00.250Z", "bench/pong", "bench/other"),
            config("2026-11-24T08:00:09.000Z", "bench/pong-two", "others/pong"),
        ]
    }
    assert updated(json.dumps(dump).encode(), "bench/pong") == 1795507200.25


def test_routes_that_are_not_there_were_never_updated() -> None:
    assert updated(b"{}", "bench/pong") == 0.0
