# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the webhooks that would inject a sidecar into the pods of a namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def injectors(configurations: list[Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """The sidecar injectors that select a namespace with these labels, for a pod that asks for nothing itself."""
    return sorted(
        f"{configuration['metadata']['name']}/{webhook['name']}"
        for configuration in configurations
        for webhook in configuration.get("webhooks") or []
        if webhook["name"].endswith("sidecar-injector.istio.io")
        and _selects(webhook.get("namespaceSelector") or {}, labels)
        and _selects(webhook.get("objectSelector") or {}, {})
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_holds(one, labels) for one in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    return (labels.get(key) in values) is (operator == "In")


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"injectors": injectors}
