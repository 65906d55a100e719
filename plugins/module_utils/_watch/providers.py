# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the counts of a step come from: the proxies, Prometheus, or requests of its own (a probe)."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from math import inf

from .._analysis.criteria import Criteria, ProbeOptions
from .._common.text import shortened
from .._k8s.auth import ClusterError
from .._k8s.client import Cluster
from .._k8s.owners import workload_of
from .._metrics.counts import Counts, Coverage, Sample, VersionCounts
from .._metrics.histogram import EDGES
from .._metrics.increase import Increase, add, buckets, counts, without_endpoint, workloads
from .._metrics.istio_metrics import DURATION, parse, stats_path
from .._metrics.prometheus import Prometheus, PrometheusError
from .._metrics.promql import increase_of, queries
from .._metrics.workloads import Workload, WorkloadVersions
from .._metrics.workloads import workload_versions as from_pods
from .._proxy.discovery import discover
from .._proxy.envoy_config import bound_rules, routes_path
from .._proxy.reader import Interval
from .._rollout.prover import Prover
from .._rollout.read import pods_of
from .._rollout.snapshot import Snapshot
from .._routing.hosts import full_name
from .._routing.virtual_service import HTTP
from .._traffic.probe import ProbeAnswer, ProbeTarget, probe, target_of
from .._traffic.versions import version_pattern, versions_in
from .endpoints import EndpointReader, Uncounted
from .rule_presence import RulePresence

ROUTES_PACE = 5.0  # seconds between two reads of a proxy's routes, the most expensive answer
SERIES_PACE = 1.0  # seconds between two reads of Istio's series of a proxy, which cost far more than its endpoints
LIST_AGAIN = 5.0  # seconds between two lists of the pods while series name unknown workloads
NO_VERSION = ""
SHARED = (
    "workload {0.namespace}/{0.name} has pods of both versions, of one revision ({0.revision}), so that Istio's series "
    "cannot tell them apart"
)
FAILED = 500  # the lowest status of a failure, as Istio's metrics count it
LONGEST_ANSWER = 80  # characters of an answer in a message


class Provider:
    """Counts requests. pace: seconds between two counts. coverage: how many proxies are read, if they count."""

    pace: float
    coverage: Coverage | None = None

    def counts(self) -> Counts:
        """The counts since the weight is live; Uncounted if they cannot be known."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop counting."""


class ProxyProvider(Provider):
    """Reads the counters of every proxy over the streams of the proof, from its own first read on.

    Results are Envoy's counts for each endpoint of a subset. Latencies, and failures before an endpoint was chosen,
    come from Istio's series.
    """

    pace = 0.1

    def __init__(self, prover: Prover, snapshot: Snapshot, reporter: str = "source") -> None:
        self._snapshot = snapshot
        self._names = full_hosts(snapshot)
        self._reporter = reporter
        self._lookup = WorkloadLookup(prover.cluster, snapshot)
        self._of_series, self._of_routes = stats_path(self._names), routes_path()
        intervals = {self._of_series: Interval(SERIES_PACE), self._of_routes: Interval(ROUTES_PACE, ROUTES_PACE)}
        self._hosts = EndpointReader(prover, snapshot, self.pace, intervals)
        self._rule = RulePresence([rule for rule in bound_rules(snapshot.bindings) if rule.protocol == HTTP])
        self._series = Increase()
        self._unrouted = ""

    def counts(self) -> Counts:
        readings, answers = self._hosts.read(), self._hosts.answers
        self.coverage = Coverage(readings.read, readings.of, readings.gaps)
        series = answers.new(self._of_series).items()
        self._series = add(self._series, {proxy: parse(body, self._names, self._reporter) for proxy, body in series})
        self._rule.add(answers.new(self._of_routes))
        self._unrouted = self._rule.lost(readings.present)
        if not readings.read:
            raise Uncounted(f"no proxy can be read: {readings.gaps or 'there is none'}")
        if not readings.answers:
            raise Uncounted(f"no proxy can be read: {next(iter(readings.failures.values()), 'none has answered yet')}")
        return self._counts()

    def begin(self) -> None:
        """Start to read, so that the first count starts now."""
        self._hosts.answers.begin()

    def close(self) -> None:
        self._hosts.answers.close()

    def _counts(self) -> Counts:
        canary, stable = judged_versions(self._snapshot)
        names = [canary, stable] if stable else [canary]
        workload_versions = self._lookup.of(workloads(self._series.since))
        return Counts(
            canary=self._version(workload_versions, canary),
            stable=self._version(workload_versions, stable) if stable else None,
            unattributed=without_endpoint(self._series.since).bad,
            before=without_endpoint(self._series.before),
            cut_off=self._hosts.cut_off(names),
            unrouted=self._unrouted,
            untimed=self._untimed(workload_versions, names),
        )

    def _version(self, workload_versions: WorkloadVersions, name: str) -> VersionCounts:
        return VersionCounts(name, self._hosts.sample(name), buckets(self._series, workload_versions, name))

    def _untimed(self, workload_versions: WorkloadVersions, names: Sequence[str]) -> str:
        """Why latencies may be unknown; empty if they are only not counted yet."""
        seen = workloads(self._series.since)
        found = {workload_versions.version_of(each) for each in seen}
        lacking = [name for name in names if name not in found]
        if not lacking:
            return ""
        remedy = "; to judge without it set analysis.latency: false"
        if shared := workload_versions.shared(seen):
            return f"{SHARED.format(shared[0])}{remedy}"
        if not seen:
            names = " or ".join(self._names)
            return f"the proxies have no {DURATION} of {names}, as where Telemetry is switched off{remedy}"
        named = ", ".join(sorted(f"{each.namespace}/{each.name}" for each in seen))
        return f"what {DURATION} names, {named}, has no pods of {' and none of '.join(lacking)}{remedy}"


class WorkloadLookup:
    """The workloads of each version, from the snapshot's pods, listed again if the series name others."""

    def __init__(self, cluster: Cluster, snapshot: Snapshot) -> None:
        self._cluster = cluster
        self._snapshot = snapshot
        self._known = workload_versions_of(snapshot)
        self._listed = time.monotonic()

    def of(self, seen: Iterable[Workload]) -> WorkloadVersions:
        if time.monotonic() - self._listed > LIST_AGAIN and any(not self._known.version_of(each) for each in seen):
            self._listed = time.monotonic()
            with suppress(ClusterError):  # the next count tries again, and the watch handles the same outage
                self._known = self._known.with_pods(workload_versions_of(pods_of(self._cluster, self._snapshot)))
        return self._known


class PrometheusProvider(Provider):
    """Asks Prometheus for all samples since the weight is live.

    prover: where the proxies may be asked too, which tell whether they have an endpoint of each version.
    """

    pace = 2.0

    def __init__(
        self,
        prometheus: Prometheus,
        criteria: Criteria,
        cluster: Cluster,
        snapshot: Snapshot,
        since: datetime,
        prover: Prover | None = None,
    ) -> None:
        self._prometheus = prometheus
        self._reporter = criteria.prometheus.reporter if criteria.prometheus else "source"
        self._without_service = criteria.unattributed is not None and self._reporter == "source"
        self._workloads: frozenset[str] | None = None
        self._cluster = cluster
        self._snapshot = snapshot
        self._since = since
        self._lookup = WorkloadLookup(cluster, snapshot)
        self._hosts = EndpointReader(prover, snapshot, self.pace) if prover else None

    def counts(self) -> Counts:
        hosts, now = full_hosts(self._snapshot), self._cluster.now()
        asked = queries(hosts, (now - self._since).total_seconds(), self._reporter, self._gateways())
        try:
            answers = [each for query in asked for each in self._prometheus.samples(query, now.timestamp())]
        except PrometheusError as error:
            raise Uncounted(str(error)) from error
        increase = increase_of(answers, hosts, self._reporter)
        seen = workloads(increase.since)
        workload_versions = self._lookup.of(seen)
        if shared := workload_versions.shared(seen):
            raise Uncounted(f"{SHARED.format(shared[0])}; the proxies themselves can: leave out analysis.source")
        return replace(counts(increase, workload_versions, *judged_versions(self._snapshot)), cut_off=self._cut_off())

    def close(self) -> None:
        if self._hosts:
            self._hosts.answers.close()

    def _cut_off(self) -> dict[str, str]:
        """The versions that proxies are cut off from; empty if they cannot be asked."""
        if self._hosts:
            with suppress(Uncounted):
                self._hosts.read()
                return self._hosts.cut_off(each for each in judged_versions(self._snapshot) if each)
        return {}

    def _gateways(self) -> frozenset[str]:
        """The workloads that failures without a service are counted of; read once."""
        if self._workloads is None and self._without_service:
            attachment = self._snapshot.attachment
            discovered = None
            with suppress(ClusterError):  # they only add failures that name no service
                discovered = discover(self._cluster, attachment)
            self._workloads = (
                frozenset(workload_of(pod) for pods in discovered.pods.values() for pod in pods)
                if discovered
                else frozenset()
            )
        return self._workloads or frozenset()


class ProbeProvider(Provider):
    """Sends requests of its own and counts the answers; each count sends as many as its pace allows."""

    pace = 0.5

    def __init__(self, options: ProbeOptions, snapshot: Snapshot) -> None:
        self._canary, self._stable = judged_versions(snapshot)
        self._names = {name: names_in_answers(snapshot, name) for name in (self._canary, self._stable) if name}
        known = frozenset().union(*self._names.values())
        self._options = options
        self._pattern = re.compile(options.version_pattern) if options.version_pattern else version_pattern(known)
        self._share = float(snapshot.shares[self._canary] / sum(snapshot.shares.values()))
        self._elsewhere = snapshot.all_shares.keys() > snapshot.shares.keys()
        self._answers: Counter[tuple[str, bool]] = Counter()  # by version and whether it failed
        self._buckets: Counter[tuple[str, float]] = Counter()

    def counts(self) -> Counts:
        options, number = self._options, max(1, round(self._options.per_second * self.pace))
        outcomes = probe(self._target, number, concurrency=number, deadline=options.timeout + 1)
        for outcome in outcomes:
            self._add(outcome)
        if outcomes and all(version == NO_VERSION for version, _failed in self._answers):
            raise Uncounted(
                f"no answer of {options.url} names a version, the last one was {_answer_text(outcomes[-1])}"
            )
        return Counts(
            canary=self._version(self._canary),
            stable=self._version(self._stable) if self._stable else None,
            unattributed=sum(self._answers[NO_VERSION, failed] for failed in (True, False)),
            share=self._share,
        )

    @cached_property
    def _target(self) -> ProbeTarget:
        """Made once, since certificates take long to read."""
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

    def _add(self, outcome: ProbeAnswer) -> None:
        header = self._options.version_header.lower()
        found = versions_in(self._pattern, outcome.headers.get(header, "") if header else outcome.body)
        version = found.pop() if len(found) == 1 else NO_VERSION
        failed = bool(outcome.error) or outcome.status >= FAILED
        if self._elsewhere and version == NO_VERSION and not failed:
            return  # another destination of the rule has answered
        self._answers[version, failed] += 1
        if version != NO_VERSION and not failed:
            for edge in (*EDGES, inf):
                self._buckets[version, edge] += outcome.seconds * 1000 <= edge

    def _version(self, version: str) -> VersionCounts:
        own = self._names[version]
        good, bad = (sum(self._answers[name, failed] for name in own) for failed in (False, True))
        timed = {edge: sum(self._buckets[name, edge] for name in own) for edge in (*EDGES, inf)}
        return VersionCounts(version, Sample(good + bad, bad), timed)


def _answer_text(outcome: ProbeAnswer) -> str:
    text = shortened(outcome.detail or outcome.body, LONGEST_ANSWER)
    return f"{outcome.error or outcome.status}: {text}" if text else outcome.error or str(outcome.status)


def full_hosts(snapshot: Snapshot) -> tuple[str, ...]:
    """The host of the route, or those of the versions, as the metrics name them."""
    route, target = snapshot.route, snapshot.target
    own = {name: name for name in (target.canary, target.stable)}  # one may have left the route
    own |= {name: place.host for name, place in route.destinations.items() if name in own}
    hosts = own.values() if route.by_service else (route.host,)
    return tuple(full_name(host, target.namespace) for host in hosts)


def judged_versions(snapshot: Snapshot) -> tuple[str, str | None]:
    """The canary, and stable if it has a weight."""
    canary, stable = snapshot.target.canary, snapshot.target.stable
    return canary, stable if snapshot.shares.get(stable) else None


def workload_versions_of(snapshot: Snapshot, names: Sequence[str] = ()) -> WorkloadVersions:
    """The workloads of these versions, or of both in the release, by the pods of the snapshot."""
    names = names or (snapshot.target.canary, snapshot.target.stable)
    return from_pods({name: _subset_labels(snapshot, name) for name in names}, snapshot.pods)


def names_in_answers(snapshot: Snapshot, version: str) -> frozenset[str]:
    """The names of a version in answers: that of its subset, or the label `version` of its pods."""
    return frozenset({version, _subset_labels(snapshot, version).get("version", version)})


def _subset_labels(snapshot: Snapshot, version: str) -> Mapping[str, str]:
    subset = snapshot.subsets.get(version)
    return subset.labels if subset else {}
