# SPDX-License-Identifier: GPL-3.0-or-later
"""Which webhooks inject a sidecar into the new pods of a namespace. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._k8s.selectors import Labels, selects

Webhook = Mapping[str, Any]


def is_injector(webhook: Webhook) -> bool:
    """Whether a mutating webhook is a sidecar injector of Istio."""
    return str(webhook["name"]).endswith("sidecar-injector.istio.io")


def injectors(
    configurations: Iterable[Mapping[str, Any]], namespace: Labels, pod: Labels | None = None
) -> list[tuple[Mapping[str, Any], Webhook]]:
    """The injectors, each with its configuration, that select a pod by its labels and those of its namespace."""
    return [
        (configuration, webhook)
        for configuration in configurations
        for webhook in configuration.get("webhooks") or []
        if is_injector(webhook)
        and selects(webhook.get("namespaceSelector") or {}, namespace)
        and selects(webhook.get("objectSelector") or {}, pod or {})
    ]
