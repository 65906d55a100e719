# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who counts the requests of a step: the proxies themselves, or Prometheus."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Protocol

from ._cluster import Cluster, ClusterError
from ._counters import STATS_PATH, Counters, parse
from ._counts import Counts
from ._hosts import service_of
from ._prometheus import Prometheus, PrometheusError
from ._promql import queries
from ._promql import tally as scraped
from ._proof import Prover
from ._proxies import Unproven
from ._snapshot import Snapshot
from ._tally import Label, Tally, add, counts

READ_TIMEOUT = 0.5  # seconds for one proxy; one that does not answer is asked again with the next look
DOMAIN = "cluster.local"


class Uncounted(Exception):
    """One sentence: why nothing could be counted."""


class Meter(Protocol):
    """pace: seconds between two looks."""

    pace: float

    def look(self) -> Counts:
        """What was counted since the weight is live; Uncounted if that cannot be known."""
        ...


class ProxyMeter:
    """Reads the counters of every proxy over the streams of the proof. It counts from its own first look on."""

    pace = 0.1

    def __init__(self, prover: Prover, snapshot: Snapshot, reporter: str = "source") -> None:
        self._prover = prover
        self._snapshot = snapshot
        self._host = full_host(snapshot)
        self._reporter = reporter
        self._tally = Tally()

    def look(self) -> Counts:
        try:
            answers = self._prover.read(self._snapshot, STATS_PATH, READ_TIMEOUT)
        except (Unproven, ClusterError) as error:
            raise Uncounted(f"the proxies cannot be read: {error}") from error
        failures = [str(answer) for answer in answers.values() if isinstance(answer, ClusterError)]
        if len(failures) == len(answers):
            raise Uncounted(f"no proxy can be read: {failures[0] if failures else 'there is none'}")
        looks: dict[Hashable, Counters] = {
            proxy: parse(answer, self._host, self._reporter)
            for proxy, answer in answers.items()
            if isinstance(answer, bytes)
        }
        self._tally = add(self._tally, looks)
        return counts(self._tally, *labels(self._snapshot))


class PrometheusMeter:
    """Asks Prometheus for all that was scraped since the weight is live."""

    pace = 2.0

    def __init__(self, prometheus: Prometheus, reporter: str, cluster: Cluster, snapshot: Snapshot, since: datetime):
        self._prometheus = prometheus
        self._reporter = reporter
        self._cluster = cluster
        self._snapshot = snapshot
        self._since = since

    def look(self) -> Counts:
        host, now = full_host(self._snapshot), self._cluster.now()
        asked = queries(host, (now - self._since).total_seconds(), self._reporter)
        try:
            answers = [each for query in asked for each in self._prometheus.samples(query, now.timestamp())]
        except PrometheusError as error:
            raise Uncounted(str(error)) from error
        return counts(scraped(answers, host, self._reporter), *labels(self._snapshot))


def full_host(snapshot: Snapshot) -> str:
    """The host of the route as the metrics name it."""
    host = snapshot.route.host
    service = service_of(host, snapshot.target.namespace)
    return f"{service.name}.{service.namespace}.svc.{DOMAIN}" if service and "." not in host else host


def labels(snapshot: Snapshot) -> tuple[Label, Label | None]:
    """The canary, and stable if it has a weight."""
    canary, stable = snapshot.target.canary, snapshot.target.stable
    return label_of(snapshot, canary), label_of(snapshot, stable) if snapshot.shares.get(stable) else None


def label_of(snapshot: Snapshot, version: str) -> Label:
    """Istio names a version by the pods' label `version`, the lab's metrics by the subset."""
    subset = snapshot.subsets.get(version)
    return Label(version, frozenset({version, (subset.labels if subset else {}).get("version", version)}))
