# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move tells of the other ways to a version, and that nothing waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import Answer, ApiServer, Object, Request
from pong_mesh import NAMESPACE, pod, populate, virtual_service, weights_of

Call = Callable[..., list[str]]
MIRROR = "v2 also gets copies by the mirror of HTTP route primary of VirtualService shop/pong"
HEADER = "v2 is also reached by HTTP route number 1 of VirtualService shop/pong (header x-canary)"
ADMIN = "v2 is also reached by HTTP route number 2 of VirtualService other/admin"
CALLERS = (
    "v2 is also reached through Service shop/pong: callers inside the mesh get any of its pods, for no VirtualService "
    "bound to mesh routes it"
)


@pytest.fixture
def call(server: ApiServer, run_module: Callable[..., dict[str, Any]], warned: list[str]) -> Call:
    """What the module warns of."""

    def run(check: bool = False, **options: Any) -> list[str]:
        fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}
        fixed |= {"stable": "v1", "canary": "v2", "wait_timeout": 0}
        warned.clear()
        result = run_module(canary.main, {**fixed, **options}, check)
        assert not result.get("failed"), result["msg"]
        return [each for each in warned if "also" in each or "was not seen" in each]

    return run


@pytest.fixture
def service(server: ApiServer) -> Object:
    """The service behind a gateway, with a mirror, a rule for testers, and one of somebody else's routes."""
    populate(server, (80, 20))
    mesh = virtual_service(80, 20, gateways=["gateway"])
    static, primary = mesh["spec"]["http"]
    to_canary = primary["route"][1]["destination"]
    header = {"match": [{"headers": {"x-canary": {"exact": "1"}}}], "route": [{"destination": to_canary}]}
    mesh["spec"]["http"] = [header, {**primary, "mirror": to_canary}]
    other = virtual_service(gateways=["gateway"], versions=())
    other["metadata"] |= {"name": "admin", "namespace": "other"}
    other["spec"]["http"] = [static, {"route": [{"destination": {"host": "pong.shop.svc.cluster.local"}}]}]
    server.put("virtualservices", other)
    return server.put("virtualservices", mesh)


@pytest.fixture(autouse=True)
def gateway(server: ApiServer) -> None:
    """The Gateway, with a pod that serves it."""
    meta = {"name": "ingress-1", "namespace": "gateways", "labels": {"istio": "gateway"}, "uid": "ingress-1"}
    containers = [{"name": "istio-proxy", "args": ["proxy", "router"]}]
    server.put("pods", {**pod("v9"), "metadata": meta, "spec": {"containers": containers}})
    servers = [{"port": {"number": 80}, "hosts": ["*"]}]
    spec = {"selector": {"istio": "gateway"}, "servers": servers}
    server.put("gateways", {"metadata": {"name": "gateway", "namespace": NAMESPACE}, "spec": spec})


def caller(server: ApiServer) -> None:
    """A pod with a sidecar that belongs to somebody else."""
    thing = pod("v9")
    labels = {"app": "shopfront", "security.istio.io/tlsMode": "istio"}
    containers = [{"name": "shopfront"}, {"name": "istio-proxy", "args": ["proxy", "sidecar"]}]
    meta = {"name": "shopfront", "namespace": "other", "labels": labels, "uid": "shopfront"}
    server.put("pods", {**thing, "metadata": meta, "spec": {"containers": containers}})


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("options", [{"weight": 30}, {"state": "rolled_back"}], ids=["move", "rollback"])
def test_a_move_tells_how_else_the_canary_is_reached(
    call: Call, service: Object, options: dict[str, Any], check: bool
) -> None:
    assert call(check, **options, skip_checks=["one_route_per_gateway_host"]) == [HEADER, MIRROR, ADMIN]
    assert call(check, state="held") == [], "nothing moved"


def test_callers_inside_the_mesh_are_told_of_where_there_are_some(call: Call, server: ApiServer) -> None:
    populate(server, (80, 20))
    server.put("virtualservices", virtual_service(80, 20, gateways=["gateway"]))
    assert call(weight=30) == []
    caller(server)
    assert call(weight=40) == [CALLERS]
    assert call(weight=50, skip_checks=["callers_routed"]) == []
    assert call(state="rolled_back") == [CALLERS]


def test_who_may_not_see_all_is_told_what_may_be_seen(call: Call, server: ApiServer, service: Object) -> None:
    server.before = lambda _number, request: (
        Answer(403, "Forbidden", "not yours")
        if request.path.endswith(("v1/virtualservices", "api/v1/pods")) and request.method == "GET"
        else None
    )
    assert call(state="rolled_back") == [HEADER, MIRROR, CALLERS]


def test_who_may_see_nothing_else_is_told_what_the_route_itself_says(
    call: Call, server: ApiServer, service: Object
) -> None:
    own = f"namespaces/{NAMESPACE}/virtualservices/pong"
    server.before = lambda _number, request: (
        None if request.path.endswith(own) else Answer(403, "Forbidden", "not yours")
    )
    header, mirror, blind = call(state="rolled_back")
    assert (header, mirror) == (HEADER, MIRROR)
    assert blind.startswith("whether requests reach a version by another way was not seen: ")
    assert "Forbidden" in blind


def test_a_rollback_is_written_before_anything_of_it_is_read(call: Call, server: ApiServer, service: Object) -> None:
    caller(server)
    seen: list[str] = []

    def before(_number: int, request: Request) -> Answer | None:
        seen.append(f"{request.method} {request.path.rpartition('/v1/')[2]}")
        down = request.method == "GET" and "PATCH namespaces/shop/virtualservices/pong" in seen
        return Answer(500, "InternalError", "down") if down else None

    server.before = before
    (blind,) = call(state="rolled_back")
    assert blind.startswith("whether requests reach a version by another way was not seen: ")
    assert weights_of(server) == {"v1": 100, "v2": 0}
    assert "GET virtualservices" not in seen[: seen.index("PATCH namespaces/shop/virtualservices/pong")]
