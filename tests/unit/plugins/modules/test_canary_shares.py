# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary` on routes whose weights do not sum to 100, or that lead to more than the two versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary, canary_info
from api_server import ApiServer
from pong_mesh import HOST, NAMESPACE, populate, state_of, virtual_service, weights_of

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}
    fixed |= {"stable": "v1", "canary": "v2", "wait_timeout": 0, "interval": 0, "proof": "none", "watch": 0}

    def run(state: str, **options: Any) -> dict[str, Any]:
        steps = {"steps": [10, 50, 100]} if state in ("advanced", "promoted") else {}
        return run_module(canary.main, {**fixed, "state": state, **steps, **options}, False)

    return run


@pytest.fixture
def status(server: ApiServer, run_module: Call) -> Callable[[], dict[str, Any]]:
    options = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}
    options |= {"stable": "v1", "canary": "v2"}
    return lambda: run_module(canary_info.main, options, False)


@pytest.mark.parametrize("weights", [(2, 1), (80, 40)])
@pytest.mark.parametrize(
    ("state", "options", "after", "phase"),
    [
        ("weighted", {"weight": 20}, {"v1": 80, "v2": 20}, "weighted"),
        ("weighted", {"weight": 50}, {"v1": 50, "v2": 50}, "weighted"),
        ("advanced", {}, {"v1": 50, "v2": 50}, "progressing"),
        ("rolled_back", {}, {"v1": 100, "v2": 0}, "rolled_back"),
    ],
)
def test_moves_from_a_third(
    server: ApiServer,
    call: Call,
    weights: tuple[int, int],
    state: str,
    options: dict[str, Any],
    after: dict[str, int],
    phase: str,
) -> None:
    populate(server, weights)
    result = call(state, **options)
    assert not result.get("failed"), result["msg"]
    assert (weights_of(server), result["phase"]) == (after, phase)
    assert result["weights"] == {"before": {"v1": 66.67, "v2": 33.33}, "after": after}
    assert "from 33.33" in result["msg"]


def test_steps_from_a_third_to_the_end(server: ApiServer, call: Call) -> None:
    populate(server, (2, 1))
    assert [call("advanced")["weights"]["after"]["v2"] for _step in range(2)] == [50, 100]
    assert call("advanced")["phase"] == "promoted"


@pytest.mark.parametrize("state", ["held", "adopted"])
def test_a_third_is_kept_and_known_again(server: ApiServer, call: Call, status: Call, state: str) -> None:
    """Neither a hold nor an adoption moves a request, and what was taken on is no drift later."""
    populate(server, (2, 1))
    options = {"state": "advanced", "adopt": True, "steps": [10, 50, 100]} if state == "adopted" else {"state": "held"}
    if state == "adopted":  # only what somebody else has moved is taken on
        call("weighted", weight=20)
        rest = server.get("virtualservices", "pong", NAMESPACE)
        for entry, weight in zip(rest["spec"]["http"][1]["route"], (2, 1), strict=True):
            entry["weight"] = weight
        server.put("virtualservices", rest)
        assert "v1 66.67 %, v2 33.33 % now, v1 80 %, v2 20 % when" in call("advanced")["msg"]
        options["interval"] = 3600
    result = call(**options)
    assert not result.get("failed"), result["msg"]
    assert weights_of(server) == {"v1": 2, "v2": 1}
    assert state_of(server)["weights"] == pytest.approx({"stable": 200 / 3, "canary": 100 / 3})
    found = status()
    assert found["weights"] == {"v1": 66.67, "v2": 33.33}
    assert not any("moved" in problem for problem in found["problems"])
    assert "shop/pong: v1 66.67 %, v2 33.33 %" in found["summary"]
    back = call("rolled_back")
    assert back["weights"] == {"before": {"v1": 66.67, "v2": 33.33}, "after": {"v1": 100, "v2": 0}}


def route(server: ApiServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("virtualservices", "pong", NAMESPACE)["spec"]["http"][1]["route"]
    return found


def test_further_destinations_are_named_and_kept(server: ApiServer, call: Call, status: Call) -> None:
    populate(server)
    service = virtual_service(40, 40)
    ads = {
        "destination": {"host": "ads.shop.svc.cluster.local"},
        "weight": 20,
        "headers": {"request": {"remove": ["x"]}},
    }
    service["spec"]["http"][1]["route"].append(ads)
    server.put("virtualservices", service)
    assert status()["weights"] == {"v1": 40, "v2": 40, "ads.shop.svc.cluster.local": 20}
    assert "shop/pong: v1 40 %, v2 40 %, ads.shop.svc.cluster.local 20 %" in status()["summary"]
    result = call("weighted", weight=25)
    assert result["weights"]["after"] == {"v1": 60, "v2": 20, "ads.shop.svc.cluster.local": 20}
    assert result["transitions"][-1]["weights"] == result["weights"]["after"]
    assert "now v1 60 %, v2 20 %, ads.shop.svc.cluster.local 20 %" in result["msg"]
    assert [entry["weight"] for entry in route(server)] == [60, 20, 20]
    assert json.dumps(route(server)[2]) == json.dumps(ads)
    assert call("rolled_back")["weights"]["after"] == {"v1": 80, "v2": 0, "ads.shop.svc.cluster.local": 20}


def test_a_third_subset_of_the_same_service_is_named(server: ApiServer, call: Call) -> None:
    populate(server)
    service = virtual_service(40, 40)
    service["spec"]["http"][1]["route"].append({"destination": {"host": HOST, "subset": "v3"}, "weight": 20})
    server.put("virtualservices", service)
    assert call("rolled_back")["weights"]["before"] == {"v1": 40, "v2": 40, "v3": 20}
