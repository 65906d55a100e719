# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be right before a version gets more requests: the rules of the mesh, and the rights to take the step.

The rules are checked over what a request has read anyway, so they cost one read of the gateways alone. What needs more
is left to the doctor. Whether pods are ready and in the mesh is not checked here, since that is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from .._common.shares import said
from .._istio.mesh import Focus, Mesh, Object, name_of
from .._k8s.auth import ClusterError
from .._k8s.rights import missing
from .._preflight.checks import examine, findings
from .._preflight.finding import ERROR, Finding
from .._preflight.reach import callers_routed, reached_by_weight_alone
from .._preflight.routes import route_named
from .._proxy import discovery
from .._proxy.discovery import DiscoveredGateways
from .._routing.virtual_service import HTTP, PROTOCOLS, RuleId, listed, rules_in
from .context import Request, Session
from .rights import lacking, rights_to_move
from .snapshot import Follower, Refused, Snapshot

# Warnings: two that are given after the write, and one that is about later edits and is left to the doctor.
_NOT_BEFORE = (reached_by_weight_alone.__name__, callers_routed.__name__, route_named.__name__)
_READ = ("focus", "virtual_services", "destination_rules", "services", "unread")


def check(
    session: Session, request: Request, snapshot: Snapshot, follows: bool = False
) -> tuple[DiscoveredGateways | None, tuple[str, ...]]:
    """The gateways of the route, None where they may not be read, and warnings about it.

    follows: the step before of the same run has had the rights and read the Gateways; only their pods are read again.
    Raises Refused with every rule that is broken, or with the rights that are missing to watch the step.
    """
    warnings: list[str] = []
    discovered = None
    known = session.prover.discovered if session.prover and follows else None
    try:
        attachment = snapshot.attachment
        discovered = discovery.discover(session.cluster, attachment, known)
    except ClusterError as error:
        if error.status != 403:
            raise
        if not session.prover:  # else the proof says it
            warnings.append(f"the rules about gateways were not checked: {error}")
    stay = f"the weights stay {said(snapshot.all_shares)}"
    # Watching needs more than a write, and a follower that may not be written must be known before the others are.
    unsure = (request.keep or bool(snapshot.followers)) and not follows
    if unsure and missing(session.cluster, rights_to_move(request, snapshot)):
        raise Refused([f"{lacking(session, request, snapshot, discovered)}; {stay}"])
    found = broken_rules(snapshot, discovered, request.skip)
    errors = [f"{each}; {stay}, by the check {each.check}" for each in found if each.severity == ERROR]
    if request.criteria and request.criteria.counts_requests and snapshot.of_connections:
        errors.append(
            f"analysis counts requests, and there are only connections in {listed(snapshot.routes)} of "
            f"{snapshot.target.place}: leave it out, or judge by queries alone, with success, worse_than_stable and "
            f"latency set to false; {stay}"
        )
    if errors:
        raise Refused(errors)
    return discovered, (*warnings, *map(str, found))


def broken_rules(snapshot: Snapshot, discovered: DiscoveredGateways | None, skip: Collection[str]) -> list[Finding]:
    """What is wrong with the route of a canary, errors first. discovered: None if they may not be read. Pure."""
    every = [snapshot, *(_as_leader(snapshot, each) for each in snapshot.followers)]
    found = [each for one in every for each in examine(_mesh_of(one, discovered), {*skip, *_NOT_BEFORE})]
    return list({str(each): each for each in findings(found)}.values())


def _as_leader(snapshot: Snapshot, follower: Follower) -> Snapshot:
    """The snapshot as if the release was on this follower, whose routes the same rules hold for."""
    target = replace(snapshot.target, name=follower.target.name, namespace=follower.target.namespace)
    return replace(
        snapshot, target=target, virtual_service=follower.virtual_service, routes=follower.routes, followers=()
    )


def _mesh_of(snapshot: Snapshot, discovered: DiscoveredGateways | None) -> Mesh:
    mesh, target = snapshot.mesh, snapshot.target
    route = _routes_alone(snapshot.virtual_service, snapshot.rules)
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


def _routes_alone(virtual_service: Object, rules: Collection[RuleId]) -> Mapping[str, Any]:
    """The VirtualService without what does not move: of the routes before it only their matches stay."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for rule, content in rules_in(virtual_service):
        if rule in rules:
            found.setdefault(rule.protocol, []).append(content)
        elif rule.protocol == HTTP and any(each.protocol == HTTP and each > rule for each in rules):
            found.setdefault(HTTP, []).append({key: content[key] for key in ("name", "match") if key in content})
    others = {key: value for key, value in virtual_service["spec"].items() if key not in PROTOCOLS}
    return {**virtual_service, "spec": {**others, **found}}
