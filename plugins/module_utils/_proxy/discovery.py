# SPDX-License-Identifier: GPL-3.0-or-later
"""The Gateways that routes are attached to, and the pods that they select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._k8s.client import GATEWAY, POD, Cluster
from .._k8s.selectors import as_text
from .._routing.hosts import ServiceName
from .attachment import Attachment, Object


@dataclass(frozen=True)
class DiscoveredGateways:
    """gateways: by name, None where there is none. pods: what each selects, in all namespaces."""

    gateways: Mapping[ServiceName, Object | None]
    pods: Mapping[ServiceName, tuple[Object, ...]]


def discover(cluster: Cluster, attachment: Attachment, known: DiscoveredGateways | None = None) -> DiscoveredGateways:
    """Read the Gateways of this attachment, as far as they are not known, and their pods; ClusterError."""
    gateways: dict[ServiceName, Object | None] = {
        name: (known.gateways.get(name) if known else None) or cluster.get(GATEWAY, name.name, name.namespace)
        for name in attachment.gateways
    }
    selectors = {name: selector_of(gateway) for name, gateway in gateways.items() if gateway}
    pods = {selector: tuple(cluster.list(POD, None, selector)) for selector in set(selectors.values())}
    return DiscoveredGateways(gateways, {name: pods[selector] for name, selector in selectors.items()})


def selector_of(gateway: Object) -> str:
    """The label selector of its pods, for the API server."""
    return as_text((gateway.get("spec") or {}).get("selector") or {})
