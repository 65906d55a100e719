# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect
from ansible_collections.progressive.istio.plugins.module_utils._proxy.sync_status import (
    SyncStatus,
    fetch_status,
    parse_status,
)
from loopback_mesh import Mesh, Pod, running

TYPES = {
    "route": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "cluster": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
}


def proxy(name: str = "one.edge", errors: dict[str, str] | None = None, **nonces: str) -> dict[str, Any]:
    """An entry of /debug/syncz as istiod 1.31 gives it."""
    resources = {TYPES[kind]: {"sent": "n", "acked": "m", "lastError": text} for kind, text in (errors or {}).items()}
    return {"proxy": name, "cluster_sent": "a", "cluster_acked": "a", "resources": resources, **nonces}


def answer(*proxies: dict[str, Any]) -> bytes:
    return json.dumps(proxies).encode()


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([answer(proxy())], "it has accepted everything that istiod sent"),
        (
            [answer(proxy(route_sent="b", route_acked="a"))],
            "it has not accepted the routes that istiod sent; if that lasts, see its log",
        ),
        (
            [answer(proxy(route_sent="b"))],
            "it has not accepted the routes that istiod sent; if that lasts, see its log",
        ),
        (
            [answer(proxy(errors={"route": "no such\n command"}, route_sent="b", route_acked="a"))],
            "it rejects the routes that istiod sent: no such command; correct what it names",
        ),
        ([answer(proxy("two.edge"))], "it is connected to no istiod"),
        ([answer(proxy("one.other"))], "it is connected to no istiod"),
        ([b"[]", b"null", answer(proxy())], "it has accepted everything that istiod sent"),
    ],
)
def test_why_a_proxy_lags(answers: list[bytes], why: str) -> None:
    found = parse_status(answers)
    assert found.why("edge", "one") == why
    assert found.rejects("edge", "one") is why.startswith("it rejects")


def test_the_reason_at_the_end_of_a_long_rejection_is_kept() -> None:
    error = f"Error adding outbound|80||a: {'field ' * 400}: no such TLS version"
    why = parse_status([answer(proxy(errors={"cluster": error}))]).why("edge", "one")
    assert why.startswith("it rejects the clusters that istiod sent: Error adding outbound|80||a: field ")
    assert why.endswith(" field : no such TLS version; correct what it names")
    assert " ... " in why
    assert len(why) < 700


def test_an_account_with_a_gap() -> None:
    found = parse_status([answer(proxy("two.edge"))], missing="istiod-b could not be asked")
    assert found.why("edge", "two") == "it has accepted everything that istiod sent"
    assert found.why("edge", "one") == "istiod-b could not be asked"


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        yield mesh


def istiod(name: str = "istiod-1", **fields: Any) -> Pod:
    return Pod(name, "istio-system", labels={"app": "istiod"}, **fields)


def asked(mesh: Mesh) -> SyncStatus:
    return fetch_status(connect({"host": mesh.url, "api_key": "secret"}))


def test_every_istiod_is_asked(mesh: Mesh) -> None:
    mesh.add(istiod(answers={"/debug/syncz": answer(proxy())}))
    mesh.add(istiod("istiod-2", answers={"/debug/syncz": answer(proxy("two.edge", errors={"route": "bad"}))}))
    mesh.add(istiod("istiod-3", ready=False))
    found = asked(mesh)
    assert (found.known, found.rejected.keys(), found.missing) == ({"one.edge", "two.edge"}, {"two.edge"}, "")
    assert not found.scoped


def test_an_istiod_that_may_not_be_asked(mesh: Mesh) -> None:
    mesh.add(istiod(refusal=(403, "pods is forbidden")))
    mesh.add(istiod("istiod-2", answers={"/debug/syncz": answer(proxy("two.edge"))}))
    found = asked(mesh)
    assert found.known == {"two.edge"}
    assert "pods is forbidden" in found.why("edge", "one")
    assert "namespace istio-system" in found.why("edge", "one")


def test_an_istiod_that_is_not_ready(mesh: Mesh) -> None:
    mesh.add(istiod(ready=False))
    assert asked(mesh).why("edge", "one") == "istiod is down: pod istiod-1 is not ready; once it is back, run again"


def test_no_istiod_at_all(mesh: Mesh) -> None:
    assert asked(mesh).why("edge", "one") == (
        "istiod is down: no pod is labelled app=istiod; once it is back, run again"
    )


@pytest.mark.parametrize(("value", "scoped"), [("true", True), ("TRUE", True), ("false", False), ("", False)])
def test_whether_gateways_are_scoped_to_their_namespace(mesh: Mesh, value: str, scoped: bool) -> None:
    mesh.add(istiod(env={"PILOT_SCOPE_GATEWAY_TO_NAMESPACE": value}, answers={"/debug/syncz": b"[]"}))
    assert asked(mesh).scoped is scoped
