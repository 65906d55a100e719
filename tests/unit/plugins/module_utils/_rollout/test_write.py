# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One patch: guarded, complete, and found again where its answer was lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._release.model import Transition, Want
from ansible_collections.progressive.istio.plugins.module_utils._release.state import State, unverified
from ansible_collections.progressive.istio.plugins.module_utils._rollout import write as module
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.decide import decide_on
from ansible_collections.progressive.istio.plugins.module_utils._rollout.parse import rewritten
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Refused, Snapshot
from ansible_collections.progressive.istio.plugins.module_utils._rollout.write import rewrite_note, write
from api_server import Answer, ApiServer, Drop
from api_server import Request as Sent
from pong_mesh import NAMESPACE, destination_rule, state_of, virtual_service, weights_of

Asked = Callable[..., Request]


def decided(session: Session, request: Request) -> tuple[Snapshot, Transition]:
    snapshot = session.read(request)
    decision = decide_on(session, request, snapshot)
    assert isinstance(decision, Transition)
    return snapshot, decision


def without_room(_number: int, sent: Sent) -> Answer | None:
    """Refuse every patch with an annotation."""
    full = sent.method == "PATCH" and "annotations" in str(sent.body)
    return Answer(422, "Invalid", "annotations are too long") if full else None


def test_weights_and_annotation_are_one_patch(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()
    after = write(session, request, *decided(session, request))
    assert after
    assert isinstance(after.state, State)
    assert (after.state.weight, after.shares, len(server.sent("PATCH"))) == (20, {"v1": 80, "v2": 20}, 1)
    assert not unverified(after.state)  # no proxy is asked whether they are live


def test_another_writer_wins(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()
    snapshot, decision = decided(session, request)
    server.put("virtualservices", virtual_service(60, 40))
    assert write(session, request, snapshot, decision) is None
    assert weights_of(server) == {"v1": 60, "v2": 40}


def test_what_is_predicted_is_not_sent(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()
    after = write(session, request, *decided(session, request), predicted=True)
    assert after
    assert after.shares == {"v1": 80, "v2": 20}
    assert server.sent("PATCH") == []


def test_an_answer_that_is_lost_is_found_by_a_read(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()

    def lose(_number: int, sent: Sent) -> None:
        if sent.method == "PATCH":
            raise Drop

    server.after = lose
    session.cluster._patience = 0
    after = write(session, request, *decided(session, request))
    assert after
    assert after.shares == weights_of(server) == {"v1": 80, "v2": 20}


def test_a_rollback_without_room_for_the_annotation_writes_the_weights(
    server: ApiServer, session: Session, asked: Asked
) -> None:
    server.put("virtualservices", virtual_service(50, 50))
    server.before = without_room
    request = asked(Want.ROLLED_BACK)
    after = write(session, request, *decided(session, request))
    assert after
    assert after.unnoted
    assert weights_of(server) == {"v1": 100, "v2": 0}
    assert "the annotation does not say that v2 was rolled back: " in after.problems[-1]


def test_any_other_write_without_room_for_it_fails(server: ApiServer, session: Session, asked: Asked) -> None:
    server.before = without_room
    request = asked()
    with pytest.raises(ClusterError, match="too long"):
        write(session, request, *decided(session, request))
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_a_version_that_was_removed_gets_no_requests_without_pods(
    server: ApiServer, session: Session, asked: Asked
) -> None:
    request = asked()
    snapshot, decision = decided(session, request)
    server.put("virtualservices", virtual_service(100, versions=("v1",)))
    server.put("destinationrules", destination_rule("v1"))
    gone = replace(rewritten(snapshot, server.get("virtualservices", "pong", NAMESPACE)), subsets={})
    with pytest.raises(Refused, match="v2 is no destination of HTTP route primary any more"):
        write(session, request, gone, decision)


def test_a_note_is_not_written_over_another_release(server: ApiServer, session: Session, asked: Asked) -> None:
    request = asked()
    after = write(session, request, *decided(session, request))
    assert after
    assert isinstance(after.state, State)
    later = replace(after.state, since=after.state.since.replace(year=2099), run="hers")
    thing = server.get("virtualservices", "pong", NAMESPACE)
    thing["metadata"]["annotations"][module.ANNOTATION] = after.noted(later)
    server.put("virtualservices", thing)
    found = rewrite_note(session, request, after, lambda state: replace(state, holder=None))
    assert isinstance(found.state, State)
    assert (found.state.run, state_of(server)["run"]) == ("hers", "hers")
    assert state_of(server)["holder"] is not None
