# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.injection import injectors
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.injection import plan
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import NotOurs


def key(name: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": name, "operator": operator, **({"values": list(values)} if values else {})}


def webhook(
    name: str, *namespace: dict[str, Any], pod: list[dict[str, Any]] | None = None, **exact: str
) -> dict[str, Any]:
    selector = {"matchExpressions": list(namespace), "matchLabels": exact}
    return {"name": name, "namespaceSelector": selector, "objectSelector": {"matchExpressions": pod or []}}


# As istiod's own chart writes them.
NOT_OPTED_OUT = [key("sidecar.istio.io/inject", "NotIn", "false")]
DEFAULT = {
    "metadata": {"name": "istio-sidecar-injector"},
    "webhooks": [
        webhook(
            "rev.namespace.sidecar-injector.istio.io",
            key("istio.io/rev", "In", "default"),
            key("istio-injection", "DoesNotExist"),
            pod=NOT_OPTED_OUT,
        ),
        webhook("namespace.sidecar-injector.istio.io", key("istio-injection", "In", "enabled"), pod=NOT_OPTED_OUT),
        webhook(
            "object.sidecar-injector.istio.io",
            key("istio-injection", "DoesNotExist"),
            key("istio.io/rev", "DoesNotExist"),
            pod=[key("sidecar.istio.io/inject", "In", "true")],
        ),
    ],
}
OTHER = {"metadata": {"name": "other"}, "webhooks": [webhook("pods.example.com")]}
OFF = {
    "metadata": {"name": "old"},
    "webhooks": [webhook("namespace.sidecar-injector.istio.io", **{"istio.io/deactivated": "never-match"})],
}
REQUIRED = {
    "metadata": {"name": "any"},
    "webhooks": [webhook("namespace.sidecar-injector.istio.io", key("istio-injection", "Exists"))],
}


def found_by(configurations: list[dict[str, Any]], labels: dict[str, str]) -> list[str]:
    return [f"{one['metadata']['name']}/{webhook['name']}" for one, webhook in injectors(configurations, labels)]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"istio-injection": "enabled"}, ["istio-sidecar-injector/namespace.sidecar-injector.istio.io"]),
        ({"istio.io/rev": "default"}, ["istio-sidecar-injector/rev.namespace.sidecar-injector.istio.io"]),
        ({"istio.io/rev": "canary"}, []),
        ({"istio-injection": "disabled"}, []),
        ({}, []),
    ],
)
def test_only_the_injector_that_selects_the_namespace_counts(labels: dict[str, str], found: list[str]) -> None:
    assert found_by([OTHER, OFF, DEFAULT], labels) == found


def test_a_label_of_any_value_can_be_asked_for() -> None:
    assert found_by([REQUIRED], {"istio-injection": "x"}) == ["any/namespace.sidecar-injector.istio.io"]
    assert found_by([REQUIRED], {}) == []


@pytest.mark.parametrize(
    ("labels", "mode", "revision", "written"),
    [
        ({}, "sidecar", "", {"istio-injection": "enabled"}),
        ({"istio-injection": "disabled"}, "sidecar", "default", {"istio.io/rev": "default", "istio-injection": None}),
        (
            {"istio.io/rev": "old", "istio-injection": "disabled", "team": "a"},
            "none",
            "",
            {"istio.io/rev": None, "istio-injection": None},
        ),
        ({"istio.io/dataplane-mode": "none"}, "ambient", "", {"istio.io/dataplane-mode": "ambient"}),
    ],
)
def test_one_way_of_injection_is_labelled_and_no_other(
    labels: dict[str, str], mode: str, revision: str, written: dict[str, str | None]
) -> None:
    webhooks = [DEFAULT] if mode == "sidecar" else []
    assert plan(labels, namespace="shop", mode=mode, revision=revision, webhooks=webhooks) == {"labels": written}


def test_a_label_that_no_injector_selects_is_refused() -> None:
    with pytest.raises(NotOurs, match=r"label istio.io/rev=1-99 \(webhook configurations: istio-sidecar-injector\)"):
        plan({}, namespace="shop", mode="sidecar", revision="1-99", webhooks=[DEFAULT])
