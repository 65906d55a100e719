# SPDX-License-Identifier: GPL-3.0-or-later
"""The Envoys that carry a route's requests, and the proof that all of them run what they should.

The API server says what is desired; only the proxies say what is live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from .._common.background import begin
from .._common.shares import said
from .._common.text import plural
from .._istio.reader import INJECTED
from .._k8s.auth import ClusterError
from .._k8s.client import POD, SIDECAR, Cluster
from .._k8s.portforward import Dial, Stream
from .._routing.hosts import HostSubset, ServiceName
from . import discovery
from .attachment import NAMED, Attachment, Object, Proxy, proxies_in
from .callers import ADMIN_PORT, READ_TIMEOUT, Callers, Sender, callers_of, sender_of
from .discovery import DiscoveredGateways, selector_of
from .envoy_config import EnvoyRule, percentages
from .expectations import AbsenceExpectation, ClustersExpectation, Expectation, WeightsExpectation
from .poll import Live, Poll

if TYPE_CHECKING:  # rarely needed, and a module compiles everything that it imports each time it runs
    from .sync_status import SyncStatus

LIST_AGAIN = 1.0  # seconds between two lists of the pods; a new proxy starts with what istiod has by then
READ_LIST_AGAIN = 5.0  # the same while a step soaks and the proxies are only read
LIST_SHARE = 20  # the pause after a list is at least this many times as long as the list took
SCOPE_AGAIN = 30.0  # seconds between two reads of the `Sidecar` resources
SILENCE = 4.0  # seconds without an answer until a sidecar is excused if it is no caller of the Service
MEANWHILE = 0.5  # seconds between two calls of `meanwhile`
FIRST_QUESTION = 1.0  # seconds until istiod is asked why; the interval doubles with each question
LAST_QUESTION = 2.0  # seconds that istiod has to answer after the deadline
THREADS = 256


@dataclass(frozen=True)
class Lagging:
    """A proxy that does not agree, what it shows instead, and why as far as istiod knows.

    rejects: whether it rejects what istiod sent. read: False if it gave no answer.
    """

    proxy: Proxy
    shows: str
    why: str
    rejects: bool = False
    read: bool = True

    def __str__(self) -> str:
        return f"{self.proxy} {self.shows} ({self.why})"


@dataclass(frozen=True)
class Extent:
    """How many proxies were asked.

    gateways: all were asked. sidecars: those that may carry the route's requests, of which `asked` were. unable:
    sidecars that cannot by configuration. unanswered: why each sidecar without an answer was not waited for.
    """

    gateways: int = 0
    sidecars: int = 0
    asked: int = 0
    unable: int = 0
    unanswered: tuple[str, ...] = ()

    @property
    def sample(self) -> str:
        """How many of the sidecars were asked; empty if all were."""
        return f"{self.asked} of {self.sidecars} sidecars" if self.asked < self.sidecars else ""


@dataclass(frozen=True)
class Proof:
    """All proxies agree. unconcerned: sidecars without such a route or cluster; extent: how many were asked."""

    live: tuple[Live, ...]
    unconcerned: int = 0
    extent: Extent = Extent()

    @property
    def after(self) -> float:
        """Seconds until the last proxy agreed."""
        return max((each.after for each in self.live), default=0.0)


class Unproven(Exception):
    """Why nothing can be proven, in one sentence."""


class NotLive(Unproven):
    """Some proxies do not show what is expected."""

    def __init__(self, message: str, lagging: tuple[Lagging, ...], live: tuple[Live, ...]) -> None:
        super().__init__(message)
        self.lagging = lagging
        self.live = live


class Proxies:
    """The gateway pods that routes are attached to and, if they are attached to the mesh, the sidecars.

    Each has its own stream, which connects in the background and stays open until the end of the `with` block.
    discovered: the Gateways of the attachment, if they have just been read. service: the Service behind the routes, if
    known. sidecars: how many are asked at most. scope: `gateways` asks none. dial: makes the stream to a port of a pod.
    """

    def __init__(
        self,
        cluster: Cluster,
        attachment: Attachment,
        *,
        discovered: DiscoveredGateways | None = None,
        service: Object | None = None,
        scope: Literal["all", "gateways"] = "all",
        sidecars: int = 50,
        dial: Dial = Stream,
    ) -> None:
        self.attachment = attachment
        self.waiting: Callable[[str], None] = lambda line: None  # is called again and again with what is waited for
        self._cluster = cluster
        self._place = attachment.place
        self._discovered = discovered
        self._limit = sidecars if scope == "all" and attachment.mesh else 0
        self._selectors: dict[ServiceName, str] = {}  # by Gateway
        self._scoped = False  # whether a Gateway selects in its own namespace only
        self._streams: dict[Proxy, Stream] = {}
        self._services = (service,) if service else ()
        self._sidecars: tuple[Object, ...] = ()  # the resources of that kind
        self._unscoped = ""  # why they cannot be read
        self._scope_read = -SCOPE_AGAIN
        self._extent = Extent()
        self._senders: dict[Proxy, Sender] = {}  # of all sidecars that may carry the requests
        self._excused: dict[Proxy, str] = {}  # why sidecars without an answer are not waited for
        self._listed, self._list_took = 0.0, 0.0
        self._listing = threading.Lock()
        self._dial = dial
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="proxy")

    def __enter__(self) -> Proxies:
        try:
            if self.attachment.delegated:
                raise Unproven(
                    f"{self._place} has no hosts, and no VirtualService that may be read delegates to it: which "
                    "proxies have its routes is unknown"
                )
            discovered = self._discovered or discovery.discover(self._cluster, self.attachment)
            self.follow(discovered)
            if not self._streams:
                raise Unproven(self._none_found())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams.values():
            stream.abort()  # else shutdown waits for answers
        self._threads.shutdown(cancel_futures=True)
        for stream in self._streams.values():
            stream.close()

    def follow(self, discovered: DiscoveredGateways) -> None:
        """Ask the pods of these Gateways of the attachment, which have just been read, from now on."""
        self._selectors = {name: self._selector(name, gateway) for name, gateway in discovered.gateways.items()}
        self._list(discovered)

    @property
    def found(self) -> tuple[Proxy, ...]:
        """The proxies of the last list."""
        return tuple(sorted(self._streams))

    def await_weights(
        self,
        expected: Sequence[EnvoyRule],
        timeout: float,
        since: float | None = None,
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> Proof:
        """Wait until every proxy splits requests as these rules say; Unproven, ClusterError.

        since: when they were written (monotonic). meanwhile: is called twice a second, and may raise to end the wait.
        """
        shares = said(percentages(expected[0].weights))
        claim = f"{self._place} was accepted by the API server with {shares}, but that is not live"
        return self._await(partial(WeightsExpectation, expected), claim, timeout, since, meanwhile)

    def await_definitions(self, versions: Iterable[HostSubset], timeout: float) -> Proof:
        """Wait until every proxy has a cluster for each of these versions, so that a route may name them."""
        wanted = frozenset(versions)
        expectation = partial(ClustersExpectation, wanted, empty=True)
        return self._await(expectation, f"{_listed(wanted)} cannot be named by a route yet", timeout)

    def await_versions(self, versions: Iterable[HostSubset], timeout: float) -> Proof:
        """Wait until every proxy has healthy hosts for each of these versions, so that they can get requests."""
        wanted = frozenset(versions)
        return self._await(partial(ClustersExpectation, wanted), f"{_listed(wanted)} cannot be routed to yet", timeout)

    def await_absence(self, versions: Iterable[HostSubset], timeout: float) -> Proof:
        """Wait until no route of any proxy leads to these versions, so that they can be removed."""
        wanted = frozenset(versions)
        return self._await(partial(AbsenceExpectation, wanted), f"{_listed(wanted)} cannot be removed yet", timeout)

    def current(self) -> Mapping[Proxy, Stream]:
        """The present proxies with their streams, for a Reader; thread-safe."""
        if time.monotonic() > self._next_list(READ_LIST_AGAIN):
            self._list()
        return {proxy: stream for proxy, stream in self._streams.items() if proxy not in self._excused}

    def renew(self, proxy: Proxy) -> None:
        """Open another stream to it; the present one waits for an answer."""
        with self._listing:
            if proxy in self._streams:
                self._open(proxy)

    def _await(
        self,
        expectation: Callable[[], Expectation],
        claim: str,
        timeout: float,
        since: float | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Proof:
        begin = time.monotonic()
        pause = begin + MEANWHILE if meanwhile else inf
        deadline, question = begin + timeout, begin + FIRST_QUESTION
        silence = begin + min(SILENCE, timeout / 2)
        rejected: set[Proxy] = set()
        if begin > self._next_list():
            self._list()
        with Poll(expectation, self._threads, begin if since is None else since, deadline, self._excused) as poll:
            while True:
                lagging = poll.follow(self._streams, min(self._next_list(), question, silence, deadline, pause))
                now = time.monotonic()
                if lagging:
                    self.waiting(self._waits(poll, lagging, deadline - now))
                if meanwhile and now > pause and lagging:
                    meanwhile()
                    pause = time.monotonic() + MEANWHILE
                before = set(self._streams)
                if now > self._next_list():
                    self._list()
                if not lagging and before and before >= self._streams.keys():
                    return Proof(*poll.result(), self._asked(poll))
                if now > silence:
                    silence = now + SILENCE
                    self._excuse(poll, max(READ_TIMEOUT, (deadline - now) / 2))
                    continue
                if now > min(question, deadline):
                    question = now + 2 * (now - begin)
                    rejected = self._question(poll, claim, now - begin, deadline, before=rejected)

    def _waits(self, poll: Poll, lagging: Sequence[Proxy], left: float) -> str:
        """Which proxies are waited for; left: seconds until that ends."""
        of = plural(len(self._streams), "proxy", "proxies")
        first = f"{lagging[0]} {poll.shows(lagging[0])}"
        more = f"; and {len(lagging) - 1} more" if len(lagging) > 1 else ""
        return f"waits for {len(lagging)} of {of}, at most {max(0.0, left):.0f} s: {first}{more}"

    def _question(self, poll: Poll, claim: str, seconds: float, deadline: float, before: set[Proxy]) -> set[Proxy]:
        """Ask istiod which proxies reject what it sent; NotLive after the deadline, or if one rejected it before too.

        A rejection that lasts for a second or two does not pass, so there is no need to wait until the deadline.
        """
        late = time.monotonic() > deadline
        silent = set(poll.silent)
        hopeless = late and silent >= set(poll.lagging)
        status = self._sync_status(0.0 if hopeless else max(LAST_QUESTION, deadline - time.monotonic()))
        if status.scoped and not self._scoped:
            self._scoped = True
            self._list()
            return set()
        lagging = poll.lagging
        rejecting = {proxy for proxy in lagging if status.rejects(proxy.namespace, proxy.pod)}
        if late and not self._streams:
            raise Unproven(self._none_found())
        if lagging and (late or rejecting & before):
            involved = self._involved(sorted(silent))
            why = [
                Lagging(
                    each,
                    poll.shows(each),
                    status.why(each.namespace, each.pod) + involved.get(each, ""),
                    each in rejecting,
                    each not in silent,
                )
                for each in lagging
            ]
            names = "; ".join(str(each) for each in why[:NAMED])
            more = f"; and {len(why) - NAMED} more" if len(why) > NAMED else ""
            sample = f" ({self._extent.sample} asked)" if self._extent.sample else ""
            number = f"on {len(why)} of {plural(len(self._streams), 'proxy', 'proxies')}{sample} after {seconds:.1f} s"
            raise NotLive(f"{claim} {number}: {names}{more}", tuple(why), poll.result()[0])
        return rejecting

    def _sync_status(self, timeout: float) -> SyncStatus:
        """What istiod says within this time (seconds)."""
        from .sync_status import SyncStatus, fetch_status

        if not timeout:
            return SyncStatus(missing="it did not answer")
        try:
            return begin(lambda: fetch_status(self._cluster, self._dial)).result(timeout)
        except TimeoutError:
            return SyncStatus(missing=f"istiod did not say why within {timeout:.3g} s")
        except ValueError as error:
            return SyncStatus(missing=f"istiod's answer cannot be read: {error}")

    def _none_found(self) -> str:
        gateways = [
            f"Gateway {gateway} (selector {selector or 'none'})" for gateway, selector in self._selectors.items()
        ]
        searched = gateways + (["the mesh (pods with a sidecar)"] if self._limit else [])
        where = " and ".join(searched) or "none that may be read: it is attached to the mesh alone"
        none = f"no ready proxy runs the routes of {self._place} in {self._cluster.where}; looked for those of {where}"
        if self._extent.unable:
            unable = plural(self._extent.unable, "sidecar")
            return f"{none}; exportTo, a Sidecar resource or the sources in matches keep them from {unable}"
        return none

    def _selector(self, name: ServiceName, gateway: Object | None) -> str:
        if gateway is None:
            raise Unproven(f"Gateway {name}, which {self._place} names, does not exist in {self._cluster.where}")
        return selector_of(gateway)

    def _list(self, known: DiscoveredGateways | None = None) -> None:
        """Open streams to new pods and close those to pods that went. known: what has just been listed."""
        with self._listing:
            begin = time.monotonic()
            self._read_scope()
            found: dict[Proxy, None] = {}
            for gateway, selector in self._selectors.items():
                namespace = gateway.namespace if self._scoped else None
                pods = known.pods[gateway] if known else self._cluster.list(POD, namespace, selector)
                found |= dict.fromkeys(proxies_in("gateway", pods))
            self._extent = Extent(len(found))
            if self._limit:
                found |= dict.fromkeys(self._choose(self._cluster.list(POD, None, INJECTED)))
            for proxy in self._excused.keys() - found.keys():
                del self._excused[proxy]
            for proxy in self._streams.keys() - found.keys():
                self._threads.submit(self._streams.pop(proxy).close)
            for proxy in found.keys() - self._streams.keys():
                self._open(proxy)
            self._listed = time.monotonic()
            self._list_took = self._listed - begin

    def _open(self, proxy: Proxy) -> None:
        stream = self._dial(self._cluster, proxy.namespace, proxy.pod, ADMIN_PORT)
        self._streams[proxy] = stream
        self._threads.submit(stream.open)  # a failure shows with the first question

    def _choose(self, pods: list[dict[str, Any]]) -> list[Proxy]:
        """The sidecars to ask: those that may carry the route's requests, or a sample of them."""
        visibility = self.attachment.visibility
        able = [pod for pod in pods if not visibility or visibility.reaches(pod, self._services, self._sidecars)]
        self._senders = {proxy: sender_of(pod) for pod in able for proxy in proxies_in("sidecar", [pod])}
        sidecars = sorted(self._senders, key=lambda each: each.uid)
        some = sidecars[: self._limit]  # by uid: a stable random sample
        unable = len(proxies_in("sidecar", pods)) - len(sidecars)
        self._extent = replace(self._extent, sidecars=len(sidecars), asked=len(some), unable=unable)
        return some

    def _read_scope(self) -> None:
        """Read the `Sidecar` resources where they matter. Without permission more sidecars are asked."""
        if not self._limit or not self.attachment.visibility or time.monotonic() < self._scope_read + SCOPE_AGAIN:
            return
        try:
            self._sidecars, self._unscoped = tuple(self._cluster.list(SIDECAR)), ""
        except ClusterError as error:
            if error.status not in (403, 404):
                raise
            self._sidecars, self._unscoped = (), str(error)
        self._scope_read = time.monotonic()

    def _excuse(self, poll: Poll, timeout: float) -> None:
        """Wait no longer for sidecars without an answer that never sent a request to the Service."""
        # The poll may still know sidecars of pods that have gone since they were listed.
        silent = [each for each in poll.silent if each in self._senders and each not in self._excused]
        if not silent or len(poll.silent) == len(self._streams):
            return
        callers = self._callers(timeout)
        for proxy in silent:
            if not callers.may_be(self._senders[proxy]):
                self._excused[proxy] = (
                    f"{proxy} {poll.shows(proxy)}; it was not waited for, since no pod of Service {callers.service} "
                    f"has had a request from it ({self._senders[proxy]})"
                )

    def _callers(self, timeout: float) -> Callers:
        if not self._services:
            return Callers("", unknown="the Service behind the route is not known")
        return callers_of(self._cluster, self._services[0], self._threads, self._streams, timeout)

    def _involved(self, silent: Collection[Proxy]) -> dict[Proxy, str]:
        """Why sidecars without an answer are waited for, as further clauses."""
        sidecars = [each for each in silent if each in self._senders]
        callers = self._callers(READ_TIMEOUT) if sidecars else Callers("")
        scope = f"; the Sidecar resources of its namespace are not known: {self._unscoped}" if self._unscoped else ""
        if callers.unknown:
            return dict.fromkeys(sidecars, f"; whether it sends requests there is not known: {callers.unknown}{scope}")
        return {
            each: f"; Service {callers.service} has had requests from it ({self._senders[each]}){scope}"
            for each in sidecars
            if callers.may_be(self._senders[each])
        }

    def _asked(self, poll: Poll) -> Extent:
        """How many were asked. A sidecar that answers again is no longer excused."""
        silent = set(poll.silent)
        for proxy in self._excused.keys() - silent:
            del self._excused[proxy]
        return replace(self._extent, unanswered=tuple(self._excused[each] for each in sorted(self._excused)))

    def _next_list(self, again: float | None = None) -> float:
        """When to list the pods next (monotonic)."""
        return self._listed + max(LIST_AGAIN if again is None else again, LIST_SHARE * self._list_took)


def _listed(places: frozenset[HostSubset]) -> str:
    return ", ".join(sorted(map(str, places)))
