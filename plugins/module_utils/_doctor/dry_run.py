# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Whether a step could be taken: the read, the checks and the patch of a step, of which nothing is sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .._k8s.auth import ClusterError
from .._k8s.client import Cluster
from .._preflight.finding import ERROR, Finding
from .._proxy.attachment import attachment_of
from .._proxy.discovery import DiscoveredGateways, discover
from .._release.machine import leased
from .._release.model import Command, Rejected, Run, Transition, Want
from .._release.plan import InvalidPlan, validate
from .._release.state import State
from .._rollout.check import guard
from .._rollout.pipeline import Call, answer, write
from .._rollout.read import Refused, Snapshot, Target, read

WHOLE = 100  # percent: the weight that every route can take, whatever its other destinations leave


@dataclass(frozen=True)
class DryRun:
    """mistakes: why a step would be refused, one sentence each; found: the rules that stand in its way.

    unseen: what could not be looked at.
    """

    mistakes: tuple[str, ...] = ()
    found: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()


def dry_run(cluster: Cluster, target: Target, skip: Collection[str]) -> DryRun:
    """What a person would be told who lets the canary go on."""
    run = Run("doctor", "doctor", "", 0)
    request = Command(Want.WEIGHTED, run, weight=WHOLE, confirm=True)
    found: tuple[Finding, ...] = ()
    try:
        snapshot = read(cluster, target, rivals="one_route_per_gateway_host" not in skip)
        found = tuple(each for each in guard(snapshot, _gates(cluster, snapshot), skip) if each.severity == ERROR)
        state = snapshot.state
        if isinstance(state, State) and state.holder and leased(state.holder, cluster.now()):
            return DryRun(found=found)  # somebody is taking a step
        target = snapshot.target  # with the versions, where nobody has named them
        plan = validate(stable=target.stable, canary=target.canary)
        call = Call(cluster, target, plan, request, check=True, skip=tuple(skip))
        decision = answer(call, snapshot)
        if isinstance(decision, Rejected):
            return DryRun((decision.why,), found)
        if isinstance(decision, Transition):
            write(call, snapshot, decision, predicted=True)
    except (InvalidPlan, Refused) as error:
        return DryRun(tuple(error.mistakes), found)
    except ClusterError as error:
        return DryRun(found=found, unseen=(f"whether a step can be taken: {error}",))
    return DryRun(found=found)


def _gates(cluster: Cluster, snapshot: Snapshot) -> DiscoveredGateways | None:
    """The Gateways of the route; None where they may not be read, which keeps no step from being taken."""
    try:
        return discover(cluster, attachment_of(snapshot.virtual_service, snapshot.route.rule))
    except ClusterError as error:
        if error.status != 403:
            raise
        return None
