# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the admin interfaces of many proxies repeatedly, each in its own thread and at its own pace.

So no proxy waits for one that is slow or reconnects.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .._k8s.auth import ClusterError
from .._k8s.portforward import TIMEOUT, Stream
from .attachment import NAMED, Proxy

FIRST_TIMEOUT = 1.5 * TIMEOUT  # seconds for a request to a proxy, which may have to connect first
MAX_TIMEOUT = 4 * TIMEOUT  # seconds for a request to a proxy that has not answered in time before
PAUSE = 0.3  # seconds until the next request to a proxy that could not be read
LIST_AGAIN = 1.0  # seconds between two calls of `current`
UNREAD_AFTER = 5.0  # seconds without an answer until a proxy counts as unread
SLOW = 3  # or this many times as long as its last answer took, where that is more
CLOSE_TIMEOUT = 0.5  # seconds for open requests to end when the reader is closed
MAX_RATE = 5_000_000  # bytes a second read from a proxy; before Envoy 1.38 some answers have megabytes
SHARE = 0.005  # seconds between two requests to a proxy, for each proxy that is read


class Interval(NamedTuple):
    """every: seconds between two requests for a path. first: seconds until the first one."""

    every: float
    first: float = 0.0


class ProxySource(Protocol):
    """The proxies that are to be read."""

    def current(self) -> Mapping[Proxy, Stream]:
        """The present proxies with their streams; ClusterError if they cannot be listed."""

    def renew(self, proxy: Proxy) -> None:
        """Open another stream to a proxy; the present one waits for an answer."""


@dataclass(frozen=True)
class Readings:
    """The newest answers of each proxy, by path, also of proxies that went.

    unread: why proxies cannot be read that have not answered for some time. of: the number of proxies. failures: why
    the last request failed. present: the proxies that exist and are read.
    """

    answers: Mapping[Proxy, Mapping[str, bytes]]
    unread: Mapping[Proxy, str]
    of: int
    failures: Mapping[Proxy, str]
    present: frozenset[Proxy] = frozenset()

    @property
    def read(self) -> int:
        """How many proxies are read."""
        return self.of - len(self.unread)

    @property
    def gaps(self) -> str:
        """Which proxies cannot be read, for how long and why; empty if all can."""
        if not self.unread:
            return ""
        names = [f"{proxy} {why}" for proxy, why in sorted(self.unread.items())]
        more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
        return "; ".join([*names[:NAMED], *more])


@dataclass
class _Track:
    """The state of one proxy. began, answered: monotonic; took: seconds that the last answer took."""

    stream: Stream
    began: float
    answers: Mapping[str, bytes] | None = None
    answered: float = 0.0
    took: float = 0.0
    failure: str = ""
    busy: bool = False

    def unread(self, now: float) -> str:
        """Why it cannot be read; empty until that has lasted."""
        seconds = now - (self.answered or self.began)
        if seconds < max(UNREAD_AFTER, SLOW * self.took):
            return ""
        return f"cannot be read for {seconds:.0f} s: {self.failure or 'it has not answered yet'}"


@dataclass
class Reader:
    """Reads these paths of all proxies until it is closed. pace: least seconds between two requests to a proxy.

    intervals: further paths to read less often, on the same connection.
    """

    source: ProxySource
    paths: Sequence[str]
    pace: float
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    _tracks: dict[Proxy, _Track] = field(default_factory=dict)
    _past: dict[Proxy, Mapping[str, bytes]] = field(default_factory=dict)  # of proxies that went
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _count: int = 0  # of answers and failures
    _seen: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._follow(self.source.current())
        threading.Thread(target=self._list, name="reader", daemon=True).start()

    def newest(self, timeout: float) -> Readings:
        """The readings, as soon as there is something new, or after so many seconds.

        The first call waits until a proxy has answered or none can be read, for as long as an answer may take.
        """
        with self._changed:
            if self._seen:
                self._changed.wait_for(lambda: self._count > self._seen or self._over.is_set(), timeout)
            else:
                self._changed.wait_for(self._has_begun, TIMEOUT)
            self._seen = self._count
            now = time.monotonic()
            tracks = dict(self._tracks)
            answers = {proxy: track.answers for proxy, track in tracks.items() if track.answers}
            unread = {proxy: why for proxy, track in tracks.items() if (why := track.unread(now))}
            return Readings(
                {**self._past, **answers},
                unread,
                len(tracks),
                {proxy: track.failure for proxy, track in tracks.items() if track.failure},
                frozenset(answers.keys() - unread.keys()),
            )

    def close(self) -> None:
        """Stop reading. A proxy that still owes an answer gets another stream, on which no request waits."""
        self._over.set()
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(track.busy for track in self._tracks.values()), CLOSE_TIMEOUT)
            late = [proxy for proxy, track in self._tracks.items() if track.busy]
        for proxy in late:
            self.source.renew(proxy)

    def _has_begun(self) -> bool:
        tracks = self._tracks.values()
        return self._over.is_set() or any(track.answers for track in tracks) or all(track.failure for track in tracks)

    def _list(self) -> None:
        """Follow the proxies that come and go. While they cannot be listed, the known ones are read."""
        while not self._over.wait(LIST_AGAIN):
            try:
                self._follow(self.source.current())
            except ClusterError:
                continue  # the watch handles the same outage

    def _follow(self, streams: Mapping[Proxy, Stream]) -> None:
        with self._changed:
            if self._over.is_set():
                return
            for proxy in [each for each, track in self._tracks.items() if streams.get(each) is not track.stream]:
                track = self._tracks.pop(proxy)
                if track.answers:
                    self._past[proxy] = track.answers
            new = {proxy: stream for proxy, stream in streams.items() if proxy not in self._tracks}
            for proxy, stream in new.items():
                self._tracks[proxy] = _Track(stream, time.monotonic())
                threading.Thread(target=self._read, args=(proxy,), name="reader", daemon=True).start()

    def _read(self, proxy: Proxy) -> None:
        track = self._tracks.get(proxy)
        timeout = FIRST_TIMEOUT
        due = {path: time.monotonic() + each.first for path, each in self.intervals.items()}
        while track and self._begins(proxy, track):
            begin = time.monotonic()
            asked = [*self.paths, *(path for path, at in due.items() if at <= begin)]
            try:
                bodies = track.stream.get_all(asked, timeout)
            except ClusterError as error:
                self._ended(track, None, str(error), 0.0)
                timeout = min(MAX_TIMEOUT, 2 * timeout)
                pause = PAUSE
            else:
                timeout = FIRST_TIMEOUT
                took = time.monotonic() - begin
                due |= {path: begin + self.intervals[path].every for path in asked if path in due}
                self._ended(track, {**(track.answers or {}), **bodies}, "", took)
                size = sum(map(len, bodies.values()))
                pause = max(0.0, max(self.pace, SHARE * len(self._tracks), size / MAX_RATE) - took)
            self._over.wait(pause)

    def _begins(self, proxy: Proxy, track: _Track) -> bool:
        with self._changed:
            track.busy = self._tracks.get(proxy) is track and not self._over.is_set()
            return track.busy

    def _ended(self, track: _Track, answers: Mapping[str, bytes] | None, failure: str, took: float) -> None:
        with self._changed:
            track.busy, track.failure = False, failure
            if answers:
                track.answers, track.answered, track.took = answers, time.monotonic(), took
            self._count += 1
            self._changed.notify_all()
