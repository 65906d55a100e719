# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Where a rule of a VirtualService is bound to, and which pods run the Envoys there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from .._istio.mesh import gateway_names, in_mesh
from .._istio.visibility import Visibility, visibility_of
from .._k8s.conditions import is_live, is_ready
from .._k8s.pods import SIDECAR
from .._routing.hosts import ServiceName

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


@dataclass(frozen=True)
class Attachment:
    """Where routes are. place: whose, for messages; namespace: in which their names are read; mesh: sidecars too.

    delegated: others decide where they are, and that cannot be told from here.
    visibility: which sidecars may have the rule; None for all of them.
    """

    place: str
    namespace: str
    gateways: tuple[ServiceName, ...]
    mesh: bool
    delegated: bool = False
    visibility: Visibility | None = None


def attachment_of(virtual_service: Object, rule: int) -> Attachment:
    """Where this rule of a VirtualService is bound: as the whole, or to fewer gateways by its own matches."""
    meta, spec = virtual_service["metadata"], virtual_service["spec"]
    matches = [match.get("gateways") for match in spec["http"][rule].get("match") or []]
    if matches and all(matches):
        spec = {**spec, "gateways": [name for match in matches for name in match]}
    place = f"VirtualService {meta['namespace']}/{meta['name']}"
    found = whole_attachment(place, {**virtual_service, "spec": spec})
    return replace(found, visibility=visibility_of(virtual_service, rule))


def whole_attachment(place: str, virtual_service: Object) -> Attachment:
    """Where a VirtualService is bound as a whole."""
    gateways = tuple(dict.fromkeys(gateway_names(virtual_service)))
    delegated = not virtual_service["spec"].get("hosts")
    return Attachment(place, virtual_service["metadata"]["namespace"], gateways, in_mesh(virtual_service), delegated)


def proxies_in(role: Role, pods: Iterable[Object]) -> list[Proxy]:
    """The Envoys of this role in pods that serve."""
    metas = [pod["metadata"] for pod in pods if is_live(pod) and is_ready(pod) and _has(pod, role)]
    return [Proxy(role, meta["namespace"], meta["name"], meta["uid"]) for meta in metas]


def _has(pod: Object, role: str) -> bool:
    spec = pod["spec"]
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    arguments = [each.get("args") or [] for each in containers if each["name"] == SIDECAR]
    return any(("sidecar" in each) == (role == "sidecar") for each in arguments)
