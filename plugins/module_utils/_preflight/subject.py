# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding is about, more precisely than its object: a cause and its symptoms share one of these. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._routing.hosts import ServiceName

Object = Mapping[str, Any]


def thing(kind: str, found: Object) -> str:
    """The object as a whole."""
    meta = found["metadata"]
    return f"{kind} {meta['namespace']}/{meta['name']}" if meta.get("namespace") else f"{kind} {meta['name']}"


def service(name: ServiceName) -> str:
    return f"Service {name}"


def version(name: ServiceName, subset: str) -> str:
    """The pods behind a destination: those of a subset, or all of the Service."""
    return f"Service {name} subset {subset}" if subset else service(name)


def rule(virtual_service: Object, protocol: str, index: int) -> str:
    """One rule of a VirtualService."""
    return f"{thing('VirtualService', virtual_service)} {protocol} {index}"


def new_pods(namespace: str) -> str:
    """The creation of pods in a namespace."""
    return f"new pods in {namespace}"
