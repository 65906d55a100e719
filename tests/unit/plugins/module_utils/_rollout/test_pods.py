# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for pods: as short as it may be, and to the end with the reason that holds by then."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._rollout import pods
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.pods import wait_for_pods
from api_server import Answer, ApiServer
from api_server import Request as Sent
from pong_mesh import pod

Asked = Callable[..., Request]


def waited(session: Session, request: Request, seconds: float) -> str:
    return wait_for_pods(session, request, session.read(request), "too few", time.monotonic() + seconds)


def test_enough_pods_are_not_waited_for(session: Session, asked: Asked) -> None:
    assert waited(session, asked(), 30) == ""


def test_a_pod_that_gets_ready_ends_the_wait(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("pods", pod("v2", ready=False))

    def get_ready(_number: int, sent: Sent) -> None:
        if sent.watches:
            server.put("pods", pod("v2"))

    server.before = get_ready
    assert waited(session, asked(), 30) == ""


def test_the_reason_is_that_of_the_end(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("pods", pod("v2", ready=False))
    late = waited(session, asked(patience=7), 0)
    assert late.startswith("v2 cannot take 20 % yet: 0 of 1 pod ready: pod pong-v2-1")
    assert late.endswith("; waited 7 s, the weights stay v1 100 %, v2 0 %")


def test_an_outage_is_waited_out_and_a_missing_right_is_not(
    server: ApiServer, session: Session, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "PAUSE", 0.01)
    session.cluster._patience = 0
    request = asked()
    snapshot = session.read(request)
    server.before = lambda _number, _sent: Answer(503, "Down", "later")
    assert wait_for_pods(session, request, snapshot, "too few", time.monotonic() + 30) == ""
    server.before = lambda _number, _sent: Answer(403, "Forbidden", "no")
    with pytest.raises(ClusterError, match="403"):
        wait_for_pods(session, request, snapshot, "too few", time.monotonic() + 30)
