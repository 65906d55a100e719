# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a canary, what it is carried out with, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._common.shares import Share
from .._k8s.client import Cluster
from .._proxy.fleet import Extent
from .._proxy.poll import Live
from .._release.model import Command, Decision, Event, Rejected, Transition, Want
from .._release.plan import Plan
from .heartbeat import Heartbeat
from .prover import Prover
from .read import read, read_for_rollback
from .snapshot import Snapshot, Target

if TYPE_CHECKING:  # not needed to run where nothing is judged
    from .._analysis.criteria import Criteria
    from .._analysis.judgement import Judgement
    from .._analysis.measurements import Measurements


@dataclass(frozen=True)
class Request:
    """What is asked.

    check: predict, write nothing.
    patience: seconds to wait for pods.
    drain: not None asks for a cleanup in place of the command; seconds without requests before it.
    keep: the lease outlives the request while the release progresses. lasting: it outlives the process too.
    watch: seconds to watch a weight that soaks, None for as long as it does.
    skip: mesh rules that are not checked before a version gets more requests.
    criteria: what a step is judged by while it soaks; None: it is not.
    samples: the result has what was counted meanwhile.
    """

    target: Target
    plan: Plan
    command: Command
    check: bool = False
    patience: float = 0.0
    drain: float | None = None
    keep: bool = False
    lasting: bool = False
    watch: float | None = None
    skip: tuple[str, ...] = ()
    criteria: Criteria | None = None
    samples: bool = False

    @property
    def moving(self) -> bool:
        """Whether a version may get more requests by this."""
        return self.command.want in (Want.ADVANCED, Want.WEIGHTED) and self.drain is None

    @property
    def reads_rivals(self) -> bool:
        """Whether all VirtualServices are read, since others may route the same hosts."""
        return self.moving and "one_route_per_gateway_host" not in self.skip


@dataclass(frozen=True)
class Session:
    """What a request is carried out with.

    prover: asks the proxies whether weights are live; None where nothing is written or they are not to be asked.
    tell: shows a line about the service to the user.
    heartbeat: of the lines about what is waited for.
    on_live: is called as soon as a weight that is to soak is seen live, before that is noted.
    """

    cluster: Cluster
    prover: Prover | None = None
    tell: Callable[[Snapshot, str], None] = lambda snapshot, line: None
    on_live: Callable[[Snapshot], None] = lambda snapshot: None
    heartbeat: Heartbeat = field(default_factory=Heartbeat)

    def waiting(self, snapshot: Snapshot, line: str) -> None:
        """Show from time to time what is waited for."""
        self.heartbeat.beat(lambda: self.tell(snapshot, line))

    def read(self, request: Request) -> Snapshot:
        """The snapshot that a decision about the request rests on. Raises Refused or ClusterError."""
        if request.command.want is Want.ROLLED_BACK:
            return read_for_rollback(self.cluster, request.target)
        return read(self.cluster, request.target, rivals=request.reads_rivals)


@dataclass(frozen=True)
class Outcome:
    """What came of a request.

    before: shares at the start. snapshot: as it is now. written: in order.
    decision: the last one; Rejected says what ended the request after it had written something.
    live: the proxies that run the weights which were written last. extent: how many were asked for those.
    settled: seconds until all proxies ran a write, by its index in `written`.
    warnings: what to report although the request went well. measurements: what was counted on the present step.
    """

    before: Mapping[str, Share]
    snapshot: Snapshot
    decision: Decision
    written: tuple[Transition, ...] = ()
    live: tuple[Live, ...] = ()
    extent: Extent | None = None
    settled: Mapping[int, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    measurements: Measurements | None = None

    @property
    def changed(self) -> bool:
        """Whether anything changed that matters to a user."""
        return any(transition.changed for transition in self.written)

    @property
    def judgement(self) -> Judgement | None:
        """The last one on the present step."""
        return self.measurements.judgement if self.measurements else None

    @property
    def live_after(self) -> float:
        """Seconds from the last write until every proxy was seen to run it; 0 where none was asked."""
        return max((each.after for each in self.live), default=0.0)

    @property
    def why(self) -> str:
        """What happened, or why nothing did."""
        reasons = [transition.why for transition in self.written if transition.changed]
        if not reasons or isinstance(self.decision, Rejected):
            reasons.append(self.decision.why)
        return "; ".join(reasons)

    @property
    def failed(self) -> bool:
        """Whether a user must act."""
        failed = any(transition.event is Event.FAILED for transition in self.written)
        held = [each.state.verdict for each in self.written if each.event is Event.HELD]
        # A deadline may end before the first measurement, and then there is a verdict and no judgement.
        unsure = held and (self.judgement is not None or any(each and each.result == "inconclusive" for each in held))
        return failed or bool(unsure) or isinstance(self.decision, Rejected)
