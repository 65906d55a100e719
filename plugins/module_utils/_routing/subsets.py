# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The subsets that DestinationRules define for a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .hosts import identity


@dataclass(frozen=True)
class Subset:
    """One version of a Service: the labels its pods carry beside those that the Service selects."""

    name: str
    labels: Mapping[str, str]
    destination_rule: str  # namespace/name


def subsets_of(host: str, namespace: str, destination_rules: Iterable[Mapping[str, Any]]) -> dict[str, Subset]:
    """All subsets, by name, of the host that an object of `namespace` names; of equal names Istio takes the first."""
    wanted = identity(host, namespace)
    found: dict[str, Subset] = {}
    for rule in destination_rules:
        meta, spec = rule["metadata"], rule.get("spec") or {}
        if identity(spec.get("host", ""), meta["namespace"]) == wanted:
            place = f"{meta['namespace']}/{meta['name']}"
            for subset in spec.get("subsets") or []:
                found.setdefault(subset["name"], Subset(subset["name"], subset.get("labels") or {}, place))
    return found
