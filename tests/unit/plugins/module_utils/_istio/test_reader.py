# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus
from ansible_collections.progressive.istio.plugins.module_utils._istio.reader import read, read_own
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect
from ansible_collections.progressive.istio.plugins.module_utils._preflight.checks import needs

ISTIO = "/apis/networking.istio.io/v1"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
FOCUS = Focus("shop", "pong")


def thing(name: str, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "labels": {}}, "spec": spec, "status": {}}


def listing(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {}, "items": list(objects)}


def cluster() -> dict[str, Any]:
    """A route in shop to a Service in back, through a Gateway in edge, and a rival in other."""
    route = [{"destination": {"host": "pong.back.svc.cluster.local"}}]
    service = {"namespace": "istio-system", "name": "istiod"}
    hooks = [
        {"name": "namespace.sidecar-injector.istio.io", "clientConfig": {"service": service}},
        {"name": "inject.example", "clientConfig": {"service": {"namespace": "elsewhere", "name": "x"}}},
        {"name": "outside.sidecar-injector.istio.io", "clientConfig": {"url": "https://x"}},
    ]
    return {
        f"{ISTIO}/virtualservices": listing(
            thing("pong", hosts=["*"], gateways=["edge/gw"], http=[{"route": route}]),
            thing("rival", "other", gateways=["gw"], http=[{"route": [{"destination": {"host": "x"}}]}]),
        ),
        f"{ISTIO}/destinationrules": listing(thing("pong", "back")),
        f"{ISTIO}/gateways": listing(
            thing("gw", "edge", selector={"istio": "ingressgateway", "app": "gw"}),
            thing("gw", "other", selector={"a": "b"}),
        ),
        f"{ISTIO}/serviceentries": listing(thing("out")),
        "/api/v1/services": listing(thing("pong", "back")),
        f"{WEBHOOKS}/mutatingwebhookconfigurations": listing({"metadata": {"name": "injector"}, "webhooks": hooks}),
        f"{WEBHOOKS}/validatingwebhookconfigurations": listing({"metadata": {"name": "validator"}}),
        "/api/v1/namespaces/shop": {"metadata": {"name": "shop"}},
        "/api/v1/namespaces/back": {"metadata": {"name": "back"}},
        "/apis/apps/v1/namespaces/back/deployments": listing(thing("pong-v1", "back")),
        "/api/v1/namespaces/back/pods": listing(thing("pong-v1-a", "back"), thing("pong-v2-a", "back")),
        "/api/v1/namespaces/istio-system/pods": listing(thing("istiod-a", "istio-system")),
        "/api/v1/pods": listing(thing("gw-a", "edge")),
    }


def names(objects: tuple[Any, ...]) -> list[str]:
    return sorted(each["metadata"]["name"] for each in objects)


def test_reads_what_the_routes_depend_on(fixed_api: Any) -> None:
    fixed_api.answers = cluster()
    mesh = read(connect(fixed_api.access), FOCUS, needs())
    assert {field: names(getattr(mesh, field)) for field in needs()} == {
        "virtual_services": ["pong", "rival"],
        "destination_rules": ["pong"],
        "gateways": ["gw", "gw"],
        "service_entries": ["out"],
        "services": ["pong"],
        "mutating_webhooks": ["injector"],
        "validating_webhooks": ["validator"],
        "namespaces": ["back", "shop"],
        "deployments": ["pong-v1"],
        "pods": ["pong-v1-a", "pong-v2-a"],
        "proxies": ["gw-a"],
        "injectors": ["istiod-a"],
        "sidecars": ["gw-a"],
    }
    assert (mesh.focus, mesh.unread) == (FOCUS, {})


def test_asks_each_thing_once(fixed_api: Any) -> None:
    fixed_api.answers = cluster()
    read(connect(fixed_api.access), FOCUS, needs())
    assert sorted(path.split("?")[0] for path in fixed_api.asked) == sorted([*cluster(), "/api/v1/pods"])
    sidecars, proxies = [path for path in fixed_api.asked if path.startswith("/api/v1/pods?")]
    assert "labelSelector=app%3Dgw%2Cistio%3Dingressgateway" in proxies
    assert "limit=200&labelSelector=security.istio.io%2FtlsMode%3Distio" in sidecars


def test_reads_only_what_is_needed(fixed_api: Any) -> None:
    fixed_api.answers = cluster()
    mesh = read(connect(fixed_api.access), FOCUS, {"virtual_services", "pods"})
    assert sorted(path.split("?")[0] for path in fixed_api.asked) == [
        "/api/v1/namespaces/back/pods",
        f"{ISTIO}/virtualservices",
    ]
    assert (mesh.gateways, names(mesh.pods)) == ((), ["pong-v1-a", "pong-v2-a"])


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"{ISTIO}/gateways", "gateways"),
        ("/api/v1/namespaces/back/pods", "pods"),
        ("/api/v1/pods", "proxies"),
        ("/api/v1/namespaces/shop", "namespaces"),
    ],
)
def test_notes_what_may_not_be_read(fixed_api: Any, path: str, field: str) -> None:
    fixed_api.answers = {**cluster(), path: 403}
    mesh = read(connect(fixed_api.access), FOCUS, needs())
    assert list(mesh.unread) == (["sidecars", field] if path == "/api/v1/pods" else [field])
    assert f"{path} Forbidden" in mesh.unread[field]


def test_a_namespace_that_is_not_there_is_no_object(fixed_api: Any) -> None:
    fixed_api.answers = {**cluster(), "/api/v1/namespaces/shop": 404}
    assert names(read(connect(fixed_api.access), FOCUS, needs()).namespaces) == ["back"]


@pytest.mark.parametrize(
    ("plural", "status", "words"),
    [("gateways", 404, "gateways NotFound"), ("virtualservices", 403, "virtualservices Forbidden")],
)
def test_every_other_failure_is_raised(fixed_api: Any, plural: str, status: int, words: str) -> None:
    fixed_api.answers = {**cluster(), f"{ISTIO}/{plural}": status}
    with pytest.raises(ClusterError, match=words):
        read(connect(fixed_api.access), FOCUS, needs())


def test_the_own_namespace_alone(fixed_api: Any) -> None:
    own = {f"{ISTIO}/namespaces/shop/virtualservices/pong": thing("pong", hosts=["*"])}
    own |= {f"{ISTIO}/namespaces/shop/destinationrules": listing(thing("pong"))}
    own |= {"/apis/apps/v1/namespaces/shop/deployments": listing(), "/api/v1/namespaces/shop/services": 403}
    fixed_api.answers = {**own, "/api/v1/namespaces/shop/pods": listing(thing("pong-v1-a"))}
    mesh = read_own(connect(fixed_api.access), FOCUS, "LIST was refused")
    assert (names(mesh.virtual_services), names(mesh.destination_rules), names(mesh.pods)) == (
        ["pong"],
        ["pong"],
        ["pong-v1-a"],
    )
    assert "services Forbidden" in mesh.unread["services"]
    assert mesh.unread["gateways"] == mesh.unread["namespaces"] == "LIST was refused"
    assert not {"virtual_services", "destination_rules", "deployments", "pods"} & mesh.unread.keys()


def test_nothing_in_focus_needs_nothing_behind(fixed_api: Any) -> None:
    fixed_api.answers = cluster()
    mesh = read(connect(fixed_api.access), Focus("shop", "nix"), needs())
    assert (names(mesh.pods), names(mesh.proxies), names(mesh.namespaces)) == ([], [], ["shop"])
