# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateways and the mesh that rules of a VirtualService are attached to, and the Envoys in pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from .._istio.delegation import Binding
from .._istio.mesh import gateway_names, in_mesh
from .._istio.visibility import Visibility, visibility_of
from .._k8s.conditions import is_live, is_ready
from .._k8s.pods import SIDECAR, containers_of
from .._routing.hosts import ServiceName

Object = Mapping[str, Any]
Role = Literal["gateway", "sidecar"]

NAMED = 3  # how many proxies a message names


class Proxy(NamedTuple):
    """An Envoy, by its pod."""

    role: Role
    namespace: str
    pod: str
    uid: str

    def __str__(self) -> str:
        return f"{self.role} {self.namespace}/{self.pod}"


@dataclass(frozen=True)
class Attachment:
    """Where routes are. place: the object, for messages; mesh: whether sidecars have them.

    delegated: other VirtualServices decide where they are, and none of those is known.
    visibility: which sidecars may have any of the rules; None for all.
    """

    place: str
    gateways: tuple[ServiceName, ...]
    mesh: bool
    delegated: bool = False
    visibility: Visibility | None = None


def attachment_of(virtual_service: Object, bound: Sequence[Binding]) -> Attachment:
    """The attachment of some rules of a VirtualService, which are bound there."""
    meta = virtual_service["metadata"]
    place = f"VirtualService {meta['namespace']}/{meta['name']}"
    each = [_attachment(place, binding) for binding in bound]
    meshes = [one for one in each if one.mesh]
    return Attachment(
        place,
        tuple(dict.fromkeys(name for one in each for name in one.gateways)),
        bool(meshes),
        not each,
        meshes[0].visibility if len(meshes) == 1 else None,
    )


def _attachment(place: str, binding: Binding) -> Attachment:
    """That of the VirtualService, or fewer gateways by the matches of the rules."""
    virtual_service, spec = binding.virtual_service, binding.virtual_service["spec"]
    rules = [spec[rule.protocol][rule.position] for rule in binding.rules]
    matches = [match.get("gateways") for rule in rules for match in rule.get("match") or [{}]]
    if all(matches):
        spec = {**spec, "gateways": [name for match in matches for name in match]}
    found = whole_attachment(place, {**virtual_service, "spec": spec})
    return replace(found, visibility=visibility_of(virtual_service, binding.rules))


def whole_attachment(place: str, virtual_service: Object) -> Attachment:
    """The attachment of a whole VirtualService."""
    return Attachment(place, tuple(dict.fromkeys(gateway_names(virtual_service))), in_mesh(virtual_service))


def proxies_in(role: Role, pods: Iterable[Object]) -> list[Proxy]:
    """The Envoys of this role in ready pods."""
    metas = [pod["metadata"] for pod in pods if is_live(pod) and is_ready(pod) and _has(pod, role)]
    return [Proxy(role, meta["namespace"], meta["name"], meta["uid"]) for meta in metas]


def _has(pod: Object, role: str) -> bool:
    arguments = [each.get("args") or [] for each in containers_of(pod) if each["name"] == SIDECAR]
    return any(("sidecar" in each) == (role == "sidecar") for each in arguments)
