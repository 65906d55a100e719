# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a step could be taken: it is read, checked and decided as usual, and nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .._k8s.auth import ClusterError
from .._k8s.client import Cluster
from .._preflight.finding import ERROR, Finding
from .._proxy.discovery import DiscoveredGateways, discover
from .._release.lease import leased
from .._release.model import Command, Rejected, Run, Transition, Want
from .._release.plan import InvalidPlan, validate
from .._release.state import State
from .._rollout.check import broken_rules
from .._rollout.context import Request, Session
from .._rollout.decide import decide_on
from .._rollout.read import read
from .._rollout.snapshot import Refused, Snapshot, Target
from .._rollout.write import write

WHOLE = 100  # percent: possible in every route, whatever its other destinations leave


@dataclass(frozen=True)
class DryRun:
    """mistakes: why a step would be rejected, one sentence each; found: the errors that prevent it.

    unseen: what could not be checked.
    """

    mistakes: tuple[str, ...] = ()
    found: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()


def dry_run(cluster: Cluster, target: Target, skip: Collection[str]) -> DryRun:
    """What a step would report now."""
    command = Command(Want.WEIGHTED, Run("doctor", "doctor", "", 0), weight=WHOLE, confirm=True)
    found: tuple[Finding, ...] = ()
    mistakes: Sequence[str] = ()
    try:
        snapshot = read(cluster, target, rivals="one_route_per_gateway_host" not in skip)
        found = tuple(
            each for each in broken_rules(snapshot, _gateways(cluster, snapshot), skip) if each.severity == ERROR
        )
        state = snapshot.state
        if isinstance(state, State) and state.holder and leased(state.holder, cluster.now()):
            return DryRun(found=found)  # another run is taking a step
        target = snapshot.target  # with the versions that were found
        plan = validate(stable=target.stable, canary=target.canary)
        session, request = Session(cluster), Request(target, plan, command, check=True, skip=tuple(skip))
        decision = decide_on(session, request, snapshot)
        if isinstance(decision, Rejected):
            mistakes = [decision.why]
        elif isinstance(decision, Transition):
            write(session, request, snapshot, decision, predicted=True)
    except (InvalidPlan, Refused) as error:
        mistakes = error.mistakes
    except ClusterError as error:
        return DryRun(found=found, unseen=(f"whether a step can be taken: {error}",))
    return DryRun(tuple(mistakes), found)


def _gateways(cluster: Cluster, snapshot: Snapshot) -> DiscoveredGateways | None:
    """The Gateways of the route; None if they may not be read, which does not prevent a step."""
    try:
        return discover(cluster, snapshot.attachment)
    except ClusterError as error:
        if error.status != 403:
            raise
        return None
