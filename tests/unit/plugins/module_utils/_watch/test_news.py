# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a soak, and the threads that report them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._rollout.read import read
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._watch import news
from ansible_collections.progressive.istio.plugins.module_utils._watch.news import (
    Feed,
    Measured,
    NotCounting,
    PodChanged,
    PodsListed,
    RouteChanged,
    RouteUnknown,
    WorkFailed,
)
from api_server import Answer, ApiServer
from api_server import Request as Sent
from pong_mesh import NAMESPACE, pod, virtual_service


@pytest.fixture
def feed(cluster: Cluster) -> Iterator[Feed]:
    made = Feed(cluster)
    yield made
    made.close()


@pytest.fixture
def snapshot(cluster: Cluster) -> Snapshot:
    return read(cluster, Target("pong", NAMESPACE, "v1", "v2"))


def first(feed: Feed, kind: type) -> Any:
    """The next event of this kind; StopIteration where none comes."""
    return next(each for _time in range(5) for each in feed.take(5) if isinstance(each, kind))


def test_pods_without_a_version_are_listed_first(feed: Feed, snapshot: Snapshot) -> None:
    assert feed.follow_pods(replace(snapshot, pods_version=""))
    assert len(first(feed, PodsListed).pods) == 2


def test_pods_are_followed_from_what_is_known(server: ApiServer, feed: Feed, snapshot: Snapshot) -> None:
    server.put("pods", pod("v2", ready=False))  # after the read, before the watch
    server.requests.clear()
    assert feed.follow_pods(snapshot)
    assert feed.follow_pods(snapshot), "the same watch serves the next step"
    changed = first(feed, PodChanged)
    assert (changed.pod["metadata"]["name"], changed.deleted) == ("pong-v2-1", False)
    server.delete("pods", "pong-v2-1", NAMESPACE)
    assert first(feed, PodChanged).deleted
    assert [each.watches for each in server.sent("GET", "pods")] == [True]


def test_it_is_up_to_date_while_both_watches_are_open(
    server: ApiServer, feed: Feed, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PAUSE", 30)
    server.second = 1 / news.LONGEST  # all watches end after a second

    def becomes(state: bool) -> bool:
        deadline = time.monotonic() + 5
        while feed.up_to_date is not state and time.monotonic() < deadline:
            time.sleep(0.01)
        return feed.up_to_date is state

    feed.follow_pods(snapshot)
    while feed._watched != {"pods"}:
        time.sleep(0.01)
    assert not feed.up_to_date
    feed.follow_route(snapshot)
    assert becomes(True)
    assert becomes(False)


def test_a_judge_that_is_over_says_nothing_more(feed: Feed) -> None:
    closed: list[bool] = []
    measure, go_on = threading.Event(), threading.Event()

    def late() -> int:
        measure.set()
        go_on.wait(5)
        return 1 // len(closed) * 7 // 0

    judge: Any = SimpleNamespace(measure=late, trouble="", pace=0.01, close=lambda: closed.append(True))
    feed.judge(judge)
    measure.wait(5)
    feed.stop_judging()
    go_on.set()
    assert (closed, list(feed.take(0.2))) == ([True], [])


def test_without_a_service_there_are_no_pods_to_follow(feed: Feed, snapshot: Snapshot) -> None:
    snapshot.__dict__["service"] = None
    assert not feed.follow_pods(snapshot)


def test_the_route_is_followed_from_what_is_known(server: ApiServer, feed: Feed, snapshot: Snapshot) -> None:
    server.put("virtualservices", virtual_service(60, 40))  # after the read, before the watch
    feed.follow_route(snapshot)
    changed = next(each for _time in range(5) for each in feed.take(5))
    assert isinstance(changed, RouteChanged)
    assert changed.virtual_service["spec"]["http"][1]["route"][1]["weight"] == 40
    server.delete("virtualservices", "pong", NAMESPACE)
    assert first(feed, RouteChanged).deleted


def test_a_route_whose_past_is_forgotten_must_be_read(
    server: ApiServer, feed: Feed, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PAUSE", 0.01)
    server.oldest = 10_000
    feed.follow_route(snapshot)
    assert first(feed, RouteUnknown)


def test_a_watch_that_is_refused_is_an_error(server: ApiServer, feed: Feed, snapshot: Snapshot) -> None:
    def refuse(_number: int, sent: Sent) -> Answer | None:
        return Answer(403, "Forbidden", "cannot watch") if sent.watches else None

    server.before = refuse
    feed.follow_route(snapshot)
    assert "cannot watch" in str(first(feed, WorkFailed).error)


def test_the_judge_reports_again_and_again_and_its_trouble_now_and_then(feed: Feed) -> None:
    records = iter(range(1000))
    judge: Any = SimpleNamespace(
        measure=lambda: next(records), trouble="no proxy answers", pace=0.01, close=lambda: None
    )
    feed.judge(judge)
    seen: list[Any] = []
    while sum(isinstance(each, Measured) for each in seen) < 3:
        seen += feed.take(5)
    assert [each.measurements for each in seen if isinstance(each, Measured)][:3] == [0, 1, 2]
    assert [each for each in seen if isinstance(each, NotCounting)] == [NotCounting("no proxy answers")]


def test_a_flaw_of_the_judge_is_no_silence(feed: Feed) -> None:
    judge: Any = SimpleNamespace(measure=lambda: 1 / 0, trouble="", pace=0.01, close=lambda: None)
    feed.judge(judge)
    assert isinstance(first(feed, WorkFailed).error, ZeroDivisionError)


def test_nothing_runs_after_the_end(cluster: Cluster, snapshot: Snapshot) -> None:
    before = set(threading.enumerate())
    feed = Feed(cluster)
    feed.follow_pods(snapshot)
    feed.follow_route(snapshot)
    feed.close()
    for each in set(threading.enumerate()) - before:
        if "_work" in each.name:
            each.join(5)
            assert not each.is_alive()
