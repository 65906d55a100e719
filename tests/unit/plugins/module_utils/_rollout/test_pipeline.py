# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop: what is read once, checked once, verified once, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Proof
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    Event,
    NoOp,
    Rejected,
    Transition,
    Want,
)
from ansible_collections.progressive.istio.plugins.module_utils._release.state import State
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.pipeline import carry_out
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Refused
from api_server import Answer, ApiServer
from api_server import Request as Sent
from pong_mesh import deployment, made_by, pod, state_of, virtual_service, weights_of

Asked = Callable[..., Request]


class Seen:
    """Proxies that run what is written at once."""

    discovered = None

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def know(self, _discovered: object) -> None:
        self.asked.append(("know",))

    def ready(self, _snapshot: object, gaining: tuple[str, ...]) -> None:
        self.asked.append(("ready", *gaining))

    def live(self, *_: object) -> Proof:
        self.asked.append(("live",))
        return Proof(())

    def reachable(self, _snapshot: object, versions: tuple[str, ...], _seconds: float) -> None:
        self.asked.append(("reachable", *versions))


def test_a_step_is_verified_written_and_proven(server: ApiServer, session: Session, asked: Asked) -> None:
    seen: Any = Seen()
    outcome = carry_out(replace(session, prover=seen), asked())
    assert seen.asked == [("know",), ("ready", "v2"), ("live",)]
    assert [each.event for each in outcome.written] == [Event.WEIGHTED]
    assert isinstance(outcome.snapshot.state, State)
    assert (weights_of(server), state_of(server).get("unverified")) == ({"v1": 80, "v2": 20}, None)


def test_it_takes_as_many_requests_as_ever(server: ApiServer, session: Session, asked: Asked) -> None:
    carry_out(session, asked())
    assert len(server.requests) == 6


def test_several_writes_of_one_request(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("virtualservices", virtual_service(100, versions=("v1",)))
    outcome = carry_out(session, asked())
    assert [each.event for each in outcome.written] == [Event.STARTED, Event.WEIGHTED]
    assert outcome.before == {"v1": 100}
    assert outcome.why == "v2: the route gains v2 at 0 %; v2: from 0 to 20 % by hand"


def test_nothing_to_do_is_no_failure(server: ApiServer, session: Session, asked: Asked) -> None:
    carry_out(session, asked())
    server.requests.clear()
    outcome = carry_out(session, asked())
    assert isinstance(outcome.decision, NoOp)
    assert (outcome.changed, outcome.failed, server.sent("PATCH")) == (False, False, [])


def test_a_rejection_before_a_write_is_raised(server: ApiServer, session: Session, asked: Asked) -> None:
    carry_out(session, asked(Want.ADVANCED))
    carry_out(session, asked(Want.HELD))
    with pytest.raises(Refused, match="VirtualService shop/pong: v2 is held at 10 % since"):
        carry_out(session, asked(Want.ADVANCED))
    assert weights_of(server) == {"v1": 90, "v2": 10}


def test_a_failure_after_a_write_is_an_outcome(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("virtualservices", virtual_service(100, versions=("v1",)))
    session.cluster._patience = 0

    def go_down(_number: int, sent: Sent) -> Answer | None:
        down = sent.method == "PATCH" and len(server.sent("PATCH")) > 1
        return Answer(503, "Down", "later") if down else None

    server.before = go_down
    outcome = carry_out(session, asked())
    assert isinstance(outcome.decision, Rejected)
    assert "503 Down" in outcome.decision.why
    assert (outcome.changed, outcome.failed, weights_of(server)) == (True, True, {"v1": 100, "v2": 0})


def test_the_part_of_a_rollback_that_stable_carries_is_proven_when_patience_ends(
    server: ApiServer, session: Session, asked: Asked
) -> None:
    server.put("virtualservices", virtual_service(0, 100))
    for version in ("v1", "v2"):
        server.put("deployments", deployment(version, 2))
        server.put("pods", made_by("a", pod(version)))
        server.put("pods", made_by("a", pod(version, 2, ready=version == "v2")))
    seen: Any = Seen()
    outcome = carry_out(replace(session, prover=seen), asked(Want.ROLLED_BACK))
    assert [each.weights for each in outcome.written if isinstance(each, Transition)] == [{"v1": 50, "v2": 50}]
    assert seen.asked == [("live",)]
    assert isinstance(outcome.decision, Rejected)
    assert "v2 keeps 50 % of the requests because v1 cannot take more yet" in outcome.decision.why


def test_a_lease_is_kept_only_where_the_release_progresses(server: ApiServer, session: Session, asked: Asked) -> None:
    for keep, holds in ((True, True), (False, False)):
        server.put("virtualservices", virtual_service(100, 0))
        carry_out(session, asked(Want.ADVANCED, keep=keep))
        assert (state_of(server)["holder"] is not None) is holds
