# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""One request to a canary: read, decide, write, prove, and again until there is nothing left to write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .._common.shares import Share, said
from .._k8s.auth import ClusterError
from .._k8s.changes import Changes
from .._k8s.client import POD, VIRTUAL_SERVICE, Cluster
from .._k8s.kubectl import on, show
from .._k8s.rights import LISTED, Right, missing, of_a_move, of_a_proof
from .._preflight.finding import ERROR
from .._proxy import discovery
from .._proxy.attachment import NAMED, attachment_of
from .._proxy.discovery import DiscoveredGateways
from .._proxy.fleet import Extent, NotLive, Unproven
from .._proxy.poll import Live
from .._release.cleanup import cleanup
from .._release.lease import has_ended
from .._release.machine import decide, released
from .._release.model import Command, Decision, Event, NoOp, Rejected, Transition, Wait, Want
from .._release.plan import Plan
from .._release.state import Phase, State, Verdict, pending_verification, unverified, verified
from .._routing.hosts import service_of
from .._routing.virtual_service import ANNOTATION, Operations, RouteError, annotate, move, note_of, patched, remove
from .check import guard
from .lost import Lost, raising
from .prover import Prover
from .read import Object, Refused, Snapshot, Target, pods_of, read, read_for_rollback

if TYPE_CHECKING:  # a call that judges nothing need not compile them
    from .._analysis.criteria import Criteria
    from .._analysis.judgement import Judgement
    from .._analysis.measurements import Measurements

CONFLICTS = 5  # how often others may write in between
REACH = 10.0  # seconds that the proxies have to know pods that a rollback has waited for
TURN = 10.0  # seconds after which it is read anew how many pods are wanted while they are waited for
PAUSE = 0.5  # seconds before the pods are watched anew when the API server ended the watch
BACK = frozenset({Event.ROLLED_BACK, Event.FAILED})  # requests go back to stable by these
NOTE_REFUSED = frozenset({400, 403, 413, 422})  # how API servers and their webhooks refuse an annotation
RETREATS = frozenset({Event.ROLLED_BACK, Event.FAILED, Event.HELD})  # never kept waiting by a proof


@dataclass(frozen=True)
class Call:
    """A request and how it is carried out.

    drain: not None asks for a cleanup instead of what the request wants; seconds without requests before it.
    check: predict, write nothing. patience: seconds to wait for pods.
    keep: the lease outlives the request, as long as the release moves on; lasting: it outlives the process too.
    watch: seconds to watch what soaks, None for as long as it does. tell: takes a line for the person who waits.
    prover: asks the proxies whether weights are live; None where nothing is written or they are not to be asked.
    skip: mesh rules that are not checked before a version gets more requests.
    criteria: what a step is judged by while it soaks; None: it is not.
    on_live: is called as soon as a weight that is to soak is seen live, before that is noted.
    """

    cluster: Cluster
    target: Target
    plan: Plan
    request: Command
    check: bool = False
    patience: float = 0.0
    drain: float | None = None
    keep: bool = False
    lasting: bool = False
    watch: float | None = None
    tell: Callable[[Snapshot, str], None] = lambda snapshot, line: None
    prover: Prover | None = None
    skip: tuple[str, ...] = ()
    criteria: Criteria | None = None
    on_live: Callable[[Snapshot], None] = lambda snapshot: None

    @property
    def moving(self) -> bool:
        """Whether a version may get more requests by this."""
        return self.request.want in (Want.ADVANCED, Want.WEIGHTED) and self.drain is None

    @property
    def reads_rivals(self) -> bool:
        """Whether all VirtualServices are read, for others may route the same hosts."""
        return self.moving and "one_route_per_gateway_host" not in self.skip


@dataclass(frozen=True)
class Outcome:
    """What came of a request. before: shares at the start; snapshot: as it is now; written: in order.

    decision: the last one; a Rejected decision says what ended the call after it had begun well.
    live: the proxies that run the weights which were written last. settled: seconds until all of them did, by the
    place of a write in `written`. extent: how many proxies were asked for the last one. warnings: what a person should
    hear of all the same. record: what was counted on the present step.
    """

    before: Mapping[str, Share]
    snapshot: Snapshot
    decision: Decision
    written: tuple[Transition, ...] = ()
    live: tuple[Live, ...] = ()
    extent: Extent | None = None
    settled: Mapping[int, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    record: Measurements | None = None

    @property
    def changed(self) -> bool:
        """Whether anything changed that matters to a person."""
        return any(transition.changed for transition in self.written)

    @property
    def judgement(self) -> Judgement | None:
        """The last one on the present step."""
        return self.record.judgement if self.record else None

    @property
    def live_after(self) -> float:
        """Seconds from the last write until every proxy was seen to run it; 0 where nobody was asked."""
        return max((each.after for each in self.live), default=0.0)

    @property
    def shares(self) -> Mapping[str, Share]:
        """Percent of all requests of the rule now, by version and by further destination."""
        return self.snapshot.all_shares

    @property
    def why(self) -> str:
        """What happened, or why nothing did."""
        reasons = [transition.why for transition in self.written if transition.changed]
        if not reasons or isinstance(self.decision, Rejected):
            reasons.append(self.decision.why)
        return "; ".join(reasons)

    @property
    def failed(self) -> bool:
        """Whether a person must look."""
        failed = any(transition.event is Event.FAILED for transition in self.written)
        held = [each.state.verdict for each in self.written if each.event is Event.HELD]
        # A deadline may end before the first look, and then there is a verdict and no judgement.
        unsure = held and (self.judgement is not None or any(each and each.result == "inconclusive" for each in held))
        return failed or bool(unsure) or isinstance(self.decision, Rejected)


class UncertainWrite(ClusterError):
    """The answer to a write of weights never came, and the object cannot be read now: it may be written or not."""

    def __init__(self, call: Call, lost: ClusterError) -> None:
        target, access = call.target, call.cluster.access
        where = [] if access.context in (access.server, "in-cluster") else ["--context", access.context]
        place = {"metadata": {"namespace": target.namespace, "name": target.name}}
        super().__init__(
            f"the weights of {target.place} may have been written or not: the answer to the write was lost, and it "
            f"cannot be read now; see `{on(where, show('VirtualService', place))}` "
            f"once the API server answers, or run the same again, which goes on from what it finds; {lost}",
            lost.status,
            lost.reason,
        )


def carry_out(call: Call) -> Outcome:
    """Do it. Raises Refused or ClusterError if it cannot be done and nothing was written.

    What is in the way after a write is a Rejected decision in the outcome, beside what was written.
    """
    prover = call.prover
    deadline = time.monotonic() + call.patience
    try:
        snapshot = _read(call)
    except ClusterError as error:
        raise _with_all_rights(call, error) from error
    outcome, conflicts = Outcome(snapshot.all_shares, snapshot, NoOp("")), 0
    shown: object = None
    guarded = waited = False
    try:
        while True:
            decision = answer(call, snapshot)
            if isinstance(decision, Rejected):
                raise Refused([f"{call.target.place}: {decision.why}"])
            if not guarded and call.moving and (_gaining(decision) or _awaits_pods(decision)):
                discovered, warnings = _guarded(call, snapshot)
                outcome, guarded = replace(outcome, warnings=warnings), True
                if prover:
                    prover.know(discovered)
            if prover and _rests_on_proof(snapshot, decision) and shown != _question(snapshot, decision):
                settled = _proven(call, prover, snapshot, decision)
                shown = settled and _question(settled, decision)
                snapshot, guarded = (settled, guarded) if settled else (_read(call), False)
                continue  # time has passed, and the step soaks from when it is written
            if _awaits_pods(decision) and not call.check:
                late = _wait_for_pods(call, snapshot, decision.why, deadline)
                if late:
                    return _unfinished(call, outcome, snapshot, late)
                snapshot, waited = _read_again(call, snapshot), True
                continue
            if not isinstance(decision, Transition):
                return replace(outcome, snapshot=snapshot, decision=decision)
            back = decision.event is Event.ROLLED_BACK
            if back and waited and prover:
                snapshot = _reached(prover, snapshot, decision)
            if back or (not decision.again and not (call.keep and decision.state.phase is Phase.PROGRESSING)):
                decision = replace(decision, state=released(decision.state))
            following = write(call, snapshot, decision, predicted=call.check and bool(outcome.written))
            if following is None:
                conflicts += 1
                if conflicts > CONFLICTS:
                    raise Refused([f"{call.target.place}: somebody else keeps writing it, {conflicts} times by now"])
                snapshot, guarded = _read_again(call, snapshot), False
                continue
            if _partial(decision):
                call = replace(call, request=replace(call.request, begun=True))
            if following.unnoted and _partial(decision) and not decision.moves:
                snapshot = following
                continue
            if following.unnoted and not decision.moves:
                already = f"{decision.state.stable} has all requests already"
                return replace(outcome, snapshot=following, decision=NoOp(already))
            outcome = replace(outcome, snapshot=following, decision=decision, written=(*outcome.written, decision))
            if prover and decision.moves and not _partial(decision):
                outcome = prove(call, prover, outcome, time.monotonic())
            snapshot = outcome.snapshot
            if outcome.decision is not decision or not decision.again:
                return outcome
    except (Refused, ClusterError) as error:
        if not outcome.written:
            raise
        return replace(outcome, snapshot=snapshot, decision=Rejected("; ".join(error.mistakes)))


def _partial(transition: Transition) -> bool:
    """Whether this is the part of a rollback that stable can carry now. Nothing rests on it, and the rest is urgent."""
    return transition.event is Event.ROLLED_BACK and transition.state.phase is Phase.HELD


def _reached(prover: Prover, snapshot: Snapshot, back: Transition) -> Snapshot:
    """Once every proxy has a host of the version whose pods have just come; if that is not to be seen, all the same.

    A pod is ready a moment before the proxies know it, and until then the canary answers.
    """
    try:
        prover.reachable(snapshot, _gaining(back), REACH)
    except (NotLive, Unproven, ClusterError) as error:
        problem = f"requests went back before every proxy was seen to know the new pods: {error}"
        return replace(snapshot, problems=(*snapshot.problems, problem))
    return snapshot


def _unfinished(call: Call, outcome: Outcome, snapshot: Snapshot, why: str) -> Outcome:
    """The outcome of a request whose patience has run out; what it has written until then is proven."""
    if not outcome.written:
        raise Refused([f"{call.target.place}: {why}"])
    outcome = replace(outcome, snapshot=snapshot)
    if call.prover and outcome.written[-1].moves and _partial(outcome.written[-1]):
        outcome = prove(call, call.prover, outcome, time.monotonic())
    doubts = [outcome.decision.why] if isinstance(outcome.decision, Rejected) else []
    return replace(outcome, decision=Rejected("; ".join([why, *doubts])))


def prove(call: Call, prover: Prover, outcome: Outcome, since: float) -> Outcome:
    """See the last write live, and let it soak from then on. since: when it was written (monotonic).

    If it is not live, a Rejected decision says where.
    """
    snapshot, (*earlier, last) = outcome.snapshot, outcome.written
    live: tuple[Live, ...] = ()
    try:
        watched = call.watch != 0 and last.event not in RETREATS and snapshot.pods is not None
        proof = prover.live(snapshot, since, raising(call.cluster, snapshot) if watched else None)
        live, outcome = proof.live, replace(outcome, extent=proof.extent)
        if not last.again and last.event not in RETREATS:
            call.on_live(snapshot)
        outcome = replace(outcome, snapshot=_settled(call, snapshot), live=live)
        return replace(outcome, settled={**outcome.settled, len(earlier): outcome.live_after})
    except Lost as lost:
        return _taken_back(call, prover, replace(outcome, snapshot=lost.snapshot), lost.verdict)
    except NotLive as error:
        why, live = str(error), error.live
        if last.event in BACK and not any(each.read for each in error.lagging):
            unseen = "; ".join(str(each) for each in error.lagging[:NAMED])
            why = f"the weights are set, but not seen to be live, because {unseen}"
            return replace(outcome, snapshot=replace(snapshot, problems=(*snapshot.problems, why)), live=live)
    except (Unproven, Refused, ClusterError) as error:
        why = (
            f"the weights are set, but {'that they are live is not noted' if live else 'not seen to be live'}: {error}"
        )
        if last.event in RETREATS:
            return replace(outcome, snapshot=replace(snapshot, problems=(*snapshot.problems, why)), live=live)
    if isinstance(snapshot.state, State) and snapshot.state.holder and not snapshot.unnoted:
        try:
            snapshot = _note(call, snapshot, released)
        except (Refused, ClusterError) as error:
            why = f"{why}; its lease ends by itself, for {error}"
    return replace(outcome, snapshot=snapshot, decision=Rejected(why), live=live)


def _taken_back(call: Call, prover: Prover, outcome: Outcome, verdict: Verdict) -> Outcome:
    """What a failure does to the weight that was written last, before that has been live everywhere."""
    snapshot = outcome.snapshot
    since = snapshot.state.since if isinstance(snapshot.state, State) else None
    failed = replace(call.request, want=Want.WATCHED, since=since, verdict=verdict, confirm=False, adopt=False)
    for _attempt in range(CONFLICTS):
        decision = answer(replace(call, request=failed), snapshot)
        if not isinstance(decision, Transition):
            return replace(outcome, snapshot=snapshot, decision=Rejected(f"{verdict.why}; {decision.why}"))
        decision = replace(decision, state=released(decision.state))
        following = write(call, snapshot, decision)
        if following:
            written = (*outcome.written, decision)
            outcome = replace(outcome, snapshot=following, decision=decision, written=written)
            return prove(call, prover, outcome, time.monotonic()) if decision.moves else outcome
        snapshot = _read(call)
    return replace(outcome, snapshot=snapshot, decision=Rejected(f"{verdict.why}; somebody else keeps writing it"))


def answer(call: Call, snapshot: Snapshot) -> Decision:
    """What the state machine says to the request now."""
    holder = snapshot.state.holder if isinstance(snapshot.state, State) else None
    observed = snapshot.observed(holder_ended=holder is not None and has_ended(holder))
    if call.drain is not None:
        return cleanup(snapshot.state, observed, call.request, call.drain, call.cluster.now())
    request = replace(call.request, begun=True) if snapshot.foreign else call.request
    return decide(snapshot.state, observed, call.plan, request, call.cluster.now())


def write(call: Call, snapshot: Snapshot, transition: Transition, predicted: bool = False) -> Snapshot | None:
    """The snapshot after the write, or None if somebody else has written since the read.

    predicted: not sent at all, for a dry run knows nothing of the dry runs before it.
    """
    state = transition.state
    if transition.moves:
        state = pending_verification(state) if call.prover else verified(state)
    virtual_service, note = snapshot.virtual_service, None if snapshot.foreign else snapshot.noted(state)
    try:
        if transition.event is Event.CLEANED:
            (over,) = transition.before.keys() - transition.weights.keys()
            operations = remove(virtual_service, snapshot.route, over, snapshot.noted(state))
        elif transition.moves:
            _make_sure(snapshot, transition)
            operations = _moved(snapshot, transition, note)
        else:
            operations = annotate(virtual_service, snapshot.noted(state))
    except RouteError as error:
        raise Refused([f"{call.target.place}: {error}"]) from error
    if predicted:
        return snapshot.rewritten(patched(virtual_service, operations))
    try:
        following = send(call, snapshot, operations, note)
    except ClusterError as error:
        if transition.event not in BACK or note is None or error.status not in NOTE_REFUSED:
            raise
        return _written_without_note(call, snapshot, transition, error)
    if following and snapshot.foreign:
        return _unnoted(following, f"the annotation {ANNOTATION} is that of another release, which is under way")
    return following


def _moved(snapshot: Snapshot, transition: Transition, note: str | None) -> Operations:
    """The patch of a move; where it is made in several routes, none gives the canary more than it has there."""
    canary, before = transition.state.canary, transition.before
    share = transition.weights.get(canary, 0)
    also = [route for route in snapshot.also if route.shares(before).get(canary, 0) > share]
    return move(snapshot.virtual_service, [snapshot.route, *also], before, transition.weights, note)


def _written_without_note(
    call: Call, snapshot: Snapshot, transition: Transition, refusal: ClusterError
) -> Snapshot | None:
    """The weights alone, where the API server refuses them together with the annotation, such as one that is full."""
    following: Snapshot | None = snapshot
    if transition.moves:
        try:
            following = send(call, snapshot, _moved(snapshot, transition, None), None)
        except ClusterError:
            raise refusal from None
    return following and _unnoted(following, str(refusal))


def _unnoted(snapshot: Snapshot, why: str) -> Snapshot:
    problem = (
        f"the weights are set, but the annotation does not say that {snapshot.target.canary} was rolled back, for "
        f"{why}; until it does a scheduled run may begin the release again"
    )
    return replace(snapshot, unnoted=True, problems=(*snapshot.problems, problem))


def send(call: Call, snapshot: Snapshot, operations: Operations, note: str | None) -> Snapshot | None:
    """The snapshot after the patch, or None if somebody else has written since the read. note: the one in the patch."""
    name, namespace = call.target.name, call.target.namespace
    try:
        written = call.cluster.patch(VIRTUAL_SERVICE, name, namespace, operations, dry_run=call.check)
    except ClusterError as error:
        if not _may_be_written(error) or call.check:
            raise
        try:
            now = call.cluster.get(VIRTUAL_SERVICE, name, namespace)
        except ClusterError as blind:
            if any(operation["path"].startswith("/spec/") for operation in operations):
                raise UncertainWrite(call, error) from blind
            raise error from blind
        if now and _is_written(now, snapshot, operations, note):
            return snapshot.rewritten(now)  # ours: only the answer was lost
        if now and now["metadata"]["resourceVersion"] == snapshot.virtual_service["metadata"]["resourceVersion"]:
            raise
        return None
    return snapshot.rewritten(written)


def _is_written(now: Object, snapshot: Snapshot, operations: Operations, note: str | None) -> bool:
    """Whether this is what the patch makes of the VirtualService."""
    if note is not None:
        return note_of(now) == note
    return bool(now["spec"] == patched(snapshot.virtual_service, operations)["spec"])


def _may_be_written(error: ClusterError) -> bool:
    """Whether a write that failed may be written all the same, or another one in its place."""
    conflict = error.status in (409, 422)  # those of a patch whose test failed, among others
    return conflict or error.status is None or error.status >= 500


def _read(call: Call) -> Snapshot:
    if call.request.want is Want.ROLLED_BACK:
        return read_for_rollback(call.cluster, call.target)
    return read(call.cluster, call.target, rivals=call.reads_rivals)


def _read_again(call: Call, snapshot: Snapshot) -> Snapshot:
    """The snapshot as it is now. What a rollback has waited for it does not forget because one read was too slow."""
    now = _read(call)
    if now.pods is None and snapshot.pods is not None:
        return snapshot.rewritten(now.virtual_service)
    return now


def _guarded(call: Call, snapshot: Snapshot) -> tuple[DiscoveredGateways | None, tuple[str, ...]]:
    """The gateways and what should be known of the route; Refused if a rule of the mesh stands against the request."""
    warnings: list[str] = []
    discovered = None
    try:
        discovered = discovery.discover(call.cluster, attachment_of(snapshot.virtual_service, snapshot.route.rule))
    except ClusterError as error:
        if error.status != 403:
            raise
        if not call.prover:  # else the proof says it
            warnings.append(f"the rules about gateways were not checked: {error}")
    if call.keep and missing(call.cluster, _rights_to_move(call, snapshot)):  # it watches, which comes after the write
        raise Refused([f"{_lacking(call, snapshot, discovered)}; the weights stay {said(snapshot.all_shares)}"])
    found = guard(snapshot, discovered, call.skip)
    errors = [finding for finding in found if finding.severity == ERROR]
    if errors:
        stay = f"the weights stay {said(snapshot.all_shares)}, by the check {{}}"
        raise Refused([f"{finding}; {stay.format(finding.check)}" for finding in errors])
    return discovered, (*warnings, *map(str, found))


def _with_all_rights(call: Call, error: ClusterError, snapshot: Snapshot | None = None) -> ClusterError:
    """Where a right was missing: the same error with all the others that this call would have missed."""
    if error.status != 403 or call.request.want is Want.ROLLED_BACK:
        return error
    lacking = _lacking(call, snapshot, call.prover.discovered if call.prover else None)
    return ClusterError(f"{error}; {lacking}", error.status, error.reason) if lacking else error


def _lacking(call: Call, snapshot: Snapshot | None, discovered: DiscoveredGateways | None) -> str:
    """All rights that this call needs and does not have, as one sentence."""
    rights = _rights_to_move(call, snapshot)
    if call.prover and snapshot:
        attachment = attachment_of(snapshot.virtual_service, snapshot.route.rule)
        pods = [pod for each in discovered.pods.values() for pod in each] if discovered else []
        namespaces = [pod["metadata"]["namespace"] for pod in pods]
        rights += of_a_proof((name.namespace for name in attachment.gateways), namespaces)
    lacking = ", ".join(map(str, missing(call.cluster, rights)))
    return f"the account may not {lacking}, which this needs: {LISTED}" if lacking else ""


def _rights_to_move(call: Call, snapshot: Snapshot | None) -> list[Right]:
    target = call.target
    service = snapshot.service if snapshot else service_of(target.destination_host or "", target.namespace)
    namespace = service.namespace if service else target.namespace
    return of_a_move(target.namespace, target.name, namespace, watches=call.keep)


def _awaits_pods(decision: Decision) -> bool:
    return isinstance(decision, Wait) and decision.until is None


def _rests_on_proof(snapshot: Snapshot, decision: Decision) -> bool:
    """Whether the weights that are set must be live before this is done; a way back never waits for that."""
    if _awaits_pods(decision) or (isinstance(decision, Transition) and decision.event in RETREATS):
        return False
    return unverified(snapshot.state) or bool(_gaining(decision))


def _gaining(decision: Decision) -> tuple[str, ...]:
    """The versions that get more requests."""
    if not isinstance(decision, Transition):
        return ()
    return tuple(name for name, share in decision.weights.items() if share > decision.before.get(name, 0))


def _question(snapshot: Snapshot, decision: Decision) -> object:
    return snapshot.virtual_service["metadata"]["resourceVersion"], _gaining(decision)


def _proven(call: Call, prover: Prover, snapshot: Snapshot, decision: Decision) -> Snapshot | None:
    """The snapshot, once its weights are live and those that follow can be; what was in doubt soaks from now on.

    None if they never will be, for somebody else has written others since the read.
    """
    try:
        prover.ready(snapshot, _gaining(decision))
    except NotLive as error:
        now = call.cluster.get(VIRTUAL_SERVICE, call.target.name, call.target.namespace)
        if now and now["metadata"]["resourceVersion"] != snapshot.virtual_service["metadata"]["resourceVersion"]:
            return None
        stay = f"the weights stay {said(snapshot.all_shares)}; state: rolled_back goes back all the same"
        raise Refused([f"{error}; {stay}"]) from error
    except (Unproven, ClusterError) as error:
        if isinstance(error, ClusterError):
            error = _with_all_rights(call, error, snapshot)
        stay = f"the weights stay {said(snapshot.all_shares)}, for it could not be seen whether others are live"
        raise Refused([f"{error}; {stay}; put that right first"]) from error
    return _settled(call, snapshot) if unverified(snapshot.state) else snapshot


def _settled(call: Call, snapshot: Snapshot) -> Snapshot:
    """Note that the weights are live as of now, where it is noted that they are set."""
    if snapshot.unnoted:
        return snapshot
    return _note(call, snapshot, lambda state: replace(verified(state), since=call.cluster.now()))


def _note(call: Call, snapshot: Snapshot, change: Callable[[State], State]) -> Snapshot:
    """Change what the annotation says of the weights that were written, as long as nobody has written others."""
    written = snapshot.state
    for _attempt in range(CONFLICTS):
        state = snapshot.state
        if not isinstance(state, State) or not isinstance(written, State) or state.since != written.since:
            break
        note = snapshot.noted(change(state))
        following = send(call, snapshot, annotate(snapshot.virtual_service, note), note)
        if following:
            return following
        snapshot = _read(call)
    return snapshot


def _make_sure(snapshot: Snapshot, transition: Transition) -> None:
    """A version that was taken out of the route gets no requests back by name alone."""
    for name, share in transition.weights.items():
        if share and name not in snapshot.route.destinations:
            version = snapshot.version(name)
            if not version.ready:
                raise RouteError(
                    f"{name} is no destination of HTTP route {snapshot.route.name} any more and cannot become one "
                    f"again: {version.lack}; the weights stay {said(snapshot.all_shares)}"
                )


def _wait_for_pods(call: Call, snapshot: Snapshot, why: str, deadline: float) -> str:
    """Return as soon as the pods may be enough; once patience has run out, with the reason that they give by then."""
    try:
        if _may_be_enough(call, snapshot, deadline):
            return ""
    except ClusterError as error:
        if error.status in (401, 403):
            raise
    time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))  # the watch has ended or broken off
    if time.monotonic() < deadline:
        return ""
    last = answer(call, pods_of(call.cluster, snapshot))
    why = last.why if isinstance(last, Wait) else why
    return f"{why}; waited {call.patience:g} s, the weights stay {said(snapshot.all_shares)}"


def _may_be_enough(call: Call, snapshot: Snapshot, deadline: float) -> bool:
    """Follow the pods until the state machine waits for them no longer: True; or as long as that can be done."""
    if snapshot.service is None:
        return False
    changes = Changes(call.cluster, POD, snapshot.service.namespace, snapshot.selector)
    pods = {pod["metadata"]["uid"]: pod for pod in changes.list()}
    if not _waits(call, snapshot, pods):
        return True
    for event, pod in changes.follow(min(TURN, max(0.0, deadline - time.monotonic()))):
        pods[pod["metadata"]["uid"]] = pod
        if event == "DELETED":
            del pods[pod["metadata"]["uid"]]
        if not _waits(call, snapshot, pods):
            return True
        if time.monotonic() > deadline:
            break
    return False


def _waits(call: Call, snapshot: Snapshot, pods: Mapping[str, Object]) -> bool:
    return _awaits_pods(answer(call, replace(snapshot, pods=tuple(pods.values()))))
