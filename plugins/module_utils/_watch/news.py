# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a canary while it soaks, as events in one queue: threads follow its pods, its route and the judge."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .._k8s.auth import ClusterError
from .._k8s.changes import LONGEST, Changes
from .._k8s.client import POD, VIRTUAL_SERVICE, Cluster, Watch
from .._rollout.snapshot import Object, Refused, Snapshot

if TYPE_CHECKING:  # not needed to run where nothing is judged
    from .._analysis.measurements import Measurements
    from .judge import Judge

PAUSE = 1.0  # seconds before a watch that has ended is opened again
TELL_AGAIN = 30.0  # seconds between two lines about what keeps the analysis from counting


@dataclass(frozen=True)
class Measured:
    """The judge has measured again."""

    measurements: Measurements


@dataclass(frozen=True)
class NotCounting:
    """Something keeps the analysis from counting. why: one sentence."""

    why: str


@dataclass(frozen=True)
class PodsListed:
    """All pods, before their first change and after a gap in the watch."""

    pods: tuple[Object, ...]


@dataclass(frozen=True)
class PodChanged:
    """One pod was added, changed or deleted."""

    pod: Object
    deleted: bool


@dataclass(frozen=True)
class RouteChanged:
    """The VirtualService was changed or deleted."""

    virtual_service: Object
    deleted: bool


@dataclass(frozen=True)
class RouteUnknown:
    """The watch of the VirtualService was restarted; what happened before is unknown, so it must be read."""


@dataclass(frozen=True)
class WorkFailed:
    """A thread has ended by an error."""

    error: Exception


News: TypeAlias = "Measured | NotCounting | PodsListed | PodChanged | RouteChanged | RouteUnknown | WorkFailed"


class Feed:
    """The queue, and the threads that fill it until it is closed: those of the watches over all steps of a run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queue: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._over = threading.Event()
        self._pods: Changes | None = None
        self._route: Watch | None = None
        self._follows_route = False
        self._judge: Judge | None = None
        self._judged = threading.Event()  # ends the thread of the present judge
        self._watched: set[str] = set()  # what is being watched just now, without a gap before it

    def take(self, seconds: float) -> Iterator[News]:
        """Wait so long for the first event, and yield all there are."""
        with suppress(queue.Empty):
            yield self._queue.get(timeout=seconds)
            while True:
                yield self._queue.get_nowait()

    def close(self) -> None:
        """End the threads. What they still report is not taken any more."""
        self._over.set()
        self.stop_judging()
        for each in (self._pods, self._route):
            if each:
                each.close()

    def judge(self, judge: Judge) -> None:
        """Report what the judge says, again and again, until `stop_judging`."""
        self._judge, self._judged = judge, over = judge, threading.Event()

        def work() -> None:
            tell_next = 0.0
            while not over.is_set():
                begin = time.monotonic()
                measurements = judge.measure()
                if over.is_set():
                    return
                self._queue.put(Measured(measurements))
                if judge.trouble and begin > tell_next:
                    tell_next = begin + TELL_AGAIN
                    self._queue.put(NotCounting(judge.trouble))
                over.wait(max(0.0, begin + judge.pace - time.monotonic()))

        self._start(work, over)

    def stop_judging(self) -> None:
        """End the thread of the judge."""
        self._judged.set()
        if self._judge:
            self._judge.close()
            self._judge = None

    def follow_pods(self, snapshot: Snapshot) -> bool:
        """Report all changes of the pods of the service since this snapshot; False where there is no service."""
        if self._pods:
            return True
        if snapshot.service is None or not snapshot.has_pods:
            return False
        pods = Changes(self._cluster, POD, snapshot.service.namespace, snapshot.selector, since=snapshot.pods_version)
        if not snapshot.pods_version:
            self._queue.put(PodsListed(tuple(pods.list())))
        self._pods = pods

        def listed() -> None:
            self._queue.put(PodsListed(tuple(pods.list())))

        def changed(seconds: float) -> None:
            found = pods.follow(seconds)
            self._watched.add("pods")
            for event, pod in found:
                self._queue.put(PodChanged(pod, event == "DELETED"))

        self._start(lambda: self._follow("pods", changed, listed))
        return True

    def follow_route(self, snapshot: Snapshot) -> None:
        """Report all changes of the VirtualService since this snapshot.

        One that has not been written for long is too old to begin with; then the watch begins with what is there.
        It is read once the watch is open, and not listed before, for which the permission to read it is enough.
        """
        if self._follows_route:
            return
        self._follows_route = True
        target, since = snapshot.target, [snapshot.resource_version]

        def changed(seconds: float) -> None:
            begun = since.pop() if since else ""
            self._route = self._cluster.watch(VIRTUAL_SERVICE, target.namespace, seconds, name=target.name, since=begun)
            if self._over.is_set():  # meanwhile
                self._route.close()
            if not begun:
                self._queue.put(RouteUnknown())
            self._watched.add("route")
            for event, thing in self._route:
                self._queue.put(RouteChanged(thing, event == "DELETED"))

        self._start(lambda: self._follow("route", changed, lambda: None))

    @property
    def up_to_date(self) -> bool:
        """Whether both watches are open, so that what they have reported is all there is."""
        return self._watched == {"pods", "route"}

    def _start(self, work: Callable[[], None], over: threading.Event | None = None) -> None:
        threading.Thread(target=self._work, args=(work, over or self._over), daemon=True).start()

    def _work(self, work: Callable[[], None], over: threading.Event) -> None:
        try:
            work()
        except Exception as error:  # a flaw must not be taken for a canary without failures
            if not over.is_set():
                self._queue.put(WorkFailed(error))

    def _follow(self, what: str, changed: Callable[[float], None], listed: Callable[[], None]) -> None:
        """Watch, and list and watch again whenever a watch has ended or broken off."""
        gap = False
        while not self._over.is_set():
            begin = time.monotonic()
            try:
                if gap:
                    listed()
                gap = True
                try:
                    changed(LONGEST)
                finally:
                    self._watched.discard(what)
                if time.monotonic() - begin < PAUSE:  # as one does that is refused in its first line
                    self._over.wait(PAUSE)
            except ClusterError as error:
                if error.status in (401, 403):
                    raise Refused([str(error)]) from error
                self._over.wait(PAUSE)  # the main thread meets the same outage and judges it
