# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step, while others write the same object."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.progressive.istio.plugins.module_utils._release.model import (
    Decision,
    NoOp,
    Rejected,
    Transition,
)
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot
from ansible_collections.progressive.istio.plugins.module_utils._rollout.step import step_once
from ansible_collections.progressive.istio.plugins.module_utils._rollout.write import CONFLICTS
from api_server import ApiServer
from api_server import Request as Sent
from pong_mesh import NAMESPACE, weights_of

Asked = Callable[..., Request]


def as_decided(_snapshot: Snapshot, decision: Decision) -> Decision:
    return decision


def touch(server: ApiServer, times: int) -> None:
    """Let another writer be faster than the next so many patches."""
    left = iter(range(times))

    def interfere(_number: int, sent: Sent) -> None:
        if sent.method == "PATCH" and next(left, None) is not None:
            server.put("virtualservices", server.get("virtualservices", "pong", NAMESPACE))

    server.before = interfere


def test_a_decision_is_written(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()
    decision, after = step_once(session, request, session.read(request), as_decided, lambda _: session.read(request))
    assert isinstance(decision, Transition)
    assert after.shares == weights_of(server) == {"v1": 80, "v2": 20}


def test_it_is_decided_anew_after_a_conflict(server: ApiServer, session: Session, asked: Asked) -> None:
    request, seen = asked(), []
    touch(server, CONFLICTS - 1)

    def reread(snapshot: Snapshot) -> Snapshot:
        seen.append(snapshot.resource_version)
        return session.read(request)

    decision, _after = step_once(session, request, session.read(request), as_decided, reread)
    assert isinstance(decision, Transition)
    assert len(set(seen)) == CONFLICTS - 1
    assert weights_of(server) == {"v1": 80, "v2": 20}


def test_conflicts_end(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()
    touch(server, CONFLICTS)
    decision, after = step_once(session, request, session.read(request), as_decided, lambda _: session.read(request))
    assert isinstance(decision, Rejected)
    assert "another writer changed the VirtualService 6 times in a row" in decision.why
    assert after.shares == weights_of(server) == {"v1": 100, "v2": 0}
    assert len(server.sent("PATCH")) == CONFLICTS


def test_what_prepares_may_ask_for_another_decision_or_forbid_the_write(
    server: ApiServer, session: Session, asked: Asked
) -> None:
    request, decisions = asked(), []

    def prepare(snapshot: Snapshot, decision: Decision) -> Snapshot | Decision:
        decisions.append(decision)
        return NoOp("not now") if len(decisions) == 2 else snapshot

    decision, _after = step_once(session, request, session.read(request), prepare, lambda _: session.read(request))
    assert (decision, len(decisions), server.sent("PATCH")) == (NoOp("not now"), 2, [])
