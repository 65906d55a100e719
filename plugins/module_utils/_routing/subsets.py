# SPDX-License-Identifier: GPL-3.0-or-later
"""The subsets that DestinationRules define for a host. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .hosts import identity


@dataclass(frozen=True)
class Subset:
    """One version of a Service: its labels, beside those that the Service selects by.

    destination_rule: namespace/name; empty where the version is a Service of its own, and these are all its labels.
    """

    name: str
    labels: Mapping[str, str]
    destination_rule: str


def subsets_of(host: str, namespace: str, destination_rules: Iterable[Mapping[str, Any]]) -> dict[str, Subset]:
    """All subsets, by name, of a host in an object of `namespace`; of equal names the first, as in Istio."""
    wanted = identity(host, namespace)
    found: dict[str, Subset] = {}
    for rule in destination_rules:
        meta, spec = rule["metadata"], rule.get("spec") or {}
        if identity(spec.get("host", ""), meta["namespace"]) == wanted:
            place = f"{meta['namespace']}/{meta['name']}"
            for subset in spec.get("subsets") or []:
                found.setdefault(subset["name"], Subset(subset["name"], subset.get("labels") or {}, place))
    return found
