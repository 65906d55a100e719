"""Fortio's load by its REST API."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from lab.progress import LabError

START_SECONDS = 10.0
STOP_SECONDS = 15.0
PATIENCE = 10.0  # seconds for an answer, other than that of a load
RUNNING = 2


@dataclass(frozen=True)
class Answers:
    """The answers by status; -1 means no answer."""

    by_status: Counter[int]
    rate: float

    @property
    def sent(self) -> int:
        return self.by_status.total()

    @property
    def lost(self) -> int:
        """All answers but 200."""
        return self.sent - self.by_status[200]


def answers_of(report: Mapping[str, Any]) -> Answers:
    """Read fortio's report of an HTTP run; raise LabError for anything else. Pure."""
    if "RetCodes" not in report or "ActualQPS" not in report:
        raise LabError(f"fortio gave no result: {report.get('message') or report.get('error') or sorted(report)}")
    counts = {int(status): int(count) for status, count in report["RetCodes"].items()}
    return Answers(Counter(counts), float(report["ActualQPS"]))


class Fortio:
    """A fortio server, which runs one load at a time."""

    def __init__(self, server: str) -> None:
        self._server = server

    def wait(self) -> None:
        """Return when it answers."""
        self._until(lambda: self._ask("status", {}, PATIENCE) is not None, "does not answer")

    def start(self, url: str, host: str, rate: float, connections: int, seconds: float) -> Load:
        """Start a load, which ends after these seconds at the latest; return once it runs."""
        query = {
            "url": url,
            "qps": f"{rate:g}",
            "c": str(connections),
            "t": f"{seconds:g}s",
            "uniform": "on",
            **({"H": f"Host: {host}"} if host else {}),
        }
        load = Load(self, query, seconds)
        try:
            self._until(self._runs, "started no load")
        except LabError:
            load.stop()
            raise
        return load

    def stop(self) -> None:
        """Stop the load if one runs."""
        self._ask("stop", {"wait": "on"}, STOP_SECONDS)

    def carry_out(self, query: Mapping[str, str], seconds: float) -> Mapping[str, Any]:
        """Run a load to its end and return fortio's report."""
        return self._ask("run", query, seconds + STOP_SECONDS)

    def _runs(self) -> bool:
        statuses = self._ask("status", {}, PATIENCE).get("Statuses") or {}
        return any(status["State"] == RUNNING for status in statuses.values())

    def _until(self, condition: Callable[[], bool], trouble: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if condition():
                    return
            except LabError:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise LabError(f"fortio at {self._server} {trouble} within {START_SECONDS:g} s")
            time.sleep(0.05)

    def _ask(self, what: str, query: Mapping[str, str], timeout: float) -> Mapping[str, Any]:
        url = f"{self._server}/fortio/rest/{what}?{urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                found: Mapping[str, Any] = json.load(answer)
        except (OSError, HTTPException, ValueError) as error:
            raise LabError(f"fortio at {self._server} does not answer to '{what}': {error}") from error
        return found


class Load:
    """A load that runs in its own thread."""

    def __init__(self, fortio: Fortio, query: Mapping[str, str], seconds: float) -> None:
        self._fortio = fortio
        self._report: Mapping[str, Any] | LabError | None = None
        self._thread = threading.Thread(target=self._run, args=(query, seconds), daemon=True)
        self._thread.start()

    def stop(self) -> Answers:
        """Stop it and return the answers."""
        self._fortio.stop()
        self._thread.join(STOP_SECONDS)
        if self._report is None:
            raise LabError("fortio did not end its load")
        if isinstance(self._report, LabError):
            raise self._report
        return answers_of(self._report)

    def _run(self, query: Mapping[str, str], seconds: float) -> None:
        try:
            self._report = self._fortio.carry_out(query, seconds)
        except LabError as error:
            self._report = error
