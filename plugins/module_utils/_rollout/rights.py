# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that a request needs and the account does not have."""

from __future__ import annotations

from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE
from .._k8s.rights import LISTED, Right, missing, of_a_move, of_a_proof
from .._proxy.discovery import DiscoveredGateways
from .._release.model import Want
from .._routing.hosts import service_of
from .context import Request, Session
from .snapshot import Snapshot


def with_all_rights(
    session: Session, request: Request, error: ClusterError, snapshot: Snapshot | None = None
) -> ClusterError:
    """The error; where it is a missing right, with all the others that this request would have missed."""
    if error.status != 403 or request.command.want is Want.ROLLED_BACK:
        return error
    also = lacking(session, request, snapshot, session.prover.discovered if session.prover else None)
    return ClusterError(f"{error}; {also}", error.status, error.reason) if also else error


def lacking(
    session: Session, request: Request, snapshot: Snapshot | None, discovered: DiscoveredGateways | None
) -> str:
    """All rights that this request needs and does not have, as one sentence."""
    rights = rights_to_move(request, snapshot)
    if session.prover and snapshot:
        attachment = snapshot.attachment
        pods = [pod for each in discovered.pods.values() for pod in each] if discovered else []
        namespaces = [pod["metadata"]["namespace"] for pod in pods]
        rights += of_a_proof((name.namespace for name in attachment.gateways), namespaces)
    names = ", ".join(map(str, missing(session.cluster, rights)))
    return f"the account may not {names}, which this needs: {LISTED}" if names else ""


def rights_to_move(request: Request, snapshot: Snapshot | None) -> list[Right]:
    """Those to read, write and watch what a step touches."""
    target = request.target
    service = snapshot.service if snapshot else service_of(target.destination_host or "", target.namespace)
    namespace = service.namespace if service else target.namespace
    rights = of_a_move(target.namespace, target.name, namespace, watches=request.keep)
    followers = snapshot.followers if snapshot else ()
    return rights + [
        Right(verb, VIRTUAL_SERVICE, each.target.namespace, each.target.name)
        for each in followers
        for verb in ("get", "patch")
    ]
