# SPDX-License-Identifier: GPL-3.0-or-later
"""One call for many that ask for the same at the same time."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

_Result = TypeVar("_Result")


class Flights(Generic[_Result]):
    """Gives each caller the answer of a call that began after it asked; those that wait for the same one share it.

    So no answer is older than its question, and of equal calls at most one is under way and one follows it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._following: dict[Hashable, Future[_Result]] = {}  # by what is asked for; these have not begun
        self._turns: defaultdict[Hashable, Any] = defaultdict(threading.Lock)

    def share(self, question: Hashable, call: Callable[[], _Result]) -> _Result:
        """The answer to a question, by this call or by that of another caller. Raises what the call raised."""
        with self._lock:
            flight = self._following.get(question)
            if flight is None:
                mine = self._following[question] = Future()
                turn = self._turns[question]
        if flight is not None:
            return flight.result()
        with turn:
            with self._lock:
                del self._following[question]
            try:
                mine.set_result(call())
            except BaseException as error:
                mine.set_exception(error)
        return mine.result()
