# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of an estate as their teams write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import encode
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, State
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import ANNOTATION

Object = dict[str, Any]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def rule(weights: dict[str, int], *, host: str = "checkout", name: str = "") -> Object:
    """An HTTP route. weights: by subset; the empty one is a destination without subset."""
    route = [
        {"destination": {"host": host} | ({"subset": subset} if subset else {}), "weight": weight}
        for subset, weight in weights.items()
    ]
    return {"route": route} | ({"name": name} if name else {})


def routes(*rules: Object, name: str = "checkout", namespace: str = "shop", note: str = "", **spec: Any) -> Object:
    """A VirtualService. note: the annotation of a release."""
    meta: Object = {"name": name, "namespace": namespace, "resourceVersion": "1", "labels": {"team": "pay"}}
    if note:
        meta["annotations"] = {ANNOTATION: note}
    return {"metadata": meta, "spec": {"hosts": ["pay.example.com"], "gateways": ["main"], "http": [*rules], **spec}}


def subsets(*names: str, host: str = "checkout", name: str = "checkout", namespace: str = "shop") -> Object:
    """A DestinationRule."""
    found = [{"name": each, "labels": {"version": each}} for each in names]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"host": host, "subsets": found}}


def release(phase: Phase, weight: int, stable: str = "v1", canary: str = "v2", **place: str) -> str:
    """The annotation of a release. place: its route and host, as the writer notes them."""
    return encode(State(stable, canary, phase, weight, NOW, extra=place))
