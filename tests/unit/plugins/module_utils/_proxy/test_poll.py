# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.expectations import Get, Observation
from ansible_collections.progressive.istio.plugins.module_utils._proxy.poll import Poll

ONE = Proxy("gateway", "edge", "one", "1")


class Source:
    """A stream that says when it is asked, and answers when it is let."""

    def __init__(self, answer: bytes, *, free: bool = True) -> None:
        self.answer = answer
        self.asked = threading.Semaphore(0)
        self.free = threading.Event()
        if free:
            self.free.set()

    def get(self, path: str, timeout: float) -> bytes:
        self.asked.release()
        self.free.wait()
        return self.answer

    def has_been_seen(self) -> bool:
        """Whether an answer was taken in: who asks a second time has taken in the first one."""
        return all(self.asked.acquire(timeout=30) for _time in range(2))


def observe(get: Get, sidecar: bool) -> Observation:
    answer = get("/")
    return Observation(answer == b"yes", answer.decode())


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def poll(threads: ThreadPoolExecutor) -> Iterator[Poll]:
    with Poll(lambda: observe, threads, time.monotonic()) as poll:
        yield poll


def follow(poll: Poll, seconds: float, *sources: Any) -> list[Proxy]:
    return poll.follow(dict(zip([ONE], sources, strict=False)), time.monotonic() + seconds)


def test_what_a_closed_stream_still_brings_does_not_count(poll: Poll, threads: ThreadPoolExecutor) -> None:
    old, new = Source(b"yes", free=False), Source(b"no")
    assert follow(poll, 0.05, old) == [ONE]
    assert poll.shows(ONE) == "has not answered yet"
    assert follow(poll, 0.05, new) == [ONE]
    old.free.set()
    threads.submit(lambda: None).result(30)  # by the thread that asked the old one
    assert new.has_been_seen()
    assert poll.shows(ONE) == "no"


def test_a_proxy_with_another_stream_is_asked_anew(poll: Poll) -> None:
    old, new = Source(b"yes"), Source(b"yes", free=False)
    assert follow(poll, 30, old) == []
    assert follow(poll, 0.05, new) == [ONE]
    new.free.set()
    assert follow(poll, 30, new) == []


def test_a_removed_proxy_is_forgotten(poll: Poll) -> None:
    assert follow(poll, 30, Source(b"yes")) == []
    assert [live.proxy for live in poll.result()[0]] == [ONE]
    assert follow(poll, 0) == []
    assert poll.result() == ((), 0)


def test_no_proxy_is_asked_after_the_end(poll: Poll, threads: ThreadPoolExecutor) -> None:
    source = Source(b"no")
    follow(poll, 0.05, source)
    poll.__exit__()
    both = threading.Barrier(2)
    try:
        threads.submit(both.wait, 30)
        threads.submit(both.wait, 30).result()  # both threads of the pool are free: nobody asks
    finally:
        source.answer = b"yes"
