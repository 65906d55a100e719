# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the webhooks that would inject a sidecar into the pods of a namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._k8s.selectors import selects


def injectors(configurations: list[Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """The sidecar injectors that select a namespace with these labels, for a pod that asks for nothing itself."""
    return sorted(
        f"{configuration['metadata']['name']}/{webhook['name']}"
        for configuration in configurations
        for webhook in configuration.get("webhooks") or []
        if webhook["name"].endswith("sidecar-injector.istio.io")
        and selects(webhook.get("namespaceSelector") or {}, labels)
        and selects(webhook.get("objectSelector") or {}, {})
    )


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"injectors": injectors}
