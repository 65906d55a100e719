# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be known before a decision is carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    Decision,
    NoOp,
    Transition,
    Wait,
    Want,
)
from ansible_collections.progressive.istio.plugins.module_utils._release.state import pending_verification
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.decide import (
    awaits_pods,
    decide_on,
    gaining,
    rests_on_proof,
    watching,
    without_lease,
)
from api_server import ApiServer
from pong_mesh import pod, virtual_service

Asked = Callable[..., Request]
NOW = datetime(2026, 1, 31, tzinfo=UTC)


def decided(session: Session, request: Request) -> Decision:
    return decide_on(session, request, session.read(request))


def test_a_raise_is_named_by_who_gains(session: Session, asked: Asked) -> None:
    decision = decided(session, asked())
    assert gaining(decision) == ("v2",)
    assert gaining(NoOp("")) == ()


def test_only_missing_pods_are_waited_for(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("pods", pod("v2", ready=False))
    assert awaits_pods(decided(session, asked()))
    assert not awaits_pods(Wait(NOW, "soaks"))
    assert not awaits_pods(NoOp(""))


@pytest.mark.parametrize(("want", "rests"), [(Want.WEIGHTED, True), (Want.ROLLED_BACK, False), (Want.HELD, False)])
def test_a_retreat_rests_on_no_proof(
    server: ApiServer, session: Session, asked: Asked, want: Want, rests: bool
) -> None:
    server.put("virtualservices", virtual_service(90, 10))
    request = asked(want)
    snapshot = session.read(request)
    assert rests_on_proof(snapshot, decide_on(session, request, snapshot)) is rests


def test_unverified_weights_must_be_seen_before_anything_else(session: Session, asked: Asked) -> None:
    request = asked()
    snapshot = session.read(request)
    decision = decide_on(session, request, snapshot)
    assert isinstance(decision, Transition)
    known = replace(snapshot, state=decision.state)
    assert not rests_on_proof(known, NoOp(""))
    assert rests_on_proof(replace(known, state=pending_verification(decision.state)), NoOp(""))


def test_a_drain_asks_for_a_cleanup(session: Session, asked: Asked) -> None:
    assert decided(session, asked(Want.HELD, drain=0)) == NoOp(
        "no release is finished here, so no version can be removed"
    )


def test_a_watch_confirms_nothing(asked: Asked) -> None:
    request = asked(Want.ADVANCED)
    request = replace(request, command=replace(request.command, confirm=True, adopt=True))
    watched = watching(request, NOW, None).command
    assert (watched.want, watched.since, watched.confirm, watched.adopt) == (Want.WATCHED, NOW, False, False)


def test_the_lease_is_left_out_of_a_last_write(session: Session, asked: Asked) -> None:
    decision = decided(session, asked())
    assert isinstance(decision, Transition)
    assert decision.state.holder
    left = without_lease(decision)
    assert isinstance(left, Transition)
    assert (left.state.holder, left.weights) == (None, decision.weights)
    assert without_lease(NoOp("x")) == NoOp("x")
