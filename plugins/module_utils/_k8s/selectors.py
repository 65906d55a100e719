# SPDX-License-Identifier: GPL-3.0-or-later
"""Label selectors by the rules of the API server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]


def labels_of(thing: Mapping[str, Any]) -> Labels:
    """The labels of an object."""
    return thing["metadata"].get("labels") or {}


def template_labels(deployment: Mapping[str, Any]) -> Labels:
    """The labels of the pods that a Deployment creates."""
    return (deployment["spec"]["template"].get("metadata") or {}).get("labels") or {}


def includes(wanted: Labels, labels: Labels) -> bool:
    """Whether the labels include all the wanted ones."""
    # Not by comparing items(): Ansible gives filters mappings whose items() is a generator.
    return all(key in labels and labels[key] == value for key, value in wanted.items())


def as_text(wanted: Labels) -> str:
    """The labels as a selector of the API server, and of kubectl -l."""
    return ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a selector of `matchLabels` and `matchExpressions` matches these labels; an empty one does."""
    return includes(selector.get("matchLabels") or {}, labels) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "In":
            return labels.get(key) in values
    return labels.get(key) not in values
