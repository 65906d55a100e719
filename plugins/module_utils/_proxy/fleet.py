# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The Envoys that a route's requests go through, and waiting until all of them run what they should.

An answer of the API server says what is wished; only the proxies say what is live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from .._common.background import begin
from .._common.text import plural
from .._istio.reader import INJECTED
from .._k8s.auth import ClusterError
from .._k8s.client import POD, SIDECAR, Cluster
from .._k8s.portforward import Stream
from .._routing.hosts import ServiceName, identity
from . import discovery
from .admin import HostSubset, percentages, rule_of
from .attachment import Attachment, Object, Proxy, proxies_in
from .callers import READ_TIMEOUT, Callers, Sender, callers_of, sender_of
from .discovery import DiscoveredGateways, selector_of
from .expectations import (
    AbsenceExpectation,
    DefinitionsExpectation,
    Expectation,
    SubsetsExpectation,
    WeightsExpectation,
    named,
    said,
)
from .poll import Live, Poll

if TYPE_CHECKING:  # seldom needed, and a module compiles all that it imports each time it runs
    from .sync_status import SyncStatus

ADMIN_PORT = 15000
LIST_AGAIN = 1.0  # seconds until pods that came or went are noticed; one that comes has what istiod knows then
READ_LIST_AGAIN = 5.0  # the same where proxies are only read, for as long as a step soaks
LIST_SHARE = 20  # in a large mesh a list takes at most this part of the time
SCOPE_AGAIN = 30.0  # seconds until `Sidecar` resources are read anew
SILENCE = 4.0  # seconds without an answer until it is looked up whether a sidecar has ever sent requests to the Service
MEANWHILE = 0.5  # seconds between two looks at what may make an end of waiting
FIRST_QUESTION = 1.0  # seconds until istiod is asked why; each further question comes after twice that time
LAST_WORD = 2.0  # seconds that istiod has for it once the time is up
THREADS = 256
NAMED = 3  # how many proxies a sentence names


@dataclass(frozen=True)
class Lagging:
    """A proxy that does not, what it does instead, and why, as far as that can be known.

    rejects: whether it was sent what it should do and does not take it. read: False if it gave no answer.
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

    gateways: all of them. sidecars: those that may carry the route's requests; asked: how many of them were asked.
    unable: sidecars that by configuration cannot, and were not. unanswered: those that gave no answer and were not
    waited for, each with the reason.
    """

    gateways: int = 0
    sidecars: int = 0
    asked: int = 0
    unable: int = 0
    unanswered: tuple[str, ...] = ()

    @property
    def sample(self) -> str:
        """Which part of the sidecars was asked; empty for all."""
        return f"{self.asked} of {self.sidecars} sidecars" if self.asked < self.sidecars else ""


@dataclass(frozen=True)
class Proof:
    """All proxies agree. unconcerned: sidecars that know nothing of it; extent: how many were asked."""

    live: tuple[Live, ...]
    unconcerned: int = 0
    extent: Extent = Extent()

    @property
    def after(self) -> float:
        """Seconds until the last one did."""
        return max((each.after for each in self.live), default=0.0)


class Unproven(Exception):
    """One sentence: why nothing can be proven."""


class NotLive(Unproven):
    """Some proxies do not do what was asked for."""

    def __init__(self, message: str, lagging: tuple[Lagging, ...], live: tuple[Live, ...]) -> None:
        super().__init__(message)
        self.lagging = lagging
        self.live = live


class Proxies:
    """The gateway pods that routes are bound to and, if they are bound to the mesh, the sidecars.

    Each has a stream of its own, which connects in the background and stays open until the end of the `with` block.
    discovered: the Gateways of the attachment, if they have just been read. service: the Service behind the routes, if
    known. sidecars: how many of them are read at most. scope: `gateways` leaves all of them out.
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
    ) -> None:
        self.attachment = attachment
        self._cluster = cluster
        self._place = attachment.place
        self._discovered = discovered
        self._limit = sidecars if scope == "all" and attachment.mesh else 0
        self._selectors: dict[ServiceName, str] = {}  # by Gateway
        self._scoped = False  # whether a Gateway selects in its own namespace only
        self._streams: dict[Proxy, Stream] = {}
        self._services = (service,) if service else ()
        self._sidecars: tuple[Object, ...] = ()  # the resources of that kind
        self._unscoped = ""  # why they could not be read
        self._scope_read = -SCOPE_AGAIN
        self._extent = Extent()
        self._senders: dict[Proxy, Sender] = {}  # of all sidecars that may carry requests
        self._excused: dict[Proxy, str] = {}  # sidecars without an answer that are not waited for, and why
        self._listed, self._list_took = 0.0, 0.0
        self._listing = threading.Lock()
        self._over = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="proxy")

    def __enter__(self) -> Proxies:
        try:
            if self.attachment.delegated:
                raise Unproven(
                    f"{self._place} has no hosts: others delegate to it, and which proxies they are bound to cannot be "
                    "told from it"
                )
            discovered = self._discovered or discovery.discover(self._cluster, self.attachment)
            self._selectors = {name: self._selector(name, gateway) for name, gateway in discovered.gateways.items()}
            self._list(discovered)
            if not self._streams:
                raise Unproven(self._nobody())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams.values():
            stream.abort()  # else the end waits for answers that do not come
        self._threads.shutdown(cancel_futures=True)
        for stream in self._streams.values():
            stream.close()

    @property
    def found(self) -> tuple[Proxy, ...]:
        """The proxies as they were listed last."""
        return tuple(sorted(self._streams))

    def await_weights(
        self,
        virtual_service: Object,
        timeout: float,
        since: float | None = None,
        *,
        rule: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Proof:
        """Until every proxy splits the requests as this HTTP route of this VirtualService says.

        since: when it was written (monotonic). rule: its number there, which others can change at any time.
        meanwhile: is called twice a second, and may raise what makes an end of it.
        """
        wanted = rule_of(virtual_service, rule)
        wish = said(percentages(wanted.weights))
        claim = f"{self._place} was accepted by the API server with {wish}, but that is not live"
        return self._await(partial(WeightsExpectation, wanted), claim, timeout, since, meanwhile)

    def await_definitions(self, host: str, subsets: Iterable[str], timeout: float) -> Proof:
        """Until every proxy knows each of these subsets, with hosts or without, so that a route may name them."""
        places = self._destinations(host, subsets)
        return self._await(
            partial(DefinitionsExpectation, places), f"{_listed(places)} cannot be named by a route yet", timeout
        )

    def await_subsets(self, host: str, subsets: Iterable[str], timeout: float) -> Proof:
        """Until every proxy has healthy hosts for each of these subsets, so that a route may name them."""
        places = self._destinations(host, subsets)
        return self._await(partial(SubsetsExpectation, places), f"{_listed(places)} cannot be routed to yet", timeout)

    def await_absence(self, host: str, subsets: Iterable[str], timeout: float) -> Proof:
        """Until no route of any proxy leads to any of these subsets, so that they may be removed."""
        places = self._destinations(host, subsets)
        return self._await(partial(AbsenceExpectation, places), f"{_listed(places)} cannot be removed yet", timeout)

    def current(self) -> Mapping[Proxy, Stream]:
        """Those that there are now, for one who reads them for long. It may be asked in a thread of its own."""
        if time.monotonic() > self._next_list(READ_LIST_AGAIN):
            self._list()
        return {proxy: stream for proxy, stream in self._streams.items() if proxy not in self._excused}

    def renew(self, proxy: Proxy) -> None:
        """Give it another stream, since the present one waits for an answer; that one ends with who waits."""
        with self._listing:
            if proxy in self._streams:
                self._open(proxy)

    def _await(
        self,
        look: Callable[[], Expectation],
        claim: str,
        timeout: float,
        since: float | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Proof:
        begin = time.monotonic()
        pause = begin + MEANWHILE if meanwhile else inf
        deadline, question = begin + timeout, begin + FIRST_QUESTION
        hush = begin + min(SILENCE, timeout / 2)
        rejected: set[Proxy] = set()
        if begin > self._next_list():
            self._list()
        with Poll(look, self._threads, begin if since is None else since, deadline, self._excused) as watch:
            while True:
                lagging = watch.follow(self._streams, min(self._next_list(), question, hush, deadline, pause))
                now = time.monotonic()
                if meanwhile and now > pause and lagging:
                    meanwhile()
                    pause = time.monotonic() + MEANWHILE
                before = set(self._streams)
                if now > self._next_list():
                    self._list()
                if not lagging and before and before >= self._streams.keys():
                    return Proof(*watch.result(), self._asked(watch))
                if now > hush:
                    hush = now + SILENCE
                    self._excuse(watch, max(READ_TIMEOUT, (deadline - now) / 2))
                    continue
                if now > min(question, deadline):
                    question = now + 2 * (now - begin)
                    rejected = self._question(watch, claim, now - begin, deadline, before=rejected)

    def _question(self, watch: Poll, claim: str, seconds: float, deadline: float, before: set[Proxy]) -> set[Proxy]:
        """Ask istiod. Those that reject what it sent; NotLive if time is up or if one had rejected it before.

        What is rejected for a second or two is not going to pass, so nobody has to wait for that until the deadline.
        """
        late = time.monotonic() > deadline
        silent = set(watch.silent)
        hopeless = late and silent >= set(watch.lagging)
        account = self._account(0.0 if hopeless else max(LAST_WORD, deadline - time.monotonic()))
        if account.scoped and not self._scoped:
            self._scoped = True
            self._list()
            return set()
        lagging = watch.lagging
        rejecting = {proxy for proxy in lagging if account.rejects(proxy.namespace, proxy.pod)}
        if late and not self._streams:
            raise Unproven(self._nobody())
        if lagging and (late or rejecting & before):
            involved = self._involved(sorted(silent))
            why = [
                Lagging(
                    each,
                    watch.shows(each),
                    account.why(each.namespace, each.pod) + involved.get(each, ""),
                    each in rejecting,
                    each not in silent,
                )
                for each in lagging
            ]
            names = "; ".join(str(each) for each in why[:NAMED])
            more = f"; and {len(why) - NAMED} more" if len(why) > NAMED else ""
            sample = f" ({self._extent.sample} asked)" if self._extent.sample else ""
            number = f"on {len(why)} of {len(self._streams)} proxies{sample} after {seconds:.1f} s"
            raise NotLive(f"{claim} {number}: {names}{more}", tuple(why), watch.result()[0])
        return rejecting

    def _account(self, patience: float) -> SyncStatus:
        """What istiod says, if it can be asked in this time (seconds)."""
        from .sync_status import SyncStatus, fetch_status

        if not patience:
            return SyncStatus(missing="it did not answer")
        try:
            return begin(lambda: fetch_status(self._cluster)).result(patience)
        except TimeoutError:
            return SyncStatus(missing=f"istiod did not say why within {patience:.3g} s")
        except ValueError as error:
            return SyncStatus(missing=f"istiod's account cannot be read: {error}")

    def _destinations(self, host: str, subsets: Iterable[str]) -> frozenset[HostSubset]:
        place = identity(host, self.attachment.namespace)
        return frozenset(HostSubset(place, subset) for subset in subsets)

    def _nobody(self) -> str:
        gateways = [
            f"Gateway {gateway} (selector {selector or 'none'})" for gateway, selector in self._selectors.items()
        ]
        searched = gateways + (["the mesh (pods with a sidecar)"] if self._limit else [])
        where = " and ".join(searched) or "none that may be read: it is bound to the mesh alone"
        none = f"no ready proxy runs the routes of {self._place} in {self._cluster.where}; looked for those of {where}"
        if self._extent.unable:
            left = plural(self._extent.unable, "sidecar")
            return f"{none}; {left} cannot carry them by exportTo, a Sidecar resource or the sources that matches name"
        return none

    def _selector(self, name: ServiceName, gateway: Object | None) -> str:
        if gateway is None:
            raise Unproven(f"Gateway {name}, which {self._place} names, does not exist in {self._cluster.where}")
        return selector_of(gateway)

    def _list(self, known: DiscoveredGateways | None = None) -> None:
        """Follow the pods: streams to those that came, none to those that went. known: what was listed just now."""
        with self._listing:
            self._follow(known)

    def _follow(self, known: DiscoveredGateways | None) -> None:
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
        if self._over:  # meanwhile
            return
        for proxy in self._excused.keys() - found.keys():
            del self._excused[proxy]
        for proxy in self._streams.keys() - found.keys():
            self._threads.submit(self._streams.pop(proxy).close)
        for proxy in found.keys() - self._streams.keys():
            self._open(proxy)
        self._listed = time.monotonic()
        self._list_took = self._listed - begin

    def _open(self, proxy: Proxy) -> None:
        stream = Stream(self._cluster, proxy.namespace, proxy.pod, ADMIN_PORT)
        self._streams[proxy] = stream
        self._threads.submit(stream.open)  # whether it succeeds is seen when it is asked

    def _choose(self, pods: list[dict[str, Any]]) -> list[Proxy]:
        """The sidecars to ask: those that may carry the route's requests, or a part of them where they are many."""
        visibility = self.attachment.visibility
        able = [pod for pod in pods if not visibility or visibility.reaches(pod, self._services, self._sidecars)]
        self._senders = {proxy: sender_of(pod) for pod in able for proxy in proxies_in("sidecar", [pod])}
        sidecars = sorted(self._senders, key=lambda each: each.uid)
        some = sidecars[: self._limit]  # by uid: a random choice that stays the same while others come and go
        unable = len(proxies_in("sidecar", pods)) - len(sidecars)
        self._extent = replace(self._extent, sidecars=len(sidecars), asked=len(some), unable=unable)
        return some

    def _read_scope(self) -> None:
        """The `Sidecar` resources, where they matter. Without the right to read them more sidecars are asked."""
        if not self._limit or not self.attachment.visibility or time.monotonic() < self._scope_read + SCOPE_AGAIN:
            return
        try:
            self._sidecars, self._unscoped = tuple(self._cluster.list(SIDECAR)), ""
        except ClusterError as error:
            if error.status not in (403, 404):
                raise
            self._sidecars, self._unscoped = (), str(error)
        self._scope_read = time.monotonic()

    # Sidecars that give no answer.

    def _excuse(self, watch: Poll, timeout: float) -> None:
        """Wait no longer for sidecars without an answer that have never sent a request to the Service."""
        silent = [each for each in watch.silent if each.role == "sidecar" and each not in self._excused]
        if not silent or len(watch.silent) == len(self._streams):
            return
        callers = self._callers(timeout)
        for proxy in silent:
            if not callers.may_be(self._senders[proxy]):
                self._excused[proxy] = (
                    f"{proxy} {watch.shows(proxy)}; it was not waited for, since no pod of Service {callers.service} "
                    f"has had a request of it ({self._senders[proxy]})"
                )

    def _callers(self, timeout: float) -> Callers:
        if not self._services:
            return Callers("", unknown="the Service behind the route is not known")
        return callers_of(self._cluster, self._services[0], self._threads, self._streams, timeout)

    def _involved(self, silent: Collection[Proxy]) -> dict[Proxy, str]:
        """Why sidecars without an answer are waited for all the same, as further clauses."""
        sidecars = [each for each in silent if each.role == "sidecar"]
        callers = self._callers(READ_TIMEOUT) if sidecars else Callers("")
        scope = f"; the Sidecar resources of its namespace are not known: {self._unscoped}" if self._unscoped else ""
        if callers.unknown:
            return dict.fromkeys(sidecars, f"; whether it sends requests there is not known: {callers.unknown}{scope}")
        return {
            each: f"; Service {callers.service} has had requests of it ({self._senders[each]}){scope}"
            for each in sidecars
            if callers.may_be(self._senders[each])
        }

    def _asked(self, watch: Poll) -> Extent:
        """How many were asked. Who gives answers again is waited for from now on."""
        silent = set(watch.silent)
        for proxy in self._excused.keys() - silent:
            del self._excused[proxy]
        return replace(self._extent, unanswered=tuple(self._excused[each] for each in sorted(self._excused)))

    def _next_list(self, again: float | None = None) -> float:
        """When the pods are to be listed next (monotonic)."""
        return self._listed + max(LIST_AGAIN if again is None else again, LIST_SHARE * self._list_took)


def _listed(places: frozenset[HostSubset]) -> str:
    return ", ".join(sorted(named(place) for place in places))
