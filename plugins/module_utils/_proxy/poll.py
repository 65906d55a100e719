# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many proxies at once until all of them agree."""

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
PAUSES = 20  # a pause is this fraction of the time that has passed, so that a change is seen at most 5 % late
MIN_TIMEOUT = 0.1  # seconds for an answer close to the deadline
MIN_PAUSE, MAX_PAUSE = 0.005, 0.1  # seconds between two questions to a proxy


@dataclass(frozen=True)
class Live:
    """A proxy that agrees. after: seconds until it was seen to; weights: percent by subset."""

    proxy: Proxy
    after: float
    weights: Mapping[str, float]


class Poll:
    """Asks each proxy in its own thread until its observation meets the expectation.

    expectation: makes one for each proxy. since: what `after` counts from, deadline: of all questions (both monotonic).
    excused: proxies that are not waited for unless they answer.
    """

    def __init__(
        self,
        expectation: Callable[[], Expectation],
        threads: ThreadPoolExecutor,
        since: float,
        deadline: float = math.inf,
        excused: Collection[Proxy] = (),
    ) -> None:
        self._expectation = expectation
        self._deadline = deadline
        self._excused = excused
        self._threads = threads
        self._since = since
        self._watched: dict[Proxy, Stream] = {}
        self._observations: dict[Proxy, tuple[float, Observation]] = {}
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._over = threading.Event()

    def __enter__(self) -> Poll:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def follow(self, streams: Mapping[Proxy, Stream], until: float) -> list[Proxy]:
        """Ask these proxies and no others; return those that do not agree, at `until` (monotonic) at the latest."""
        with self._changed:
            for proxy in [each for each, stream in self._watched.items() if streams.get(each) is not stream]:
                del self._watched[proxy]
                self._observations.pop(proxy, None)
            new = [proxy for proxy in streams if proxy not in self._watched]
            self._watched |= {proxy: streams[proxy] for proxy in new}
        for proxy in new:
            self._threads.submit(self._watch, proxy, streams[proxy])
        with self._changed:
            self._changed.wait_for(self._is_done, timeout=max(0.0, until - time.monotonic()))
        if self._failure:
            raise self._failure
        return self.lagging

    @property
    def lagging(self) -> list[Proxy]:
        """Those that do not agree, or all if none of them has what is asked for."""
        with self._changed:
            waited = self._watched.keys() - (set(self._excused) - self._read())
            if any(seen.concerned and seen.read for _after, seen in self._observations.values()):
                agreed = {proxy for proxy, (_after, seen) in self._observations.items() if seen.agrees}
                return sorted(waited - agreed)
            return sorted(waited or self._watched)

    @property
    def silent(self) -> list[Proxy]:
        """Those that gave no answer."""
        with self._changed:
            return sorted(self._watched.keys() - self._read())

    def _read(self) -> set[Proxy]:
        return {proxy for proxy, (_after, seen) in self._observations.items() if seen.read}

    def shows(self, proxy: Proxy) -> str:
        """What the last answer showed."""
        with self._changed:
            return self._observations[proxy][1].shows if proxy in self._observations else "has not answered yet"

    def result(self) -> tuple[tuple[Live, ...], int]:
        """The proxies that agree, and how many are not concerned."""
        with self._changed:
            found = sorted(self._observations.items())
        live = tuple(
            Live(proxy, after, seen.weights) for proxy, (after, seen) in found if seen.agrees and seen.concerned
        )
        return live, sum(not seen.concerned for _proxy, (_after, seen) in found)

    def _is_done(self) -> bool:
        return bool(self._failure or (self._watched and not self.lagging))

    def _watch(self, proxy: Proxy, stream: Stream) -> None:
        observe, begin = self._expectation(), time.monotonic()
        while self._watched.get(proxy) is stream and not self._over.is_set():
            timeout = self._timeout(begin)
            try:
                seen = observe(partial(stream.get, timeout=timeout), proxy.role == "sidecar")
            except (ClusterError, ValueError) as error:
                if isinstance(error, ClusterError) and error.status == 403:
                    return self._fail(error)
                seen = Observation(False, f"cannot be read: {error}", read=isinstance(error, ValueError))
            except Exception as error:
                return self._fail(error)
            now = time.monotonic()
            with self._changed:
                # Without an answer to a last short question, what was seen before still counts.
                too_short = not seen.read and timeout < READ_TIMEOUT and proxy in self._observations
                if self._watched.get(proxy) is stream and not too_short:
                    self._observations[proxy] = (now - self._since, seen)
                    self._changed.notify()
            if seen.agrees and seen.concerned:
                return None
            self._over.wait(min(max((now - begin) / PAUSES, MIN_PAUSE), MAX_PAUSE))
        return None

    def _timeout(self, begin: float) -> float:
        """Seconds for one answer: it grows, so that a proxy behind a slow connection is seen too."""
        now = time.monotonic()
        return max(MIN_TIMEOUT, min(max(READ_TIMEOUT, now - begin), self._deadline - now))

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify()
