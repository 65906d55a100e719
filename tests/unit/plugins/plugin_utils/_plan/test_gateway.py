# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import gateway as planned
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY, NotOurs

INGRESS = {"istio": "ingressgateway"}


def server(name: str, number: int, hosts: list[str], protocol: str = "HTTP") -> dict[str, Any]:
    return {"port": {"number": number, "name": name, "protocol": protocol}, "hosts": hosts}


def gateway(*servers: dict[str, Any], selector: dict[str, str] | None = None) -> dict[str, Any]:
    metadata = {
        "name": "pong-gateway",
        "namespace": "shop",
        "resourceVersion": "7",
        "labels": {"team": "blue"} | MANAGED_BY,
    }
    return {"metadata": metadata, "spec": {"selector": selector or INGRESS, "servers": list(servers)}}


def plan(*objects: dict[str, Any], hosts: list[str] | None = None, api_found: bool = True) -> dict[str, Any]:
    found = {"api_found": api_found, "resources": list(objects)}
    return planned.plan(
        found, name="pong-gateway", namespace="shop", selector=INGRESS, port=80, hosts=hosts or ["pong.example.com"]
    )


def test_a_new_gateway_is_whole_and_says_who_made_it() -> None:
    definition = plan()["definition"]
    assert definition["spec"] == {"selector": INGRESS, "servers": [server("http", 80, ["pong.example.com"])]}
    assert definition["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "progressive.istio"}


@pytest.mark.parametrize(
    "hosts",
    [["pong.example.com"], ["*"], ["./pong.example.com", "other.example.com"]],
    ids=["the same", "wildcard", "with a namespace"],
)
def test_hosts_that_are_there_need_no_write(hosts: list[str]) -> None:
    assert plan(gateway(server("web", 80, hosts))) == {"definition": None}


def test_a_missing_host_joins_the_server_of_its_port() -> None:
    https = server("https", 443, ["*"], "HTTPS")
    definition = plan(gateway(https, server("web", 80, ["a.example.com"])))["definition"]
    assert definition["spec"] == {"servers": [https, server("web", 80, ["a.example.com", "pong.example.com"])]}
    assert definition["metadata"] == {"name": "pong-gateway", "namespace": "shop", "resourceVersion": "7"}


@pytest.mark.parametrize(("taken", "name"), [("https", "http"), ("http", "http-80")])
def test_a_missing_port_gets_a_server_with_a_free_name(taken: str, name: str) -> None:
    definition = plan(gateway(server(taken, 443, ["*"], "HTTPS")))["definition"]
    assert definition["spec"]["servers"][1] == server(name, 80, ["pong.example.com"])


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (gateway(selector={"istio": "other"}), "it runs on the pods with istio=other, not istio=ingressgateway"),
        (gateway(server("tcp", 80, ["*"], "TCP")), "its port 80 speaks TCP, not HTTP"),
    ],
)
def test_what_cannot_be_shared_is_refused(current: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotOurs, match=re.escape(f"Gateway shop/pong-gateway: {reason}")):
        plan(current)


def test_a_cluster_without_istio_is_named() -> None:
    with pytest.raises(NotOurs, match=r"is Istio 1[.]22 or newer installed"):
        plan(api_found=False)
