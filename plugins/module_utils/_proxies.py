# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The Envoys that a route's requests go through, and waiting until all of them run what they should.

An answer of the API server says what is wished; only the proxies say what is live.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from . import _gates
from ._binding import Binding, Object, Proxy, proxies_in
from ._cluster import POD, Cluster, ClusterError
from ._envoy import Destination, percentages, rule_of
from ._gates import Gates, selector_of
from ._hosts import ServiceName, identity
from ._round import READ_TIMEOUT, Live, Round
from ._sights import AbsenceLook, DefinitionsLook, Look, SubsetsLook, WeightsLook, named, said
from ._stream import Stream

ADMIN_PORT = 15000
INJECTED = "security.istio.io/tlsMode=istio"  # the label that injection gives to every pod with a sidecar
LIST_AGAIN = 1.0  # seconds until pods that came or went are noticed; one that comes has what istiod knows then
READ_LIST_AGAIN = 5.0  # the same where proxies are only read, for as long as a step soaks
LIST_SHARE = 20  # in a large mesh a list takes at most this part of the time
FIRST_QUESTION = 1.0  # seconds until istiod is asked why; each further question comes after twice that time
THREADS = 256
NAMED = 3  # how many proxies a sentence names


@dataclass(frozen=True)
class Lagging:
    """A proxy that does not, what it does instead, and why, as far as that can be known.

    rejects: whether it was sent what it should do and does not take it.
    """

    proxy: Proxy
    shows: str
    why: str
    rejects: bool = False

    def __str__(self) -> str:
        return f"{self.proxy} {self.shows} ({self.why})"


@dataclass(frozen=True)
class Proof:
    """All proxies agree. unconcerned: sidecars that know nothing of it; sample: which part of the sidecars was read."""

    live: tuple[Live, ...]
    unconcerned: int = 0
    sample: str = ""

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
    gates: those of the binding, if somebody has read them just now.
    sidecars: how many of them are read at most. scope: `gateways` leaves all of them out.
    """

    def __init__(
        self,
        cluster: Cluster,
        binding: Binding,
        *,
        gates: Gates | None = None,
        scope: Literal["all", "gateways"] = "all",
        sidecars: int = 50,
    ) -> None:
        self.binding = binding
        self._cluster = cluster
        self._place = binding.place
        self._gates = gates
        self._limit = sidecars if scope == "all" and binding.mesh else 0
        self._selectors: dict[ServiceName, str] = {}  # by Gateway
        self._scoped = False  # whether a Gateway selects in its own namespace only
        self._streams: dict[Proxy, Stream] = {}
        self._opened: dict[Proxy, Future[None]] = {}
        self._sample = ""
        self._listed, self._list_took = 0.0, 0.0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="proxy")

    def __enter__(self) -> Proxies:
        try:
            if self.binding.delegated:
                raise Unproven(
                    f"{self._place} has no hosts: others delegate to it, and which proxies they are bound to cannot be "
                    "told from it"
                )
            gates = self._gates or _gates.read(self._cluster, self.binding)
            self._selectors = {name: self._selector(name, gateway) for name, gateway in gates.gateways.items()}
            self._list(gates)
            if not self._streams:
                raise Unproven(self._nobody())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for stream in self._streams.values():
            stream.close()

    @property
    def found(self) -> tuple[Proxy, ...]:
        """The proxies as they were listed last."""
        return tuple(sorted(self._streams))

    def reach(self) -> None:
        """Return when every proxy is connected; a ClusterError says which one cannot be, and why."""
        for proxy in self.found:
            try:
                self._opened[proxy].result()
            except ClusterError as error:
                if error.status != 404:  # the pod went away, and the next list will not have it
                    raise

    def await_weights(
        self, virtual_service: Object, timeout: float, since: float | None = None, *, rule: int = 0
    ) -> Proof:
        """Until every proxy splits the requests as this HTTP route of this VirtualService says.

        since: when it was written (monotonic). rule: its number there, which others can change at any time.
        """
        wanted = rule_of(virtual_service, rule)
        wish = said(percentages(wanted.weights))
        claim = f"{self._place} was accepted by the API server with {wish}, but that is not live"
        return self._await(partial(WeightsLook, wanted), claim, timeout, since)

    def await_definitions(self, host: str, subsets: Iterable[str], timeout: float) -> Proof:
        """Until every proxy knows each of these subsets, with hosts or without, so that a route may name them."""
        places = self._destinations(host, subsets)
        return self._await(
            partial(DefinitionsLook, places), f"{_listed(places)} cannot be named by a route yet", timeout
        )

    def await_subsets(self, host: str, subsets: Iterable[str], timeout: float) -> Proof:
        """Until every proxy has healthy hosts for each of these subsets, so that a route may name them."""
        places = self._destinations(host, subsets)
        return self._await(partial(SubsetsLook, places), f"{_listed(places)} cannot be routed to yet", timeout)

    def await_absence(self, host: str, subsets: Iterable[str], timeout: float) -> Proof:
        """Until no route of any proxy leads to any of these subsets, so that they may be removed."""
        places = self._destinations(host, subsets)
        return self._await(partial(AbsenceLook, places), f"{_listed(places)} cannot be removed yet", timeout)

    def read(self, path: str, timeout: float = READ_TIMEOUT) -> dict[Proxy, bytes | ClusterError]:
        """What the admin interface of each proxy answers to this path now."""
        if time.monotonic() > self._next_list(READ_LIST_AGAIN):
            self._list()
        tasks = {proxy: self._threads.submit(_read, stream, path, timeout) for proxy, stream in self._streams.items()}
        return {proxy: task.result() for proxy, task in tasks.items()}

    def _await(self, look: Callable[[], Look], claim: str, timeout: float, since: float | None = None) -> Proof:
        begin = time.monotonic()
        deadline, question = begin + timeout, begin + FIRST_QUESTION
        rejected: set[Proxy] = set()
        if begin > self._next_list():
            self._list()
        with Round(look, self._threads, begin if since is None else since) as watch:
            while True:
                lagging = watch.follow(self._streams, min(self._next_list(), question, deadline))
                now = time.monotonic()
                before = set(self._streams)
                if now > self._next_list():
                    self._list()
                if not lagging and before and before >= self._streams.keys():
                    return Proof(*watch.result(), self._sample)
                if now > min(question, deadline):
                    question = now + 2 * (now - begin)
                    rejected = self._question(watch, claim, now - begin, late=now > deadline, before=rejected)

    def _question(self, watch: Round, claim: str, seconds: float, late: bool, before: set[Proxy]) -> set[Proxy]:
        """Ask istiod. Those that reject what it sent; NotLive if time is up or if one had rejected it before.

        What is rejected for a second or two is not going to pass, so nobody has to wait for that until the deadline.
        """
        from ._istiod import ask  # seldom needed, and a module compiles all that it imports each time it runs

        account = ask(self._cluster)
        if account.scoped and not self._scoped:
            self._scoped = True
            self._list()
            return set()
        lagging = watch.lagging
        rejecting = {proxy for proxy in lagging if account.rejects(proxy.namespace, proxy.pod)}
        if late and not self._streams:
            raise Unproven(self._nobody())
        if lagging and (late or rejecting & before):
            why = [
                Lagging(each, watch.shows(each), account.why(each.namespace, each.pod), each in rejecting)
                for each in lagging
            ]
            names = "; ".join(str(each) for each in why[:NAMED])
            more = f"; and {len(why) - NAMED} more" if len(why) > NAMED else ""
            number = f"on {len(why)} of {len(self._streams)} proxies after {seconds:.1f} s"
            raise NotLive(f"{claim} {number}: {names}{more}", tuple(why), watch.result()[0])
        return rejecting

    def _destinations(self, host: str, subsets: Iterable[str]) -> frozenset[Destination]:
        place = identity(host, self.binding.namespace)
        return frozenset(Destination(place, subset) for subset in subsets)

    def _nobody(self) -> str:
        gateways = [
            f"Gateway {gateway} (selector {selector or 'none'})" for gateway, selector in self._selectors.items()
        ]
        searched = gateways + (["the mesh (pods with a sidecar)"] if self._limit else [])
        where = " and ".join(searched) or "none that may be read: it is bound to the mesh alone"
        return f"no ready proxy runs the routes of {self._place} in {self._cluster.where}; looked for those of {where}"

    def _selector(self, name: ServiceName, gateway: Object | None) -> str:
        if gateway is None:
            raise Unproven(f"Gateway {name}, which {self._place} names, does not exist in {self._cluster.where}")
        return selector_of(gateway)

    def _list(self, known: Gates | None = None) -> None:
        """Follow the pods: streams to those that came, none to those that went. known: what was listed just now."""
        begin = time.monotonic()
        found: dict[Proxy, None] = {}
        for gateway, selector in self._selectors.items():
            namespace = gateway.namespace if self._scoped else None
            pods = known.pods[gateway] if known else self._cluster.list(POD, namespace, selector)
            found |= dict.fromkeys(proxies_in("gateway", pods))
        if self._limit:
            sidecars = sorted(proxies_in("sidecar", self._cluster.list(POD, None, INJECTED)), key=lambda each: each.uid)
            some = sidecars[: self._limit]  # by uid: a random choice that stays the same while others come and go
            self._sample = f"{len(some)} of {len(sidecars)} sidecars" if some != sidecars else ""
            found |= dict.fromkeys(some)
        for proxy in self._streams.keys() - found.keys():
            self._threads.submit(self._streams.pop(proxy).close)
        for proxy in found.keys() - self._streams.keys():
            stream = Stream(self._cluster, proxy.namespace, proxy.pod, ADMIN_PORT)
            self._streams[proxy] = stream
            self._opened[proxy] = self._threads.submit(stream.open)
        self._listed = time.monotonic()
        self._list_took = self._listed - begin

    def _next_list(self, again: float | None = None) -> float:
        """When the pods are to be listed next (monotonic)."""
        return self._listed + max(LIST_AGAIN if again is None else again, LIST_SHARE * self._list_took)


def _read(stream: Stream, path: str, timeout: float) -> bytes | ClusterError:
    try:
        return stream.get(path, timeout)
    except ClusterError as error:
        return error


def _listed(places: frozenset[Destination]) -> str:
    return ", ".join(sorted(named(place) for place in places))
