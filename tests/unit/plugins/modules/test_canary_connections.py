# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules on a VirtualService that splits connections, alone or beside requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary, canary_doctor, canary_info, mesh_info
from api_server import ApiServer, Object
from pong_mesh import ANNOTATION, HOST, NAMESPACE, populate

Call = Callable[..., dict[str, Any]]
STEPS = [20, 100]
PROBE = "http://127.0.0.1:1/"
STAY = "follow the weights: open ones keep their version until the proxies close them"


def split(port: int, **more: Any) -> Object:
    entries = [
        {"destination": {"host": HOST, "subset": version, "port": {"number": port}}, "weight": weight}
        for version, weight in (("v1", 100), ("v2", 0))
    ]
    return {"route": entries, **more}


def tls() -> Object:
    return split(9443, match=[{"sniHosts": ["db.example.com"], "port": 9443}])


def routed(server: ApiServer, **spec: Any) -> None:
    populate(server)
    ports = [
        {"name": name, "port": port} for name, port in (("http", 80), ("tcp", 9000), ("tcp-b", 9001), ("tls", 9443))
    ]
    meta = {"name": "pong", "namespace": NAMESPACE}
    server.put("services", {"metadata": meta, "spec": {"selector": {"app": "pong"}, "ports": ports}})
    meta = {"name": "pong", "namespace": NAMESPACE, "resourceVersion": "5"}
    server.put("virtualservices", {"metadata": meta, "spec": {"hosts": ["db.example.com"], **spec}})


def canaries(server: ApiServer) -> dict[str, list[int]]:
    """What the canary has, by protocol."""
    spec = server.get("virtualservices", "pong", NAMESPACE)["spec"]
    return {
        protocol: [rule["route"][1]["weight"] for rule in spec[protocol]]
        for protocol in ("http", "tls", "tcp")
        if protocol in spec
    }


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}
    fixed |= {"stable": "v1", "canary": "v2", "watch": 0, "wait_timeout": 0, "interval": 0}

    def run(state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        steps = {"steps": STEPS} if state == "advanced" else {}
        return run_module(canary.main, {**fixed, "state": state, **steps, **options}, check)

    return run


def test_connections_and_requests_move_in_one_patch(server: ApiServer, call: Call, warned: list[str]) -> None:
    routed(server, http=[{"name": "web", **split(80)}], tls=[tls()], tcp=[split(9000)])
    before = server.get("virtualservices", "pong", NAMESPACE)["spec"]
    result = call("advanced")
    assert not result.get("failed"), result["msg"]
    assert canaries(server) == {"http": [20], "tls": [20], "tcp": [20]}
    assert result["routes"] == ["web", "tls:1", "tcp:1"]
    assert f"only new connections of routes tls:1 and tcp:1 {STAY}" in str(warned)
    assert len(server.sent("PATCH")) == 1
    assert call("rolled_back")["weights"]["after"] == {"v1": 100, "v2": 0}
    assert server.get("virtualservices", "pong", NAMESPACE)["spec"] == before


def test_connections_of_a_follower_move_with_requests_of_the_leader(
    server: ApiServer, call: Call, warned: list[str]
) -> None:
    routed(server, http=[split(80)])
    meta = {"name": "raw", "namespace": NAMESPACE, "resourceVersion": "3"}
    server.put("virtualservices", {"metadata": meta, "spec": {"hosts": ["raw.example.com"], "tcp": [split(9000)]}})
    for weight in STEPS:
        result = call("advanced", virtual_services=[{"name": "raw"}])
        assert not result.get("failed"), result["msg"]
        (rule,) = server.get("virtualservices", "raw", NAMESPACE)["spec"]["tcp"]
        assert (rule["route"][1]["weight"], canaries(server)) == (weight, {"http": [weight]})
    assert f"only new connections of route tcp:1 {STAY}" in str(warned)


def test_a_release_of_connections_alone(server: ApiServer, call: Call, warned: list[str]) -> None:
    routed(server, tcp=[split(9000)])
    first = call("advanced")
    assert first["msg"].startswith("VirtualService shop/pong, route tcp:1: v2: step 1 of 2: from 0 to 20 %")
    assert f"only new connections of route tcp:1 {STAY}" in str(warned)
    assert call("advanced")["phase"] == "promoted"
    assert canaries(server) == {"tcp": [100]}
    warned.clear()
    call("advanced")
    assert STAY not in str(warned)  # nothing moved
    assert call("cleaned", drain=0)["removed"] == "v1"
    (rule,) = server.get("virtualservices", "pong", NAMESPACE)["spec"]["tcp"]
    assert [each["destination"]["subset"] for each in rule["route"]] == ["v2"]


def test_a_release_goes_on_in_the_rules_that_it_was_begun_in(server: ApiServer, call: Call) -> None:
    routed(server, http=[{"name": "web", **split(80)}], tcp=[split(9000), split(9001)])
    call("advanced", routes=["tcp:2"])
    note = json.loads(server.get("virtualservices", "pong", NAMESPACE)["metadata"]["annotations"][ANNOTATION])
    assert note["routes"] == ["tcp:2"]
    call("advanced")
    assert canaries(server) == {"http": [0], "tcp": [0, 100]}
    refused = call("advanced", routes=["tcp:3"])
    assert "has no route tcp:3; its routes: web, tcp:1, tcp:2" in refused["msg"]


def test_the_rules_of_the_mesh_hold_for_them(server: ApiServer, call: Call) -> None:
    routed(server, http=[split(80)], tcp=[split(5432)])
    refused = call("advanced")
    assert "sends route tcp:1 to port 5432 of Service shop/pong, which has 80, 9000, 9001, 9443" in refused["msg"]
    assert not call("advanced", routes=["1"]).get("failed")  # what does not move is not checked


def test_a_rule_with_the_stable_version_alone_is_reported(server: ApiServer, call: Call, warned: list[str]) -> None:
    alone = {"match": [{"port": 9001}], "route": split(9001)["route"][:1]}
    routed(server, tcp=[split(9000), alone])
    call("advanced")
    assert "route tcp:2 of VirtualService shop/pong leads past v2, to v1 alone (port 9001)" in warned


@pytest.mark.parametrize(
    "analysis",
    [
        {},
        {"success": False, "worse_than_stable": False},  # latency is left
        {"success": False, "worse_than_stable": False, "latency": False, "source": "probe", "probe": {"url": PROBE}},
    ],
)
def test_connections_are_not_judged_by_what_only_requests_have(server: ApiServer, call: Call, analysis: Object) -> None:
    routed(server, tcp=[split(9000)])
    refused = call("advanced", analysis=analysis, watch=1, proof="all", interval=1)
    assert refused["failed"]
    assert (
        "analysis counts requests, and there are only connections in route tcp:1 of VirtualService shop/pong: leave it "
        "out, or judge by queries alone, with success, worse_than_stable and latency set to false; the weights stay "
        "v1 100 %, v2 0 %"
    ) in refused["msg"]
    assert not server.sent("PATCH")


def test_the_other_modules_know_such_a_service(server: ApiServer, run_module: Call) -> None:
    routed(server, tcp=[split(9000)])
    fixed = {"host": server.url, "api_key": "secret", "namespace": NAMESPACE}
    told = run_module(canary_info.main, {**fixed, "name": "pong", "stable": "v1", "canary": "v2"})
    assert (told["routes"], told["weights"]) == (["tcp:1"], {"v1": 100, "v2": 0})
    found = run_module(canary_doctor.main, {**fixed, "name": "pong", "stable": "v1", "canary": "v2", "proof": "none"})
    assert "has no canary" not in str(found["problems"])
    assert not run_module(mesh_info.main, fixed).get("failed")
    # The message lists the versions that there are.
    wrong = run_module(canary_doctor.main, {**fixed, "name": "pong", "stable": "v1", "canary": "v9", "proof": "none"})
    assert "set canary_version: v2" in str(wrong["problems"])
