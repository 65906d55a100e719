# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canary` on a VirtualService that another one delegates to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import Answer, ApiServer, Request
from pong_mesh import NAMESPACE, weights_of

Call = Callable[..., dict[str, Any]]
ROOT = {
    "metadata": {"name": "front", "namespace": "web", "resourceVersion": "3"},
    "spec": {
        "hosts": ["shop.example.com"],
        "gateways": ["main"],
        "http": [{"name": "shop", "delegate": {"name": "pong", "namespace": NAMESPACE}}],
    },
}


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    leaf = server.get("virtualservices", "pong", NAMESPACE)
    del leaf["spec"]["hosts"]
    server.put("virtualservices", leaf)
    server.put("virtualservices", ROOT)
    gateway = {"selector": {"istio": "main"}, "servers": [{"port": {"number": 80}, "hosts": ["*"]}]}
    server.put("gateways", {"metadata": {"name": "main", "namespace": "web"}, "spec": gateway})
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}
    fixed |= {"stable": "v1", "canary": "v2", "wait_timeout": 0, "interval": 0, "watch": 0}
    return lambda check=False, **options: run_module(canary.main, {**fixed, **options}, check)


@pytest.mark.parametrize("skip", [[], ["one_route_per_gateway_host"]])
def test_it_is_moved_itself_and_bound_to_the_gateways_of_its_root(
    server: ApiServer, call: Call, skip: list[str]
) -> None:
    result = call(state="weighted", weight=20, skip_checks=skip)
    assert not result.get("failed"), result["msg"]
    assert (result["gateways"], weights_of(server)) == (["web/main"], {"v1": 80, "v2": 20})
    assert server.get("virtualservices", "front", "web")["spec"] == ROOT["spec"]
    assert call(state="rolled_back")["gateways"] == ["web/main"]


def test_with_the_right_to_one_namespace_its_root_there_is_found(server: ApiServer, call: Call) -> None:
    server.put("virtualservices", {**ROOT, "metadata": {**ROOT["metadata"], "namespace": NAMESPACE}})

    def forbid(_number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", "no") if request.path.endswith("/v1/virtualservices") else None

    server.before = forbid
    result = call(state="weighted", weight=20)
    assert (result["gateways"], result["changed"]) == ([f"{NAMESPACE}/main"], True)


def test_the_root_names_what_to_name_in_its_place(call: Call) -> None:
    message = call(state="weighted", weight=20, name="front", namespace="web")["msg"]
    assert "it has the delegate pong of namespace shop, a VirtualService to name in its place" in message
