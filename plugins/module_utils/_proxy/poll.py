# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""One question to many proxies at once, until all of them agree."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from .._k8s.auth import ClusterError
from .._k8s.portforward import Stream
from .attachment import Proxy
from .expectations import Expectation, Observation

READ_TIMEOUT = 2.0
HASTE = 20  # a look comes after this part of the time that has passed: a change is seen at most 5 % late
SHORTEST = 0.1  # seconds for a look at the very end of the time
QUICKEST, SLOWEST = 0.005, 0.1  # seconds between two looks at a proxy


@dataclass(frozen=True)
class Live:
    """A proxy that does what was asked for. after: seconds until it was seen to; weights: percent by subset."""

    proxy: Proxy
    after: float
    weights: Mapping[str, float]


class Poll:
    """One question to many proxies, each asked in a thread of its own until it agrees.

    deadline: no look lasts longer (monotonic). excused: those that nobody waits for until they answer.
    """

    def __init__(
        self,
        look: Callable[[], Expectation],
        threads: ThreadPoolExecutor,
        since: float,
        deadline: float = math.inf,
        excused: Collection[Proxy] = (),
    ) -> None:
        self._look = look
        self._deadline = deadline
        self._excused = excused
        self._threads = threads
        self._since = since
        self._watched: dict[Proxy, Stream] = {}
        self._sights: dict[Proxy, tuple[float, Observation]] = {}
        self._news = threading.Condition()
        self._failure: Exception | None = None
        self._over = threading.Event()

    def __enter__(self) -> Poll:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def follow(self, streams: Mapping[Proxy, Stream], until: float) -> list[Proxy]:
        """Ask these proxies and no others; return those that do not agree, at the latest at that time."""
        with self._news:
            for proxy in [each for each, stream in self._watched.items() if streams.get(each) is not stream]:
                del self._watched[proxy]
                self._sights.pop(proxy, None)
            new = [proxy for proxy in streams if proxy not in self._watched]
            self._watched |= {proxy: streams[proxy] for proxy in new}
        for proxy in new:
            self._threads.submit(self._watch, proxy, streams[proxy])
        with self._news:
            self._news.wait_for(self._is_done, timeout=max(0.0, until - time.monotonic()))
        if self._failure:
            raise self._failure
        return self.lagging

    @property
    def lagging(self) -> list[Proxy]:
        """Those that do not agree, or all if none of them knows what is asked for."""
        with self._news:
            waited = self._watched.keys() - (set(self._excused) - self._read())
            if any(sight.concerned and sight.read for _after, sight in self._sights.values()):
                agreed = {proxy for proxy, (_after, sight) in self._sights.items() if sight.agrees}
                return sorted(waited - agreed)
            return sorted(waited or self._watched)

    @property
    def silent(self) -> list[Proxy]:
        """Those that have given no answer."""
        with self._news:
            return sorted(self._watched.keys() - self._read())

    def _read(self) -> set[Proxy]:
        return {proxy for proxy, (_after, sight) in self._sights.items() if sight.read}

    def shows(self, proxy: Proxy) -> str:
        """What the last look at it showed."""
        with self._news:
            return self._sights[proxy][1].shows if proxy in self._sights else "has not answered yet"

    def result(self) -> tuple[tuple[Live, ...], int]:
        """Those that agree, and how many are not concerned."""
        with self._news:
            sights = [(proxy, *self._sights[proxy]) for proxy in sorted(self._sights)]
        agreed = tuple(
            Live(proxy, after, sight.weights) for proxy, after, sight in sights if sight.agrees and sight.concerned
        )
        return agreed, sum(not sight.concerned for _proxy, _after, sight in sights)

    def _is_done(self) -> bool:
        return bool(self._failure or (self._watched and not self.lagging))

    def _watch(self, proxy: Proxy, stream: Stream) -> None:
        look, begin = self._look(), time.monotonic()
        while self._watched.get(proxy) is stream and not self._over.is_set():
            patience = self._patience(begin)
            try:
                sight = look(partial(stream.get, timeout=patience), proxy.role == "sidecar")
            except (ClusterError, ValueError) as error:
                if isinstance(error, ClusterError) and error.status == 403:
                    return self._fail(error)
                sight = Observation(False, f"cannot be read: {error}", read=isinstance(error, ValueError))
            except Exception as error:
                return self._fail(error)
            now = time.monotonic()
            with self._news:
                # That a hasty look at the very end got no answer tells less than what is known.
                hasty = not sight.read and patience < READ_TIMEOUT and proxy in self._sights
                if self._watched.get(proxy) is stream and not hasty:
                    self._sights[proxy] = (now - self._since, sight)
                    self._news.notify()
            if sight.agrees and sight.concerned:
                return None
            self._over.wait(min(max((now - begin) / HASTE, QUICKEST), SLOWEST))
        return None

    def _patience(self, begin: float) -> float:
        """Seconds for one look: the longer one has waited, so that a slow way to a proxy is found too."""
        now = time.monotonic()
        return max(SHORTEST, min(max(READ_TIMEOUT, now - begin), self._deadline - now))

    def _fail(self, error: Exception) -> None:
        with self._news:
            self._failure = error
            self._news.notify()
