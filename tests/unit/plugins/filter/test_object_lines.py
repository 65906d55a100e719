# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.filter.object_lines import object_lines


def thing(kind: str, status: dict[str, Any] | None = None, labels: dict[str, str] | None = None, **spec: Any) -> Any:
    metadata = {"name": "pong", "namespace": "shop", "labels": labels}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (
            thing("DestinationRule", host="h", subsets=[{"name": "v1", "labels": {"version": "v1", "region": "eu"}}]),
            "DestinationRule shop/pong: host h; subsets v1 (version=v1, region=eu)",
        ),
        (thing("DestinationRule", host="h"), "DestinationRule shop/pong: host h; subsets none"),
        (
            thing(
                "VirtualService",
                hosts=["a", "b"],
                gateways=["g"],
                http=[
                    {
                        "name": "primary",
                        "route": [
                            {"destination": {"host": "h", "subset": "v1"}, "weight": 80},
                            {"destination": {"host": "h", "subset": "v2"}, "weight": 20},
                        ],
                    },
                    {"route": [{"destination": {"host": "h"}}]},
                    {"redirect": {}},
                ],
            ),
            "VirtualService shop/pong: hosts a, b; gateways g; route primary: v1 80, v2 20; "
            "route unnamed: h everything; route unnamed: no destinations",
        ),
        (thing("VirtualService", hosts=["a"]), "VirtualService shop/pong: hosts a; gateways mesh"),
        (
            thing(
                "Pod",
                {"phase": "Running", "containerStatuses": [{"ready": True}, {"ready": False}]},
                {"version": "v1"},
                containers=[{"name": "app"}, {"name": "istio-proxy"}],
            ),
            "Pod shop/pong: version v1; Running, 1 of 2 containers ready; a sidecar",
        ),
        (
            thing("Pod", containers=[{"name": "app"}]),
            "Pod shop/pong: version none; Pending, 0 of 0 containers ready; no sidecar",
        ),
    ],
)
def test_a_line_says_what_matters(one: dict[str, Any], line: str) -> None:
    assert object_lines([one]) == [line]


def test_a_name_forges_no_line() -> None:
    route = {"name": "a\x1b[2J\nPod shop/forged", "route": [{"destination": {"host": "h"}}]}
    assert object_lines([thing("VirtualService", hosts=["a"], http=[route])]) == [
        r"VirtualService shop/pong: hosts a; gateways mesh; route a\x1b[2J\nPod shop/forged: h everything"
    ]
