# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step under watch, by the module `canary`, while its pods and its route change."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._canary import call as calls
from ansible_collections.progressive.istio.plugins.module_utils._canary.options import ARGUMENTS
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import load
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._watch import soak
from api_server import Answer, ApiServer, Request
from canary_steps import advanced, agree, edit, meanwhile, set_weights
from pong_mesh import (
    ANNOTATION,
    NAMESPACE,
    pod,
    state_of,
    weights_of,
)

Call = Callable[..., dict[str, Any]]


class Overdue(BaseException):
    """What Ansible raises in the midst of a task whose timeout is over."""


class TestSoak:
    """Watching a step."""

    def test_it_lasts_as_long_as_the_interval(self, server: ApiServer, call: Call) -> None:
        started = time.monotonic()
        result = call(**advanced(interval=0.4))
        assert 0.3 < time.monotonic() - started < 15
        assert (result["changed"], result["phase"], result["api_requests"]) == (True, "progressing", 10)
        assert state_of(server)["holder"] is None
        assert len(server.sent("PATCH")) == 2

    def test_a_canary_that_dies_is_taken_back_at_once(self, server: ApiServer, call: Call) -> None:
        meanwhile(server, lambda: server.delete("pods", "pong-v2-1", NAMESPACE))
        started = time.monotonic()
        result = call(**advanced(interval=30))
        assert time.monotonic() - started < 15
        assert result["failed"]
        assert result["phase"] == "rolled_back"
        assert "failed, from 10 back to 0 %: v2 has no ready pod left: it has no pods" in result["msg"]
        assert weights_of(server) == {"v1": 100, "v2": 0}
        assert agree(server)
        assert "set confirm: true to continue anyway" in call(**advanced())["msg"]

    @pytest.mark.parametrize("moment", range(1, 9))
    def test_a_canary_that_dies_at_any_moment_of_a_step_is_taken_back(
        self, server: ApiServer, call: Call, moment: int
    ) -> None:
        """Its last pod goes with the n-th request, such as the one that opens the watch."""

        def die(number: int, request: Request) -> None:
            if number == moment:
                server.delete("pods", "pong-v2-1", NAMESPACE)

        server.before = die
        started = time.monotonic()
        result = call(**advanced(interval=30))
        assert time.monotonic() - started < 15  # it would soak for 30
        assert result["failed"]
        assert "no pods" in result["msg"]
        assert weights_of(server) == {"v1": 100, "v2": 0}

    def test_a_canary_that_dies_while_a_watch_is_broken_off_is_taken_back(
        self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The watch that follows may not begin where the last one ended: that version is too old by then."""
        monkeypatch.setattr(soak, "PAUSE", 0.05)
        server.second = 0.2 / 30

        def die(number: int, request: Request) -> None:
            watches = [each for each in server.requests if each.watches and each.path.endswith("/pods")]
            if watches and request.path.endswith("/pods") and not request.watches:
                server.delete("pods", "pong-v2-1", NAMESPACE)
                server.oldest = int(watches[-1].query["resourceVersion"]) + 1
                server.before = lambda number, request: None

        server.before = die
        started = time.monotonic()
        assert call(**advanced(interval=30))["phase"] == "rolled_back"
        assert time.monotonic() - started < 15  # it would soak for 30

    def test_the_watch_of_a_route_that_was_written_long_ago_begins_with_what_is_there(
        self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(soak, "PAUSE", 0.05)

        def moved(number: int, request: Request) -> None:
            if request.watches and request.path.endswith("/virtualservices"):
                server.oldest = 10_000
                edit(server, set_weights(60, 40))
                server.before = lambda number, request: None

        server.before = moved
        assert "another writer changed the weights" in call(**advanced(interval=30))["msg"]

    def test_nothing_is_watched_any_more_when_it_is_over(self, server: ApiServer, call: Call) -> None:
        meanwhile(server, lambda: server.put("pods", pod("v2", ready=False)))
        before = set(threading.enumerate())
        assert call(**advanced(interval=60))["phase"] == "rolled_back"
        left = [each for each in set(threading.enumerate()) - before if "_work" in each.name]
        for each in left:
            each.join(2)
        assert not any(each.is_alive() for each in left)

    @pytest.mark.parametrize(("policy", "weight"), [("hold", 50), ("step_down", 10), ("rollback", 0)])
    def test_what_a_failure_does_is_a_choice(self, server: ApiServer, call: Call, policy: str, weight: int) -> None:
        call(**advanced())
        call(**advanced())
        meanwhile(server, lambda: server.put("pods", pod("v2", ready=False)))
        assert call(**advanced(interval=30, on_failure=policy))["failed"]
        assert weights_of(server)["v2"] == weight

    def test_requests_do_not_go_back_to_pods_that_are_not_there(self, server: ApiServer, call: Call) -> None:
        server.delete("pods", "pong-v1-1", NAMESPACE)
        meanwhile(server, lambda: server.delete("pods", "pong-v2-1", NAMESPACE))
        result = call(**advanced(interval=30))
        assert "not rolled back because v1 takes no requests: it has no pods" in result["msg"]
        assert weights_of(server) == {"v1": 90, "v2": 10}

    def test_a_writer_who_never_stops_ends_the_watch(self, server: ApiServer, call: Call) -> None:
        """The canary has failed, and each write that would take it back meets a conflict."""

        def interfere(number: int, request: Request) -> None:
            if request.watches:
                server.put("pods", pod("v2", ready=False))
            elif request.method == "PATCH" and weights_of(server)["v2"] == 10:
                edit(server, lambda service: service["metadata"]["labels"].update(version=str(number)))

        server.before = interfere
        started = time.monotonic()
        result = call(**advanced(interval=30))
        assert time.monotonic() - started < 15  # it would soak for 30
        assert (result["failed"], result["changed"], weights_of(server)) == (True, True, {"v1": 90, "v2": 10})
        assert "another writer changed the VirtualService 6 times in a row" in result["msg"]
        assert "its lease ends by itself" in result["msg"]
        assert agree(server)

    def test_a_person_who_rolls_back_is_noticed(self, server: ApiServer, call: Call) -> None:
        def by_hand(service: dict[str, Any]) -> None:
            set_weights(100, 0)(service)
            state = json.loads(service["metadata"]["annotations"][ANNOTATION])
            state |= {"phase": "rolled_back", "weights": {"stable": 100, "canary": 0}, "since": "2026-01-01T00:00:00Z"}
            service["metadata"]["annotations"][ANNOTATION] = json.dumps(state | {"run": "hers", "holder": None})

        meanwhile(server, lambda: edit(server, by_hand))
        started = time.monotonic()
        result = call(**advanced(interval=30))
        assert time.monotonic() - started < 15
        assert (result["failed"], result["changed"]) == (True, True)
        assert "this run stops because the watched release has changed: v2 is rolled back" in result["msg"]
        assert weights_of(server) == {"v1": 100, "v2": 0}

    def test_weights_that_move_are_noticed(self, server: ApiServer, call: Call) -> None:
        meanwhile(server, lambda: edit(server, set_weights(60, 40)))
        assert "another writer changed the weights: v1 60 %, v2 40 % now" in call(**advanced(interval=30))["msg"]
        assert state_of(server)["holder"] is None

    def test_other_edits_do_not_matter(self, server: ApiServer, call: Call) -> None:
        meanwhile(server, lambda: edit(server, lambda service: service["metadata"]["labels"].update(a="b")))
        assert call(**advanced(interval=0.4))["changed"]

    def test_a_virtual_service_that_is_deleted_is_noticed(self, server: ApiServer, call: Call) -> None:
        meanwhile(server, lambda: server.delete("virtualservices", "pong", NAMESPACE))
        assert "VirtualService shop/pong was deleted while v2 soaked" in call(**advanced(interval=30))["msg"]

    def test_a_soak_that_has_begun_is_watched_to_its_end(self, server: ApiServer, call: Call) -> None:
        began = datetime.fromisoformat(call(**advanced(interval=1, watch=0))["since"])
        result = call(**advanced(interval=1))
        assert datetime.now(UTC) - began >= timedelta(seconds=1)
        assert (result["changed"], weights_of(server)["v2"]) == (False, 10)
        assert "v2 has soaked" in result["msg"]

    def test_a_watch_may_be_cut_short(self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(ARGUMENTS["watch"], "type", "float")  # people need no less than a second
        started = time.monotonic()
        call(**advanced(interval=30, watch=0.2))
        assert 0.2 <= time.monotonic() - started < 15

    def test_an_outage_is_sat_out(self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(calls, "connect", lambda params: Cluster(lambda: load(params), patience=0))
        monkeypatch.setattr(soak, "PAUSE", 0.05)
        outage = iter(range(3))

        def fail(number: int, request: Request) -> Answer | None:
            look = number > 7 and request.path.endswith("/pods") and not request.watches
            if request.watches and request.path.endswith("/pods"):
                server.put("pods", pod("v2", ready=False))
            if not look:
                return None
            server.put("pods", pod("v2"))
            return Answer(503, "Down", "later") if next(outage, None) is not None else None

        server.before = fail
        result = call(**advanced(interval=2))
        assert next(outage, None) is None
        assert (result.get("failed", False), weights_of(server)["v2"]) == (False, 10)
        assert state_of(server)["holder"] is None

    def test_an_outage_does_not_last_for_ever(
        self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "connect", lambda params: Cluster(lambda: load(params), patience=0))
        monkeypatch.setattr(soak, "PAUSE", 0.05)
        monkeypatch.setattr(soak, "OUTAGE", 0.2)

        def fail(number: int, request: Request) -> Answer | None:
            if request.watches:
                server.put("pods", pod("v2", ready=False))
            return Answer(503, "Down", "later") if number > 7 and not request.watches else None

        server.before = fail
        result = call(**advanced(interval=30))
        assert "GET Pod shop in" in result["msg"]
        assert "its lease ends by itself: PATCH VirtualService" in result["msg"]
        assert (result["failed"], result["changed"], weights_of(server)["v2"]) == (True, True, 10)

    def test_a_watch_that_is_not_allowed_is_told(self, server: ApiServer, call: Call) -> None:
        forbidden = Answer(403, "Forbidden", "cannot watch")
        server.before = lambda number, request: forbidden if request.watches else None
        result = call(**advanced(interval=30))
        assert "cannot watch (403 Forbidden)" in result["msg"]
        assert (result["failed"], result["changed"], state_of(server)["holder"]) == (True, True, None)

    def test_lines_are_told_as_they_come(self, call: Call, tmp_path: Path) -> None:
        run = {"id": "x", "progress": str(tmp_path / "progress")}
        call(**advanced(interval=60, watch=0, run=run))
        assert (tmp_path / "progress").read_text() == (
            "shop/pong  [##..................]  10 %  step 1 of 3  v2: 1 of 1 pod ready  soaks 60 s\n"
        )

    def test_the_timeout_of_a_task_releases_the_lease(self, server: ApiServer, call: Call) -> None:
        def overdue(_number: int, _frame: object) -> None:
            raise Overdue

        before = signal.signal(signal.SIGALRM, overdue)
        meanwhile(server, lambda: os.kill(os.getpid(), signal.SIGALRM))
        try:
            with pytest.raises(Overdue):
                call(**advanced(interval=30))
        finally:
            signal.signal(signal.SIGALRM, before)
        assert (weights_of(server)["v2"], state_of(server)["holder"]) == (10, None)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_releases_the_lease(self, server: ApiServer, call: Call, number: signal.Signals) -> None:
        meanwhile(server, lambda: os.kill(os.getpid(), number))
        result = call(**advanced(interval=30))
        assert f"stopped by {number.name} while the step soaked" in result["msg"]
        assert (weights_of(server)["v2"], state_of(server)["holder"]) == (10, None)
