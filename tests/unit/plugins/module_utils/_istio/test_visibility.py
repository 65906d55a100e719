# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.visibility import EXPORT_TO, visibility_of
from rule_ids import http

FULL = "checkout.shop.svc.cluster.local"


def route(
    hosts: Sequence[str] = ("checkout",),
    export_to: Sequence[str] = (),
    match: Sequence[Mapping[str, Any]] = (),
    leads_to: Sequence[str] = ("checkout", FULL),
) -> dict[str, Any]:
    rule: dict[str, Any] = {"route": [{"destination": {"host": host}} for host in leads_to]}
    if match:
        rule["match"] = list(match)
    spec = {"hosts": list(hosts), "exportTo": list(export_to), "http": [{"route": []}, rule]}
    return {"metadata": {"name": "checkout-routes", "namespace": "shop"}, "spec": spec}


def pod(namespace: str = "web", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "client", "namespace": namespace, "labels": labels}}


def service(name: str, export_to: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "annotations": {EXPORT_TO: export_to}}}


def sidecar(namespace: str, *hosts: str, born: str = "2026-01-01T00:00:00Z", **selector: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"egress": [{"hosts": list(hosts)}]} if hosts else {}
    if selector:
        spec["workloadSelector"] = {"labels": selector}
    return {"metadata": {"name": "one", "namespace": namespace, "creationTimestamp": born}, "spec": spec}


def reaches(
    virtual_service: Mapping[str, Any],
    asked: Mapping[str, Any] | None = None,
    services: Sequence[Mapping[str, Any]] = (),
    sidecars: Sequence[Mapping[str, Any]] = (),
) -> bool:
    return visibility_of(virtual_service, http(1)).reaches(asked or pod(), services, sidecars)


def test_of_several_rules_one_without_sources_is_enough() -> None:
    rules = [
        {"match": [{"sourceLabels": {"app": "other"}}], "route": [{"destination": {"host": "pong"}}]},
        {"route": [{"destination": {"host": "pong"}}]},
    ]
    service = {"metadata": {"namespace": "shop", "name": "pong"}, "spec": {"hosts": ["pong"], "http": rules}}
    assert not visibility_of(service, http(0)).reaches(pod(), [], [])
    assert visibility_of(service, http(0, 1)).reaches(pod(), [], [])


@pytest.mark.parametrize(
    ("export_to", "seen"),
    [
        ([], True),  # what the mesh's default is cannot be known
        (["*"], True),
        (["."], False),
        (["shop"], False),
        (["web"], True),
        ([".", "web"], True),
        (["~"], False),
        (["~", "*"], True),
        (["~", "web"], False),
    ],
)
def test_to_whom_a_virtual_service_is_exported(export_to: list[str], seen: bool) -> None:
    assert reaches(route(export_to=export_to)) is seen
    assert reaches(route(export_to=["."]), pod("shop"))


@pytest.mark.parametrize(
    ("leads_to", "services", "seen"),
    [
        (["checkout", FULL], [service("checkout", ".")], False),
        (["checkout"], [service("checkout", "~")], False),
        (["checkout"], [service("checkout", "bank , web")], True),
        (["checkout"], [service("checkout", "")], True),
        (["checkout"], [service("other", ".")], True),
        (["checkout", "other"], [service("checkout", ".")], True),  # nothing is known of the other Service
        (["checkout", "other"], [service("checkout", "."), service("other", ".")], False),
        (["checkout", "shop.example.com"], [service("checkout", ".")], True),
    ],
)
def test_to_whom_the_services_are_exported(leads_to: list[str], services: list[dict[str, Any]], seen: bool) -> None:
    assert reaches(route(leads_to=leads_to), services=services) is seen


@pytest.mark.parametrize(
    ("match", "seen"),
    [
        ([{"uri": {"prefix": "/"}}], True),
        ([{"sourceNamespace": "web"}], True),
        ([{"sourceNamespace": "bank"}], False),
        ([{"sourceLabels": {"app": "client"}}], True),
        ([{"sourceLabels": {"app": "other"}}], False),
        ([{"sourceLabels": {"topology.istio.io/network": "one"}}], True),  # istiod adds it to those of the pod
        ([{"sourceLabels": {"app": "client"}, "sourceNamespace": "bank"}], False),
        ([{"sourceNamespace": "bank"}, {"sourceNamespace": "web"}], True),
        ([{"gateways": ["shop/entry"]}], False),
        ([{"gateways": ["shop/entry"]}, {"sourceNamespace": "bank"}], False),
        ([{"gateways": ["mesh"], "sourceNamespace": "bank"}], True),  # then istiod does not look at the sources
    ],
)
def test_for_whom_the_matches_are(match: list[dict[str, Any]], seen: bool) -> None:
    assert reaches(route(match=match), pod(app="client")) is seen


@pytest.mark.parametrize(
    ("hosts", "imported", "seen"),
    [
        (["checkout"], ["*/*"], True),
        (["checkout"], ["./*", "istio-system/*"], False),
        (["checkout"], ["shop/*"], True),
        (["checkout"], ["bank/*"], False),
        (["checkout"], ["~/*"], False),
        (["checkout"], [f"shop/{FULL}"], True),
        (["checkout"], [f"*/{FULL}"], True),
        (["checkout"], ["shop/other.shop.svc.cluster.local"], False),
        (["checkout"], ["shop/*.shop.svc.cluster.local"], True),
        (["checkout"], ["shop/*.bank.svc.cluster.local"], False),
        (["checkout"], ["shop/checkout.shop.svc.example.org"], True),  # another domain of the cluster
        (["checkout"], ["shop/*.local"], True),
        ([FULL], [f"shop/{FULL}"], True),
        (["*.shop.test"], ["shop/one.shop.test"], True),
        (["one.shop.test"], ["shop/*.test"], True),
        (["one.shop.test", "checkout"], ["shop/two.shop.test"], False),
        (["*"], ["shop/anything.at.all"], True),
    ],
)
def test_what_a_sidecar_resource_imports(hosts: list[str], imported: list[str], seen: bool) -> None:
    assert reaches(route(hosts=hosts), sidecars=[sidecar("web", *imported)]) is seen


def test_the_own_namespace_in_a_sidecar_resource() -> None:
    assert reaches(route(), pod("shop"), sidecars=[sidecar("shop", "./*")])
    assert reaches(route(), pod("shop"), sidecars=[sidecar("istio-system", "./*")])
    assert not reaches(route(), pod("web"), sidecars=[sidecar("istio-system", "./*")])


def test_which_sidecar_resource_counts() -> None:
    all_of_them, none = sidecar("web", "*/*"), sidecar("web", "./*", born="2026-01-02T00:00:00Z")
    assert reaches(route(), sidecars=[none, all_of_them])  # the oldest
    assert not reaches(
        route(), sidecars=[all_of_them, sidecar("web", "./*", born="2027-01-01T00:00:00Z", app="a")], asked=pod(app="a")
    )
    assert reaches(route(), sidecars=[all_of_them, sidecar("web", "./*", app="a")], asked=pod(app="b"))
    assert reaches(route(), sidecars=[all_of_them, sidecar("istio-system", "./*")])
    assert reaches(route(), sidecars=[sidecar("bank", "./*")])
    assert reaches(route(), sidecars=[sidecar("istio-system", "./*", app="client")], asked=pod(app="client"))
    assert reaches(route(), sidecars=[sidecar("web"), sidecar("istio-system", "./*")])  # one without egress imports all
