# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary without a ready pod is a failure; one that cannot be looked at is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.lost import Lost, loss, raising
from api_server import Answer, ApiServer
from pong_mesh import NAMESPACE, pod

Asked = Callable[..., Request]


def test_a_ready_pod_is_enough(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("pods", pod("v2", 2, ready=False))
    snapshot = session.read(asked())
    found, verdict = loss(session.cluster, snapshot)
    assert (verdict, found.versions["v2"].ready) == (None, 1)


def test_the_pods_are_read_anew(server: ApiServer, session: Session, asked: Asked) -> None:
    snapshot = session.read(asked())
    server.delete("pods", "pong-v2-1", NAMESPACE)
    found, verdict = loss(session.cluster, snapshot)
    assert found.versions["v2"].ready == 0
    assert verdict
    assert verdict.result == "fail"
    assert verdict.why.startswith("v2 has no ready pod left: it has no pods")
    with pytest.raises(Lost, match="v2 has no ready pod left"):
        raising(session.cluster, snapshot)()


def test_what_cannot_be_read_is_no_loss(server: ApiServer, session: Session, asked: Asked) -> None:
    snapshot = session.read(asked())
    session.cluster._patience = 0
    server.before = lambda _number, _sent: Answer(503, "Down", "later")
    raising(session.cluster, snapshot)()
