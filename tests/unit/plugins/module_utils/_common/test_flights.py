# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Equal calls at the same time are made once, and no answer is older than its question."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.flights import Flights


class Slow:
    """A call that takes until it is let go, and counts itself."""

    def __init__(self) -> None:
        self.calls = 0
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> int:
        self.calls += 1
        answer = self.calls
        self.begun.set()
        assert self.let_go.wait(10)
        return answer


def waiting(flights: Flights[int], number: int) -> None:
    """Wait until so many questions are asked for a call that has not begun."""
    for _try in range(1000):
        if len(flights._following) == number:
            return
        threading.Event().wait(0.005)
    raise AssertionError(flights._following)


def test_those_who_ask_during_a_call_share_the_next_one() -> None:
    flights, slow = Flights[int](), Slow()
    with ThreadPoolExecutor(10) as threads:
        first = threads.submit(flights.share, "a", slow)
        assert slow.begun.wait(10)
        others = [threads.submit(flights.share, "a", slow) for _other in range(9)]
        waiting(flights, 1)
        assert slow.calls == 1, "two calls for the same at a time"
        slow.let_go.set()
        assert (first.result(10), {each.result(10) for each in others}) == (1, {2})


def test_other_questions_do_not_wait() -> None:
    flights, slow = Flights[int](), Slow()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(flights.share, "a", slow)
        assert slow.begun.wait(10)
        assert flights.share("b", lambda: 7) == 7
        slow.let_go.set()
        assert first.result(10) == 1


def test_a_failure_is_that_of_all_who_share_it_and_of_no_other() -> None:
    flights = Flights[int]()
    entered, let_go = threading.Event(), threading.Event()

    def fail() -> int:
        entered.set()
        assert let_go.wait(10)
        raise ValueError("away")

    with ThreadPoolExecutor(3) as threads:
        failing = [threads.submit(flights.share, "a", fail) for _each in range(3)]
        assert entered.wait(10)
        let_go.set()
        for each in failing:
            with pytest.raises(ValueError, match="away"):
                each.result(10)
    assert flights.share("a", lambda: 3) == 3


def test_one_after_the_other_each_is_asked() -> None:
    flights, answers = Flights[int](), iter(range(3))
    assert [flights.share("a", lambda: next(answers)) for _each in range(3)] == [0, 1, 2]
