# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The mesh rules that a version must not meet broken when it is to get more requests. Pure.

They are checked over what a call has read for itself, so they cost no request. What can only be seen in more than that
is for the doctor to see. Whether pods are ready and in the mesh is not asked here, for that is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from .._istio.mesh import Focus, Mesh, Object, name_of
from .._preflight.checks import examine, findings
from .._preflight.finding import Finding
from .._preflight.reach import callers_routed, reached_by_weight_alone
from .._proxy.discovery import DiscoveredGateways
from .read import Snapshot

_AFTERWARDS = (reached_by_weight_alone.__name__, callers_routed.__name__)  # nothing in them speaks against a move
_READ = ("focus", "virtual_services", "destination_rules", "services", "unread")


def guard(snapshot: Snapshot, discovered: DiscoveredGateways | None, skip: Collection[str]) -> list[Finding]:
    """What is wrong with the route of a canary, errors first. discovered: None if they may not be read."""
    return findings(examine(_mesh_of(snapshot, discovered), {*skip, *_AFTERWARDS}))


def _mesh_of(snapshot: Snapshot, discovered: DiscoveredGateways | None) -> Mesh:
    mesh, target = snapshot.mesh, snapshot.target
    route = _route_alone(snapshot.virtual_service, snapshot.route.rule)
    others = [each for each in mesh.virtual_services if name_of(each) != name_of(route)]
    found: dict[str, Any] = {}
    if discovered:
        pods = {pod["metadata"]["uid"]: pod for each in discovered.pods.values() for pod in each}
        found = {
            "gateways": tuple(gateway for gateway in discovered.gateways.values() if gateway),
            "proxies": tuple(pods.values()),
        }
    unread = {field.name: "not read here" for field in fields(Mesh) if field.name not in (*_READ, *found)}
    focus = Focus(target.namespace, target.name)
    return replace(mesh, focus=focus, virtual_services=(route, *others), unread=unread, **found)


def _route_alone(virtual_service: Object, rule: int) -> Mapping[str, Any]:
    """The VirtualService without the routes that nobody moves: of those before there is only what they match."""
    spec = virtual_service["spec"]
    before = [{key: each[key] for key in ("name", "match") if key in each} for each in spec["http"][:rule]]
    alone = {key: value for key, value in spec.items() if key not in ("tls", "tcp")}
    return {**virtual_service, "spec": {**alone, "http": [*before, spec["http"][rule]]}}
