# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What the admin interfaces of many proxies answer, read again and again: each in a thread of its own, at its own pace.

So a proxy that is slow, or whose connection is made anew, keeps nobody waiting, and its answer is taken when it comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .._k8s.auth import ClusterError
from .._k8s.portforward import TIMEOUT, Stream
from .attachment import Proxy

PATIENCE = 1.5 * TIMEOUT  # seconds for a request to a proxy, with the connection that it may need
LONGEST = 4 * TIMEOUT  # seconds for a request to a proxy that has not answered within less
PAUSE = 0.3  # seconds before a proxy that could not be read is asked again
LIST_AGAIN = 1.0  # seconds between two questions for the proxies that there are; they are listed less often
BLIND = 5.0  # seconds without an answer until a proxy counts as one that cannot be read
SLOW = 3  # or so many times as long as its last answer took, where that is more
LEAVE = 0.5  # seconds in which what was asked already may be answered when the reading ends
RATE = 5_000_000  # bytes a second that a proxy is asked for at most; before Envoy 1.38 some answers are of megabytes
SHARE = 0.005  # seconds between two looks at a proxy, for each proxy: many of them are read less often each
NAMED = 3  # how many proxies a sentence names


class Interval(NamedTuple):
    """every: seconds between two questions for a path. first: seconds until it is asked for first."""

    every: float
    first: float = 0.0


class ProxySource(Protocol):
    """The proxies that are to be read."""

    def current(self) -> Mapping[Proxy, Stream]:
        """Those that there are now, each with its stream; a ClusterError if that cannot be known."""

    def renew(self, proxy: Proxy) -> None:
        """Give a proxy another stream, since the present one waits for an answer."""


@dataclass(frozen=True)
class Reading:
    """The newest answers of a proxy to all paths. Two of one proxy never come in the wrong order."""

    bodies: Mapping[str, bytes]


@dataclass(frozen=True)
class Readings:
    """The newest of each proxy. unread: why those cannot be read that have not answered for some time.

    of: how many proxies there are. failures: why the last attempt failed, by proxy. present: those that are there now
    and are read, while answers holds the last ones of those that went, too.
    """

    answers: Mapping[Proxy, Reading]
    unread: Mapping[Proxy, str]
    of: int
    failures: Mapping[Proxy, str]
    present: frozenset[Proxy] = frozenset()

    @property
    def read(self) -> int:
        """How many proxies are read at present."""
        return self.of - len(self.unread)

    @property
    def gaps(self) -> str:
        """Who cannot be read, for how long and why; nothing if all can."""
        if not self.unread:
            return ""
        names = [f"{proxy} {why}" for proxy, why in sorted(self.unread.items())]
        more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
        return "; ".join([*names[:NAMED], *more])


@dataclass
class _Track:
    """What is known of one proxy. began: of the reading (monotonic), took: seconds of the last look."""

    stream: Stream
    began: float
    reading: Reading | None = None
    answered: float = 0.0
    took: float = 0.0
    failure: str = ""
    busy: bool = False

    def unread(self, now: float) -> str:
        """Why it cannot be read, once that lasts."""
        seconds = now - (self.answered or self.began)
        if seconds < max(BLIND, SLOW * self.took):
            return ""
        return f"cannot be read for {seconds:.0f} s: {self.failure or 'it has not answered yet'}"


@dataclass
class Reader:
    """Reads these paths of all proxies until it is closed. pace: seconds between two looks at one of them, at least.

    intervals: further paths, which a look asks for if it is time, so that no two of them wait for the same connection.
    """

    source: ProxySource
    paths: Sequence[str]
    pace: float
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    _tracks: dict[Proxy, _Track] = field(default_factory=dict)
    _gone: dict[Proxy, Reading] = field(default_factory=dict)  # the last of those that went
    _news: threading.Condition = field(default_factory=threading.Condition)
    _count: int = 0  # of answers and failures, to tell what is new
    _seen: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._follow(self.source.current())
        threading.Thread(target=self._list, name="reader", daemon=True).start()

    def newest(self, patience: float) -> Readings:
        """As soon as there is something new, or after so many seconds.

        The first time it waits until a proxy has answered or none can be read, for as long as an answer may take.
        """
        with self._news:
            if self._seen:
                self._news.wait_for(lambda: self._count > self._seen or self._over.is_set(), patience)
            else:
                self._news.wait_for(self._has_begun, TIMEOUT)
            self._seen = self._count
            now = time.monotonic()
            tracks = dict(self._tracks)
            answers = {proxy: track.reading for proxy, track in tracks.items() if track.reading}
            unread = {proxy: why for proxy, track in tracks.items() if (why := track.unread(now))}
            return Readings(
                {**self._gone, **answers},
                unread,
                len(tracks),
                {proxy: track.failure for proxy, track in tracks.items() if track.failure},
                frozenset(answers.keys() - unread.keys()),
            )

    def close(self) -> None:
        """Ask no proxy any more. One that still owes an answer gets another stream, so that nobody waits for it."""
        self._over.set()
        with self._news:
            self._news.notify_all()
            self._news.wait_for(lambda: not any(track.busy for track in self._tracks.values()), LEAVE)
            late = [proxy for proxy, track in self._tracks.items() if track.busy]
        for proxy in late:
            self.source.renew(proxy)

    def _has_begun(self) -> bool:
        tracks = self._tracks.values()
        return self._over.is_set() or any(track.reading for track in tracks) or all(track.failure for track in tracks)

    def _list(self) -> None:
        """Follow the proxies that come and go. While that cannot be done, those that are known are read."""
        while not self._over.wait(LIST_AGAIN):
            try:
                self._follow(self.source.current())
            except ClusterError:
                continue  # the watch meets the same outage and judges it

    def _follow(self, streams: Mapping[Proxy, Stream]) -> None:
        with self._news:
            if self._over.is_set():
                return
            for proxy in [each for each, track in self._tracks.items() if streams.get(each) is not track.stream]:
                track = self._tracks.pop(proxy)
                if track.reading:
                    self._gone[proxy] = track.reading
            new = {proxy: stream for proxy, stream in streams.items() if proxy not in self._tracks}
            for proxy, stream in new.items():
                self._tracks[proxy] = _Track(stream, time.monotonic())
                threading.Thread(target=self._read, args=(proxy,), name="reader", daemon=True).start()

    def _read(self, proxy: Proxy) -> None:
        track = self._tracks.get(proxy)
        timeout = PATIENCE
        due = {path: time.monotonic() + each.first for path, each in self.intervals.items()}
        while track and self._begins(proxy, track):
            begin = time.monotonic()
            asked = [*self.paths, *(path for path, at in due.items() if at <= begin)]
            try:
                bodies = track.stream.get_all(asked, timeout)
            except ClusterError as error:
                self._ended(track, None, str(error), 0.0)
                timeout = min(LONGEST, 2 * timeout)
                pause = PAUSE
            else:
                timeout = PATIENCE
                took = time.monotonic() - begin
                due |= {path: begin + self.intervals[path].every for path in asked if path in due}
                known = track.reading.bodies if track.reading else {}
                self._ended(track, Reading({**known, **bodies}), "", took)
                size = sum(map(len, bodies.values()))
                pause = max(0.0, max(self.pace, SHARE * len(self._tracks), size / RATE) - took)
            self._over.wait(pause)

    def _begins(self, proxy: Proxy, track: _Track) -> bool:
        with self._news:
            track.busy = self._tracks.get(proxy) is track and not self._over.is_set()
            return track.busy

    def _ended(self, track: _Track, reading: Reading | None, failure: str, took: float) -> None:
        with self._news:
            track.busy, track.failure = False, failure
            if reading:
                track.reading, track.answered, track.took = reading, time.monotonic(), took
            self._count += 1
            self._news.notify_all()
