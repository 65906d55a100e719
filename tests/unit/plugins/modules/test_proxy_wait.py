# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy import fleet
from ansible_collections.progressive.istio.plugins.modules import proxy_wait
from loopback_mesh import Envoy, Mesh, istiod, running, sidecar

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        mesh.add(Envoy("one", 80, 20))
        yield mesh


@pytest.fixture
def call(mesh: Mesh, run_module: Call) -> Call:
    fixed = {"host": mesh.url, "api_key": "secret", "namespace": "shop", "gateways": ["gateway"], "wait_timeout": 5}
    fixed |= {"destination_host": "pong", "subsets": ["v1", "v2"]}
    return lambda check=False, **options: run_module(proxy_wait.main, {**fixed, **options}, check)


def test_all_know_the_versions(mesh: Mesh, call: Call) -> None:
    mesh.add(Envoy("two", hosts=0))
    result = call()
    assert result["proxies"] == ["gateway gateways/one", "gateway gateways/two"]
    assert result["msg"] == "every proxy (2 asked) knows subset v1, v2 of pong"
    assert not result["changed"]


def test_a_version_that_a_gateway_does_not_know(call: Call) -> None:
    result = call(subsets=["v1", "v3"], wait_timeout=1)
    assert result["failed"]
    assert "subset v1 of shop/pong, subset v3 of shop/pong cannot be named by a route yet on 1 of 1" in result["msg"]
    assert "gateway gateways/one has no cluster for subset v3 of shop/pong" in result["msg"]


def test_a_version_that_a_gateway_still_leads_to(mesh: Mesh, call: Call) -> None:
    assert "has routes to subset v2" in call(subsets=["v2"], state="absent", wait_timeout=1)["msg"]
    assert call(subsets=["v3"], state="absent")["msg"] == "every proxy (1 asked) has no route to subset v3 of pong"


def test_sidecars_are_asked_where_the_mesh_is_meant(mesh: Mesh, call: Call) -> None:
    mesh.add(sidecar("caller", 80, 20))
    assert call(gateways=["gateway", "mesh"])["proxies"] == ["gateway gateways/one", "sidecar shop/caller"]
    assert call(gateways=["gateway"])["proxies"] == ["gateway gateways/one"]


def test_a_sample_of_the_sidecars_is_reported_in_numbers(mesh: Mesh, call: Call) -> None:
    for number in range(52):
        mesh.add(sidecar(f"caller-{number}", 80, 20))
    assert call(gateways=["mesh"])["msg"] == "every proxy (50 asked, 50 of 52 sidecars) knows subset v1, v2 of pong"


@pytest.mark.parametrize(("caller", "waits"), [("other", False), ("client", True)])
def test_a_silent_sidecar_is_waited_for_if_it_calls(
    mesh: Mesh, call: Call, monkeypatch: pytest.MonkeyPatch, caller: str, waits: bool
) -> None:
    monkeypatch.setattr(fleet, "SILENCE", 0.2)
    mesh.services = {"pong": {"selector": {"app": "pong"}}}
    counted = (
        f'istio_requests_total{{reporter="destination",source_workload="{caller}",source_workload_namespace="web"}} 1'
    )
    mesh.add(sidecar("server", 80, 20, app="pong")).server.answers["/stats/prometheus"] = f"{counted}\n".encode()
    mesh.add(sidecar("silent", 80, 20, namespace="web", workload="client")).broken = "connection refused"
    result = call(gateways=["gateway", "mesh"], wait_timeout=1)
    assert result.get("failed", False) is waits
    assert "sidecar web/silent cannot be read" in (result["msg"] if waits else result["unanswered"][0])


def test_gateways_with_filtered_clusters(mesh: Mesh, call: Call) -> None:
    istiod(mesh, PILOT_FILTER_GATEWAY_CLUSTER_CONFIG="true")
    assert call(subsets=["v3"])["msg"].startswith("istiod sends gateways only what their routes name")
    assert "has routes to subset v2" in call(subsets=["v2"], state="absent", wait_timeout=1)["msg"]


def test_nobody_is_there(mesh: Mesh, call: Call) -> None:
    mesh.pods.clear()
    assert "no ready proxy runs the routes of host pong" in call()["msg"]


def test_a_gateway_that_is_not_there(call: Call) -> None:
    assert "Gateway shop/none, which host pong names, does not exist" in call(gateways=["none"])["msg"]


def test_no_api_server(call: Call) -> None:
    assert "cannot be reached" in call(host="http://127.0.0.1:1")["msg"]


def test_check_mode_asks_no_proxy(mesh: Mesh, call: Call) -> None:
    assert call(check=True, subsets=["v9"])["msg"] == "no proxy is asked in check mode"
    assert mesh.requests == []
