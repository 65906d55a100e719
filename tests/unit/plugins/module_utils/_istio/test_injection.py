# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.injection import injectors, is_injector

LABELLED = {"matchLabels": {"istio-injection": "enabled"}}
ASKED = {"matchLabels": {"sidecar.istio.io/inject": "true"}}


def webhook(name: str, **selectors: Any) -> dict[str, Any]:
    return {"name": f"{name}.sidecar-injector.istio.io", **selectors}


CONFIGURATIONS = [
    {"metadata": {"name": "istio"}, "webhooks": [webhook("namespace", namespaceSelector=LABELLED)]},
    {"metadata": {"name": "pods"}, "webhooks": [webhook("object", objectSelector=ASKED)]},
    {"metadata": {"name": "other"}, "webhooks": [{"name": "inject.certificates.example"}]},
    {"metadata": {"name": "empty"}},
]


@pytest.mark.parametrize(
    ("namespace", "pod", "names"),
    [
        ({"istio-injection": "enabled"}, None, ["istio"]),
        ({}, None, []),
        ({}, {"sidecar.istio.io/inject": "true"}, ["pods"]),
        ({"istio-injection": "enabled"}, {"sidecar.istio.io/inject": "true"}, ["istio", "pods"]),
    ],
)
def test_injectors_of_a_pod(namespace: dict[str, str], pod: dict[str, str] | None, names: list[str]) -> None:
    found = injectors(CONFIGURATIONS, namespace, pod)
    assert [configuration["metadata"]["name"] for configuration, _webhook in found] == names


def test_other_webhooks_are_no_injectors() -> None:
    assert is_injector(webhook("rev"))
    assert not is_injector({"name": "validation.istio.io"})
