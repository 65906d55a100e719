# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._estate import services
from ansible_collections.progressive.istio.plugins.module_utils._estate.connections import Connection
from ansible_collections.progressive.istio.plugins.module_utils._estate.reader import Estate, read_all
from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import subsets_of
from api_server import Answer, ApiServer, Request
from estate_routes import routes, rule, subsets

NEW = {"v1": 100, "v2": 0}
FORBIDDEN = 'virtualservices is forbidden: User "reader" cannot list resource'


@pytest.fixture(autouse=True)
def environment(server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The way to the server, as AWX gives it."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("K8S_AUTH_HOST", server.url)
    monkeypatch.setenv("K8S_AUTH_API_KEY", "secret")
    server.put("virtualservices", routes(rule(NEW)))
    server.put("virtualservices", routes(rule(NEW), namespace="payments"))
    server.put("destinationrules", subsets("v1", "v2"))


def kubeconfig(folder: Path, server: str, *contexts: str) -> str:
    """The path of one whose current context is the first."""
    file = folder / "config"
    file.write_text(
        json.dumps(
            {
                "current-context": contexts[0],
                "contexts": [{"name": each, "context": {"cluster": "c", "user": "u"}} for each in contexts],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return str(file)


def one(**given: Any) -> Estate:
    (estate,) = read_all([Connection(**given)])
    return estate


def names(estate: Estate) -> list[str]:
    return [host.name for host in estate.hosts]


def test_the_cluster_of_the_environment(server):
    estate = one()
    assert names(estate) == ["checkout.payments", "checkout.shop", "files.shop", "pong.shop"]
    assert (estate.error, estate.warnings) == ("", ())
    assert "canary_context" not in estate.hosts[0].variables
    assert [request.path.rsplit("/", 1)[1] for request in server.requests] == ["virtualservices", "destinationrules"]
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


def test_namespaces_are_read_one_by_one(server):
    estate = one(namespaces=("payments", "shop", "payments"))
    assert names(estate) == ["checkout.payments", "checkout.shop", "files.shop", "pong.shop"]
    assert len(server.requests) == 4
    assert all("/namespaces/" in request.path for request in server.requests)


def test_a_namespace_without_a_virtual_service_is_pointed_out():
    estate = one(namespaces=("shop", "shpo"))
    (warning,) = estate.warnings
    assert "namespace shpo in" in warning
    assert "has no VirtualService: correct" in warning


def test_labels_are_those_of_virtual_services(server):
    labelled = routes(rule(NEW), name="own")
    labelled["metadata"]["labels"] = {"team": "b", "tier": "1"}
    server.put("virtualservices", labelled)
    assert names(one(label_selectors=("team=b", "tier=1"))) == ["checkout.shop"]
    assert [request.query.get("labelSelector") for request in server.requests] == ["team=b,tier=1", None]


def test_the_context_is_set_where_the_kubeconfig_names_it(server, monkeypatch, tmp_path):
    for name in ("K8S_AUTH_HOST", "K8S_AUTH_API_KEY"):
        monkeypatch.delenv(name)
    file = kubeconfig(tmp_path, server.url, "eu", "us")
    (host, *_rest) = one(kubeconfig=file, context="us").hosts
    assert (host.variables["canary_context"], host.variables["canary_kubeconfig"]) == ("us", file)
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", file)
    (host, *_rest) = one().hosts
    assert host.variables["canary_context"] == "eu", "a later change of the current context must not redirect a run"
    assert "canary_kubeconfig" not in host.variables
    monkeypatch.setenv("K8S_AUTH_CONTEXT", "us")
    assert one().hosts[0].variables["canary_context"] == "us"


def test_several_clusters(server, tmp_path, monkeypatch):
    for name in ("K8S_AUTH_HOST", "K8S_AUTH_API_KEY"):
        monkeypatch.delenv(name)
    file = kubeconfig(tmp_path, server.url, "eu", "us")
    some = {"kubeconfig": file, "label_selectors": ("team=pay",), "namespaces": ("payments",)}
    estates = read_all([Connection(context="eu", **some), Connection("asia", context="us", **some)])
    assert [names(each) for each in estates] == [["checkout.payments@eu"], ["checkout.payments@asia"]]
    assert [each.hosts[0].groups[2] for each in estates] == ["cluster_eu", "cluster_asia"]


@pytest.mark.parametrize("plural", ["virtualservices", "destinationrules"])
@pytest.mark.parametrize(
    ("namespaces", "remedy"),
    [
        ((), "in all namespaces, or set `namespaces` to those where it has it"),
        (("shop",), "in namespace shop, or remove it from `namespaces`"),
    ],
)
def test_a_missing_right(server, plural, namespaces, remedy):
    def refuse(_number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", FORBIDDEN) if plural in request.path else None

    server.before = refuse
    estate = one(namespaces=namespaces)
    assert estate.hosts == ()
    assert FORBIDDEN in estate.error
    assert f"in {server.url} was refused" in estate.error
    assert estate.error.endswith(
        f"grant the account `list` on virtualservices and destinationrules (networking.istio.io) {remedy}"
    )


def test_no_way_to_a_cluster_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.delenv("K8S_AUTH_HOST")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "no way to a cluster" in one().error
    assert "no context us" in one(kubeconfig=kubeconfig(tmp_path, "http://127.0.0.1:1", "eu"), context="us").error


def test_five_hundred_virtual_services_take_four_requests_and_one_look_at_each(server, monkeypatch):
    """So that the time grows with their number and not with its square."""
    for number in range(500):
        host = f"service-{number}"
        server.put("virtualservices", routes(rule(NEW, host=host), name=host, namespace="many"))
        server.put("destinationrules", subsets("v1", "v2", host=host, name=host, namespace="many"))
    seen: list[Any] = []

    def counting(host: str, namespace: str, rules: list[Any]) -> Any:
        seen.extend(rules)
        return subsets_of(host, namespace, rules)

    monkeypatch.setattr(services, "subsets_of", counting)
    estate = one()
    assert len(names(estate)) == 504
    assert len(server.requests) <= 4
    assert len(seen) == 502
