# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proxies must show before and after a write."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from .._k8s.client import Cluster
from .._k8s.portforward import Dial, Stream
from .._proxy.discovery import DiscoveredGateways
from .._proxy.envoy_config import bound_rules
from .._proxy.fleet import Proof, Proxies
from .._proxy.reader import Interval, Reader
from .heartbeat import Heartbeat
from .snapshot import Snapshot

LEAST = 0.5  # seconds that proxies have which were found late
Scope = Literal["all", "gateways"]


@dataclass
class Prover:
    """Asks the proxies of a route. They are looked up with the first question, and their streams serve all others.

    tell: shows a user a line about a service, for which proxies it waits. dial: makes the stream to a port of a pod.
    """

    cluster: Cluster
    scope: Scope
    timeout: float
    tell: Callable[[Snapshot, str], None] = lambda snapshot, line: None
    discovered: DiscoveredGateways | None = None
    dial: Dial = Stream
    _new: bool = False  # whether those were read after the proxies were looked up
    _open: ExitStack = field(default_factory=ExitStack)
    _proxies: Proxies | None = None

    def close(self) -> None:
        """Close the streams to the proxies."""
        self._open.close()
        self._proxies = None

    def know(self, discovered: DiscoveredGateways | None) -> None:
        """Use gateways that were just read."""
        self.discovered, self._new = discovered, True

    def ready(self, snapshot: Snapshot, gaining: Collection[str]) -> None:
        """Unless the weights that are set are live, and the versions that are to gain some can be routed to, raise."""
        proxies = self._of(snapshot)
        proxies.await_weights(bound_rules(snapshot.bindings), self.timeout)
        if gaining:
            outside = snapshot.service is None  # a cluster for a host of a ServiceEntry may have no hosts of its own
            wait = proxies.await_definitions if outside else proxies.await_versions
            wait(map(snapshot.route.place, gaining), self.timeout)

    def reachable(self, snapshot: Snapshot, versions: Collection[str], seconds: float) -> None:
        """Unless every proxy has a healthy host of these versions within this time, raise."""
        self._of(snapshot).await_versions(map(snapshot.route.place, versions), min(seconds, self.timeout))

    def live(self, snapshot: Snapshot, since: float, meanwhile: Callable[[], None] | None = None) -> Proof:
        """That the weights are live which were written then (monotonic), from when on the time for it counts.

        meanwhile: is called twice a second until then, and may raise to end it.
        """
        proxies, left = self._of(snapshot), max(LEAST, since + self.timeout - time.monotonic())
        return proxies.await_weights(bound_rules(snapshot.bindings), left, since, meanwhile=meanwhile)

    def absent(self, snapshot: Snapshot, version: str) -> Proof:
        """That no route leads to a version any more."""
        return self._of(snapshot).await_absence([snapshot.route.place(version)], self.timeout)

    def reader(
        self, snapshot: Snapshot, paths: Sequence[str], pace: float, intervals: Mapping[str, Interval] | None = None
    ) -> Reader:
        """What reads these paths of each proxy's admin interface until it is closed."""
        return Reader(self._of(snapshot), paths, pace, intervals or {})

    def _of(self, snapshot: Snapshot) -> Proxies:
        """The proxies where the routes of this snapshot are bound now; another writer may have bound them elsewhere."""
        attachment = snapshot.attachment
        known = self.discovered
        if known and set(known.gateways) != set(attachment.gateways):
            known = None
        if self._proxies is None or self._proxies.attachment != attachment:
            self._open.close()
            self._proxies = None
            service = next(iter(snapshot.mesh.services), None)
            proxies = Proxies(
                self.cluster, attachment, discovered=known, service=service, scope=self.scope, dial=self.dial
            )
            self._proxies = self._open.enter_context(proxies)
        elif known and self._new:
            self._proxies.follow(known)
        self._new = False
        self._proxies.waiting = self._waiting(snapshot)
        return self._proxies

    def _waiting(self, snapshot: Snapshot) -> Callable[[str], None]:
        heartbeat = Heartbeat()
        heartbeat.begin()
        return lambda line: heartbeat.beat(lambda: self.tell(snapshot, line))
