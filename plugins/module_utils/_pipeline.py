# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""One request to a canary: read, decide, write, and again until there is nothing left to write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ._cluster import DEPLOYMENT, POD, VIRTUAL_SERVICE, Cluster, ClusterError
from ._identity import is_gone
from ._readiness import unmade
from ._release import Decision, Nothing, Plan, Refuse, Request, State, Transition, Wait, Want, decide, encode, released
from ._route import RouteError, annotate, move, note_of
from ._snapshot import Refused, Snapshot, Target, pods_of, read

CONFLICTS = 5  # how often others may write in between
PAUSE = 0.5  # seconds before the pods are watched anew when the API server ended the watch


@dataclass(frozen=True)
class Call:
    """A request and how it is carried out.

    check: predict, write nothing. keep: the lease outlives the request. patience: seconds to wait for pods.
    """

    cluster: Cluster
    target: Target
    plan: Plan
    request: Request
    check: bool = False
    keep: bool = False
    patience: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of a request. before: shares at the start; snapshot: as it is now; written: in order."""

    before: Mapping[str, int]
    snapshot: Snapshot
    decision: Transition | Wait | Nothing
    written: tuple[Transition, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything changed that matters to a person."""
        return any(transition.changed for transition in self.written)

    @property
    def shares(self) -> Mapping[str, int]:
        """Percent by version now."""
        return self.written[-1].weights if self.written else self.before

    @property
    def why(self) -> str:
        """What happened, or why nothing did."""
        reasons = [transition.why for transition in self.written if transition.changed]
        return "; ".join(reasons if self.decision in self.written else [*reasons, self.decision.why])


def carry_out(call: Call) -> Outcome:
    """Do it. Raises Refused or ClusterError if it cannot be done; what was written until then is a legal state."""
    deadline = time.monotonic() + call.patience
    snapshot = _read(call)
    before, conflicts = snapshot.shares, 0
    written: list[Transition] = []
    while True:
        decision = _decide(call, snapshot)
        if isinstance(decision, Refuse):
            raise Refused([f"{call.target.place}: {decision.why}"])
        if isinstance(decision, Wait) and decision.until is None and not call.check:
            _wait_for_pods(call, snapshot, decision, deadline)
            snapshot = _read(call)
            continue
        if not isinstance(decision, Transition):
            return Outcome(before, snapshot, decision, tuple(written))
        if not call.keep and not decision.again:
            decision = replace(decision, state=released(decision.state))
        following = _write(call, snapshot, decision, simulated=call.check and bool(written))
        if following is None:
            conflicts += 1
            if conflicts > CONFLICTS:
                raise Refused([f"{call.target.place}: somebody else keeps writing it, {conflicts} times by now"])
            snapshot = _read(call)
            continue
        snapshot = following
        written.append(decision)
        if not decision.again:
            return Outcome(before, snapshot, decision, tuple(written))


def said(shares: Mapping[str, int]) -> str:
    """Shares as people read them."""
    return ", ".join(f"{name} {share} %" for name, share in shares.items())


def _read(call: Call) -> Snapshot:
    return read(call.cluster, call.target, for_rollback=call.request.want is Want.ROLLED_BACK)


def _decide(call: Call, snapshot: Snapshot) -> Decision:
    holder = snapshot.state.holder if isinstance(snapshot.state, State) else None
    observed = snapshot.observed(holder_gone=holder is not None and is_gone(holder))
    return decide(snapshot.state, observed, call.plan, call.request, call.cluster.now())


def _write(call: Call, snapshot: Snapshot, transition: Transition, simulated: bool) -> Snapshot | None:
    """The snapshot after the write, or None if somebody else has written since the read.

    simulated: not even as a dry run, which knows nothing of the dry runs before it.
    """
    if simulated:
        return replace(snapshot, state=transition.state)
    target, note = call.target, encode(transition.state)
    try:
        if transition.moves:
            operations = move(snapshot.virtual_service, snapshot.route, transition.before, transition.weights, note)
        else:
            operations = annotate(snapshot.virtual_service, note)
        written = call.cluster.patch(VIRTUAL_SERVICE, target.name, target.namespace, operations, dry_run=call.check)
        return snapshot.rewritten(written)
    except RouteError as error:
        raise Refused([f"{target.place}: {error}"]) from error
    except ClusterError as error:
        if error.status not in (409, 422):  # those of a patch whose test failed, among others
            raise
        now = call.cluster.get(VIRTUAL_SERVICE, target.name, target.namespace)
        if now and note_of(now) == note:
            return snapshot.rewritten(now)  # ours: only the answer was lost
        if now and now["metadata"]["resourceVersion"] == snapshot.virtual_service["metadata"]["resourceVersion"]:
            raise
        return None


def _wait_for_pods(call: Call, snapshot: Snapshot, wait: Wait, deadline: float) -> None:
    """Return as soon as the pods may be enough; Refused, with their own reasons, once patience has run out."""
    left = deadline - time.monotonic()
    if left > 0 and snapshot.service:
        pods = {pod["metadata"]["uid"]: pod for pod in snapshot.pods or ()}
        for event, pod in call.cluster.watch(POD, snapshot.service.namespace, left, labels=snapshot.selector):
            pods[pod["metadata"]["uid"]] = pod
            if event == "DELETED":
                del pods[pod["metadata"]["uid"]]
            decision = _decide(call, replace(snapshot, pods=tuple(pods.values())))
            if not isinstance(decision, Wait) or decision.until is not None:
                return
            if time.monotonic() > deadline:
                break
        else:
            time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))
    if time.monotonic() < deadline:
        return
    last = _decide(call, pods_of(call.cluster, snapshot))
    why = last.why if isinstance(last, Wait) else wait.why
    why += _unmade(call, snapshot)
    raise Refused([f"{call.target.place}: {why}; waited {call.patience:g} s, the weights stay {said(snapshot.shares)}"])


def _unmade(call: Call, snapshot: Snapshot) -> str:
    """Why a version has no pods at all, as the Deployments say."""
    missing = [name for name in (call.target.stable, call.target.canary) if not snapshot.version(name).total]
    if not missing or not snapshot.service:
        return ""
    try:
        deployments = call.cluster.list(DEPLOYMENT, snapshot.service.namespace)
    except ClusterError as error:
        if error.status != 403:
            raise
        return ""
    reasons = [unmade(snapshot.labels(name), deployments) for name in missing]
    return f" ({'; '.join(reasons)})"
