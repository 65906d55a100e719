# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Where a rule of a VirtualService is bound to, and which pods run the Envoys there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from ._conditions import is_live, is_ready
from ._readiness import SIDECAR

Object = Mapping[str, Any]
Role = Literal["gateway", "sidecar"]


class Proxy(NamedTuple):
    """An Envoy, by the pod it runs in."""

    role: Role
    namespace: str
    pod: str
    uid: str

    def __str__(self) -> str:
        return f"{self.role} {self.namespace}/{self.pod}"


def bound_as(virtual_service: Object, rule: int) -> Object:
    """The VirtualService as if it were bound as a whole to where this rule of it is bound."""
    spec = virtual_service["spec"]
    matches = [match.get("gateways") for match in spec["http"][rule].get("match") or []]
    if not matches or not all(matches):
        return virtual_service
    return {**virtual_service, "spec": {**spec, "gateways": [name for match in matches for name in match]}}


def proxies_in(role: Role, pods: Iterable[Object]) -> list[Proxy]:
    """The Envoys of this role in pods that serve."""
    metas = [pod["metadata"] for pod in pods if is_live(pod) and is_ready(pod) and _has(pod, role)]
    return [Proxy(role, meta["namespace"], meta["name"], meta["uid"]) for meta in metas]


def _has(pod: Object, role: str) -> bool:
    spec = pod["spec"]
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    arguments = [each.get("args") or [] for each in containers if each["name"] == SIDECAR]
    return any(("sidecar" in each) == (role == "sidecar") for each in arguments)
