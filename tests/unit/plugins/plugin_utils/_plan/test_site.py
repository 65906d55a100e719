# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a service cannot be set up, because objects of others would change."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import app_version, injection, site
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY

HOST = "cart.shop.svc.cluster.local"
SETTINGS: dict[str, Any] = {
    "app": "cart",
    "namespace": "shop",
    "stable_version": "blue",
    "version": "green",
    "service": "cart",
    "versions": {"blue": {"deployment": "cart-live"}, "green": None},
    "injection": "sidecar",
    "revision": "",
    "host": HOST,
    "port": 80,
    "gateway": "cart-entry",
    "gateway_port": 80,
    "gateway_hosts": ["cart.test"],
    "ingress_selector": {"istio": "ingressgateway"},
    "destination_rule": "cart",
    "virtual_service": "cart-routes",
    "route": "primary",
    "image": "registry.test/cart",
    "container_port": 8080,
}
SUBSETS = [{"name": name, "labels": {"version": name}} for name in ("blue", "green")]
ROUTE = [
    {"destination": {"host": HOST, "subset": name}, "weight": weight} for name, weight in (("blue", 90), ("green", 10))
]
SPECS: dict[str, dict[str, Any]] = {
    "Service": {"selector": {"app": "cart"}},
    "Deployment": {"selector": {"matchLabels": {"app": "cart"}}},
    "DestinationRule": {"host": HOST, "subsets": SUBSETS},
    "Gateway": {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["cart.test"]}],
    },
    "VirtualService": {
        "hosts": ["cart.test"],
        "gateways": ["cart-entry"],
        "http": [{"name": "primary", "route": ROUTE}],
    },
}
NAMES = {"Service": ["cart"], "Deployment": ["cart-live", "cart-green"], "DestinationRule": ["cart"]}
NAMES |= {"Gateway": ["cart-entry"], "VirtualService": ["cart-routes"]}


def cluster(labels: dict[str, str] | None = None, **specs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Everything under the names that are asked for, made by others unless labelled otherwise; `specs` by kind."""
    return {
        kind: {
            "api_found": True,
            "resources": [
                {
                    "metadata": {"name": name, "namespace": "shop", "resourceVersion": "7", "labels": labels or {}},
                    "spec": {**SPECS[kind], **specs.get(kind, {})},
                }
                for name in names
            ],
        }
        for kind, names in NAMES.items()
    } | {"Pod": {"api_found": True, "resources": []}}


def nothing() -> dict[str, dict[str, Any]]:
    return {kind: {**one, "resources": []} for kind, one in cluster().items()}


def problems(found: dict[str, dict[str, Any]], labels: dict[str, str] | None = None, **settings: Any) -> list[str]:
    return site.problems(found, SETTINGS | settings, labels or {})


def test_where_nothing_is_nothing_stands_against_it() -> None:
    assert problems(nothing()) == []
    served = ("Service", "Deployment")
    assert problems({kind: {**one, "api_found": kind in served} for kind, one in nothing().items()}) == []


def test_what_this_collection_made_is_no_obstacle() -> None:
    selector = {"selector": {"matchLabels": {"app": "cart", "version": "blue"}}}
    found = cluster(MANAGED_BY, Deployment=selector)
    assert [text for text in problems(found) if "cart-green" not in text] == []


def test_workloads_of_others_are_never_written_and_all_are_named() -> None:
    found = problems(cluster())
    assert [text.partition(":")[0] for text in found] == [
        "Service shop/cart",
        "Deployment shop/cart-live",
        "Deployment shop/cart-green",
    ]
    assert "its image, ports and probe would have to change" in found[1]
    assert "canary_versions.blue.deployment" in found[1]
    assert "no label app.kubernetes.io/managed-by=progressive.istio" in found[0]


@pytest.mark.parametrize(
    ("kind", "spec", "change", "remedy"),
    [
        ("DestinationRule", {"subsets": SUBSETS[:1]}, "its subsets", "give it the subsets green"),
        ("Gateway", {"servers": []}, "its servers", "add cart.test to port 80"),
        ("VirtualService", {"hosts": ["other.test"]}, "its hosts", "in http route primary"),
        (
            "VirtualService",
            {"http": [{"name": "primary", "route": [{"destination": {"host": HOST}}]}], "gateways": ["other"]},
            "its http and its gateways",
            "give blue and green a destination each",
        ),
    ],
)
def test_routing_of_others_is_used_as_it_is_or_refused(
    kind: str, spec: dict[str, Any], change: str, remedy: str
) -> None:
    found = problems(cluster(**{kind: spec}))
    assert len(found) == 4
    assert found[3].startswith(f"{kind} shop/")
    assert f"{change} would have to change" in found[3]
    assert remedy in found[3]


def test_what_only_the_tutorial_has_by_default_is_asked_for() -> None:
    found = problems(nothing(), image="", container_port=0, versions={"blue": {"image": "x"}})
    assert [text.partition(" (")[0] for text in found] == [
        "version green has no image: give canary_image or canary_versions.green.image",
        "the port of the container is not known: give canary_container_port",
    ]


def other(kind: str, name: str, spec: dict[str, Any], labels: dict[str, str] | None = None) -> dict[str, Any]:
    found = nothing()
    found[kind]["resources"] = [{"metadata": {"name": name, "namespace": "shop", "labels": labels or {}}, "spec": spec}]
    return found


def test_a_service_of_others_that_would_select_the_new_pods() -> None:
    """Its users would get answers of another program."""
    found = problems(other("Service", "cart-old", {"selector": {"app": "cart"}}))
    assert [text.partition(":")[0] for text in found] == ["Service shop/cart-old"]
    assert 'since it selects by {"app": "cart"}: give another name as canary_app' in found[0]
    for harmless in ({}, {"selector": {}}, {"selector": {"app": "cart", "tier": "web"}}):
        assert problems(other("Service", "cart-old", harmless)) == []
    assert problems(other("Service", "cart-metrics", {"selector": {"app": "cart"}}, MANAGED_BY)) == []


def test_pods_of_others_that_the_new_service_would_select() -> None:
    found = other("Pod", "cart-0", {}, {"app": "cart"})
    (pod,) = found["Pod"]["resources"]
    assert "the pods of pod cart-0, which have the label app=cart" in problems(found)[0]
    for owner, name in (("StatefulSet", "cart"), ("ReplicaSet", "cart-abc")):
        pod["metadata"]["ownerReferences"] = [{"kind": owner, "name": name, "controller": True}]
        assert f"the pods of {owner} {name}" in problems(found)[0]
    found["Service"]["resources"] = cluster(MANAGED_BY)["Service"]["resources"]
    assert problems(found) == []


def test_a_deployment_of_ours_for_the_same_pods_under_another_name() -> None:
    spec = {"selector": {"matchLabels": {"app": "cart", "version": "green"}}}
    (text,) = problems(other("Deployment", "cart-deployment", spec, MANAGED_BY))
    assert text.endswith("give its name as canary_versions.green.deployment")


def test_what_a_controller_made_is_not_ours_whatever_its_labels() -> None:
    found = cluster(MANAGED_BY)
    found["Gateway"]["resources"][0]["spec"]["servers"] = []
    assert not any(text.startswith("Gateway") for text in problems(found))
    owner = {"kind": "Shop", "name": "cart", "controller": True}
    found["Gateway"]["resources"][0]["metadata"]["ownerReferences"] = [owner]
    assert any(text.startswith("Gateway shop/cart-entry: this collection did not make it") for text in problems(found))


def test_a_host_that_is_not_the_service_is_a_mistake() -> None:
    (text,) = problems(nothing(), host="cart.web.svc.cluster.local")
    assert text.startswith("canary_host is cart.web.svc.cluster.local, which is not Service shop/cart")
    assert problems(nothing(), host="cart") == []


def test_a_service_of_ours_that_selects_too_little() -> None:
    service = {
        "metadata": {"name": "cart", "labels": MANAGED_BY},
        "spec": {"selector": {"app": "cart", "version": "v1"}},
    }
    names = {"namespace": "shop", "app": "cart", "version": "v1", "deployment": "cart-v1"}
    (text,) = app_version.problems([service], [], service="cart", **names)
    assert 'selects pods by {"app": "cart", "version": "v1"}' in text
    assert app_version.problems([service], [], service="", **names) == []


@pytest.mark.parametrize(
    ("labels", "mode", "revision", "remedy"),
    [
        ({"istio.io/rev": "1-30"}, "sidecar", "", "canary_revision=1-30"),
        ({"istio.io/rev": "1-30", "istio-injection": "enabled"}, "sidecar", "", "canary_revision=1-30"),
        ({"istio.io/rev": "1-30"}, "sidecar", "1-31", ""),
        ({"istio.io/rev": "1-30"}, "none", "", ""),
        ({"istio-injection": "disabled"}, "sidecar", "", ""),
        ({"istio.io/dataplane-mode": "ambient"}, "sidecar", "", "canary_injection=ambient"),
        ({"istio.io/dataplane-mode": "none"}, "sidecar", "", ""),
        ({"istio-injection": "enabled"}, "ambient", "", "canary_injection=sidecar"),
        ({"istio-injection": "disabled"}, "ambient", "", ""),
        ({"istio.io/rev": "1-30"}, "ambient", "", "canary_revision=1-30"),
    ],
)
def test_no_label_that_has_pods_in_the_mesh_goes_silently(
    labels: dict[str, str], mode: str, revision: str, remedy: str
) -> None:
    text = injection.problem(labels, namespace="shop", mode=mode, revision=revision)
    assert (remedy in text) if remedy else (text == "")
    assert bool(problems(nothing(), labels, injection=mode, revision=revision)) == bool(remedy)
