# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who counts the requests of a step: the proxies themselves, Prometheus, or who sends some of our own."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Hashable
from datetime import datetime
from functools import cached_property
from math import inf

from ._binding import Proxy, binding_of
from ._cluster import Cluster, ClusterError
from ._counters import NO_VERSION, STATS_PATH, Counters, parse
from ._counts import Counts, Coverage, Sample, VersionCounts
from ._criteria import Criteria, ProbeOptions
from ._gates import read
from ._histogram import EDGES
from ._hosts import service_of
from ._owners import workload_of
from ._probe import Outcome, Target, probe, target_of
from ._prometheus import Prometheus, PrometheusError
from ._promql import queries
from ._promql import tally as scraped
from ._proof import Prover
from ._proxies import Unproven
from ._reader import Reader, Reading, Readings
from ._snapshot import Snapshot
from ._split import names, version_pattern
from ._tally import Label, Tally, add, counts

PATIENCE = 0.5  # seconds for which a look waits for something new
DOMAIN = "cluster.local"
FAILED = 500  # the lowest status of a failure, as Istio's metrics count it
LONGEST_ANSWER = 80  # characters of an answer in a message


class Uncounted(Exception):
    """One sentence: why nothing could be counted."""


class Meter:
    """pace: seconds between two looks. coverage: of how many proxies they tell, where proxies count."""

    pace: float
    coverage: Coverage | None = None

    def look(self) -> Counts:
        """What was counted since the weight is live; Uncounted if that cannot be known."""
        raise NotImplementedError

    def close(self) -> None:
        """Ask nobody any more."""


class ProxyMeter(Meter):
    """Reads the counters of every proxy over the streams of the proof. It counts from its own first look on."""

    pace = 0.1

    def __init__(self, prover: Prover, snapshot: Snapshot, reporter: str = "source") -> None:
        self._prover = prover
        self._snapshot = snapshot
        self._host = full_host(snapshot)
        self._reporter = reporter
        self._tally = Tally()
        self._reader: Reader | None = None
        self._taken: dict[Proxy, Reading] = {}
        self._closed = False
        self._opening = threading.Lock()

    def look(self) -> Counts:
        try:
            readings = self._reading().newest(PATIENCE)
        except (Unproven, ClusterError) as error:
            raise Uncounted(f"the proxies cannot be read: {error}") from error
        self.coverage = Coverage(readings.read, readings.of, readings.gaps)
        self._take(readings)
        if not readings.read:
            raise Uncounted(f"no proxy can be read: {readings.gaps or 'there is none'}")
        if not readings.answers:
            raise Uncounted(f"no proxy can be read: {next(iter(readings.failures.values()), 'none has answered yet')}")
        return counts(self._tally, *labels(self._snapshot))

    def close(self) -> None:
        with self._opening:
            self._closed = True
            if self._reader:
                self._reader.close()

    def _reading(self) -> Reader:
        with self._opening:
            if self._closed:
                raise Unproven("the watch is over")
            if self._reader is None:
                self._reader = self._prover.reader(self._snapshot, [STATS_PATH], self.pace)
            return self._reader

    def _take(self, readings: Readings) -> None:
        """Count what is new of each proxy."""
        new = {proxy: each for proxy, each in readings.answers.items() if self._taken.get(proxy) is not each}
        looks: dict[Hashable, Counters] = {
            proxy: parse(each.bodies[STATS_PATH], self._host, self._reporter) for proxy, each in new.items()
        }
        self._tally = add(self._tally, looks)
        self._taken |= new


class PrometheusMeter(Meter):
    """Asks Prometheus for all that was scraped since the weight is live."""

    pace = 2.0

    def __init__(
        self, prometheus: Prometheus, criteria: Criteria, cluster: Cluster, snapshot: Snapshot, since: datetime
    ) -> None:
        self._prometheus = prometheus
        self._reporter = criteria.prometheus.reporter if criteria.prometheus else "source"
        self._lost = criteria.unattributed is not None and self._reporter == "source"
        self._workloads: frozenset[str] | None = None
        self._cluster = cluster
        self._snapshot = snapshot
        self._since = since

    def look(self) -> Counts:
        host, now = full_host(self._snapshot), self._cluster.now()
        asked = queries(host, (now - self._since).total_seconds(), self._reporter, self._gateways())
        try:
            answers = [each for query in asked for each in self._prometheus.samples(query, now.timestamp())]
        except PrometheusError as error:
            raise Uncounted(str(error)) from error
        return counts(scraped(answers, host, self._reporter), *labels(self._snapshot))

    def _gateways(self) -> frozenset[str]:
        """The workloads whose failures without a service may be the canary's. A call reads them once."""
        if self._workloads is None and self._lost:
            binding = binding_of(self._snapshot.virtual_service, self._snapshot.route.rule)
            try:
                gates = read(self._cluster, binding)
            except ClusterError as error:
                remedy = "allow that, or set analysis.unattributed: false"
                raise Uncounted(f"whose failures belong to no version cannot be seen: {error}; {remedy}") from error
            self._workloads = frozenset(workload_of(pod) for pods in gates.pods.values() for pod in pods)
        return self._workloads or frozenset()


class ProbeMeter(Meter):
    """Sends requests of our own, and counts how they are answered. Each look sends as many as its pace allows."""

    pace = 0.5

    def __init__(self, options: ProbeOptions, snapshot: Snapshot) -> None:
        self._canary, self._stable = labels(snapshot)
        known = self._canary.values | (self._stable.values if self._stable else frozenset())
        self._options = options
        self._pattern = re.compile(options.version_pattern) if options.version_pattern else version_pattern(known)
        self._share = snapshot.shares[self._canary.name] / sum(snapshot.shares.values())
        self._answers: Counter[tuple[str, bool]] = Counter()  # by version and whether it failed
        self._buckets: Counter[tuple[str, float]] = Counter()

    def look(self) -> Counts:
        options, number = self._options, max(1, round(self._options.per_second * self.pace))
        outcomes = probe(self._target, number, concurrency=number, deadline=options.timeout + 1)
        for outcome in outcomes:
            self._add(outcome)
        if outcomes and all(version == NO_VERSION for version, _failed in self._answers):
            raise Uncounted(f"no answer of {options.url} names a version, the last one was {_told(outcomes[-1])}")
        return Counts(
            canary=self._version(self._canary),
            stable=self._version(self._stable) if self._stable else None,
            unattributed=sum(self._answers[NO_VERSION, failed] for failed in (True, False)),
            share=self._share,
        )

    @cached_property
    def _target(self) -> Target:
        """Made once, for certificates take long to read."""
        options = self._options
        try:
            return target_of(
                options.url,
                options.headers,
                timeout=options.timeout,
                validate_certs=options.validate_certs,
                ca_path=options.ca_cert or None,
            )
        except OSError as error:
            raise Uncounted(f"{options.ca_cert}, the ca_cert of the probe, cannot be read: {error}") from error

    def _add(self, outcome: Outcome) -> None:
        header = self._options.version_header.lower()
        found = names(self._pattern, outcome.headers.get(header, "") if header else outcome.body)
        version = found.pop() if len(found) == 1 else NO_VERSION
        failed = bool(outcome.error) or outcome.status >= FAILED
        self._answers[version, failed] += 1
        if version != NO_VERSION and not failed:
            for edge in (*EDGES, inf):
                self._buckets[version, edge] += outcome.seconds * 1000 <= edge

    def _version(self, label: Label) -> VersionCounts:
        good, bad = (sum(self._answers[name, failed] for name in label.values) for failed in (False, True))
        buckets = {edge: sum(self._buckets[name, edge] for name in label.values) for edge in (*EDGES, inf)}
        return VersionCounts(label.name, Sample(good + bad, bad), buckets)


def _told(outcome: Outcome) -> str:
    said = " ".join((outcome.detail or outcome.body).split())[:LONGEST_ANSWER]
    return f"{outcome.error or outcome.status}: {said}" if said else outcome.error or str(outcome.status)


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
