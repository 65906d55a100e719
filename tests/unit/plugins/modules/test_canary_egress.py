# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary` on hosts of a ServiceEntry, of which no pods are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary, canary_info
from api_server import ApiServer, Object
from pong_mesh import NAMESPACE

Call = Callable[..., dict[str, Any]]
PARTNER = "api.partner.example"


def subset(name: str, weight: int) -> Object:
    return {"destination": {"host": PARTNER, "subset": name}, "weight": weight}


def host(name: str, weight: int) -> Object:
    return {"destination": {"host": name}, "weight": weight}


def routed(server: ApiServer, *route: Object) -> None:
    meta = {"name": "partner", "namespace": NAMESPACE, "resourceVersion": "5"}
    server.put("virtualservices", {"metadata": meta, "spec": {"hosts": [PARTNER], "http": [{"route": list(route)}]}})
    subsets = [{"name": each, "labels": {"version": each}} for each in ("v1", "v2")]
    rule = {"metadata": {"name": "partner", "namespace": NAMESPACE}, "spec": {"host": PARTNER, "subsets": subsets}}
    server.put("destinationrules", rule)


def weights_of(server: ApiServer) -> list[int]:
    rule = server.get("virtualservices", "partner", NAMESPACE)["spec"]["http"][0]
    return [each["weight"] for each in rule["route"]]


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    fixed = {"host": server.url, "api_key": "secret", "name": "partner", "namespace": NAMESPACE, "proof": "none"}
    fixed |= {"wait_timeout": 0, "interval": 0, "watch": 0}

    def run(state: str, stable: str = "v1", canary_: str = "v2", **options: Any) -> dict[str, Any]:
        steps = {"steps": [20, 100]} if state == "advanced" else {}
        return run_module(
            canary.main, {**fixed, "state": state, "stable": stable, "canary": canary_, **steps, **options}
        )

    return run


def test_subsets_of_such_a_host_move_where_that_is_said(server: ApiServer, call: Call) -> None:
    routed(server, subset("v1", 100), subset("v2", 0))
    refused = call("advanced")
    assert f"host {PARTNER} of HTTP route number 1 in VirtualService shop/partner is no Service" in refused["msg"]
    assert "if it is a host of a ServiceEntry, set min_ready: 0 (canary_min_ready)" in refused["msg"]
    assert not server.sent("PATCH")
    assert call("advanced", min_ready=0)["weights"]["after"] == {"v1": 80, "v2": 20}
    assert call("rolled_back")["weights"]["after"] == {"v1": 100, "v2": 0}
    assert weights_of(server) == [100, 0]
    assert "subset v9 is not in DestinationRule shop/partner" in call("advanced", "v1", "v9", min_ready=0)["msg"]


def test_hosts_may_be_the_versions(server: ApiServer, call: Call) -> None:
    old, new = "v1.partner.example", "v2.partner.example"
    routed(server, host(old, 100), host(new, 0))
    assert f"{old}, a version in HTTP route number 1 of VirtualService shop/partner, is no Service" in str(
        call("advanced", old, new)["mistakes"]
    )
    assert call("advanced", old, new, min_ready=0)["weights"]["after"] == {old: 80, new: 20}
    assert weights_of(server) == [80, 20]


def test_the_state_of_a_release_that_has_begun_has_no_problem(server: ApiServer, call: Call, run_module: Call) -> None:
    routed(server, subset("v1", 100), subset("v2", 0))
    options = {"host": server.url, "api_key": "secret", "name": "partner", "namespace": NAMESPACE}
    assert "is no Service" in str(run_module(canary_info.main, options)["problems"])
    call("advanced", min_ready=0)
    assert run_module(canary_info.main, options)["problems"] == []


@pytest.mark.parametrize("apart", [False, True])
def test_pods_that_are_known_count(server: ApiServer, call: Call, apart: bool) -> None:
    """A version of a Service must not get requests without a ready pod."""
    inside = {"destination": {"host": "pong", "subset": "v1"}}, {"destination": {"host": "pong", "subset": "v2"}}
    services = {"destination": {"host": "one"}}, {"destination": {"host": "two"}}
    old, new = services if apart else inside
    routed(server, {**old, "weight": 100}, {**new, "weight": 0})
    result = call("advanced", *(("one", "two") if apart else ("v1", "v2")), min_ready=0)
    first = "one" if apart else "pong"
    assert f"min_ready is 0: it must be at least 1, since shop/{first} is a Service of this cluster" in result["msg"]
    assert not server.sent("PATCH")
