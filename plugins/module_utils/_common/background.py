# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks in the background that do not keep the process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


def begin(task: Callable[[], _Result]) -> Future[_Result]:
    """Run the task in a daemon thread; the process would wait for those of an executor at its end."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
