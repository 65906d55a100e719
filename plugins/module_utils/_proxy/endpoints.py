# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that proxies sent to the endpoints of each version, from Envoy's own counters. Pure.

Every Envoy counts by endpoint and cluster, whether telemetry is on or off, and a subset has its own cluster. It counts
attempts: a retry is one more, and so is a mirrored request. The counters start when the proxy learns of the endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .._common.values import from_json, understood
from .._metrics.counts import Sample
from .._routing.hosts import HostSubset
from .envoy_config import destination_of, is_healthy

CUT_OFF = 3  # answers in a row without a healthy endpoint until a version counts as cut off from a proxy


class Endpoint(NamedTuple):
    """An address in the cluster of a version."""

    version: str
    cluster: str
    address: str


class HostCounters(NamedTuple):
    """The counters of a proxy for an endpoint. active: requests in progress. failed: responses of 500 and above or
    their gRPC equivalents, resets, timeouts and failed connections.
    """

    started: int = 0
    active: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """The requests with a result that the proxy counts."""
        return self.succeeded + self.failed


@dataclass(frozen=True)
class ProxyHosts:
    """One answer of a proxy. healthy: the number of healthy endpoints of each version that it has a cluster for."""

    counters: Mapping[Endpoint, HostCounters]
    healthy: Mapping[str, int]


@dataclass(frozen=True)
class Clusters:
    """The clusters of the versions. versions: by destination; ports: by version, of the clusters that count.

    others: ports of clusters that do not count, where there is none of those.
    """

    versions: Mapping[HostSubset, str]
    ports: Mapping[str, int] = field(default_factory=dict)
    others: frozenset[int] = frozenset()

    def version(self, cluster: str) -> str | None:
        """The version that the cluster with this name belongs to."""
        destination = destination_of(cluster)
        version = self.versions.get(destination) if destination else None
        if version is None:
            return None
        own, port = cluster.split("|")[1], self.ports.get(version)
        counts = own not in map(str, self.others) if port is None else own == str(port)
        return version if counts else None


@dataclass(frozen=True)
class EndpointTrack:
    """The counters of one endpoint in one proxy over time.

    first: the first two answers, zeros if the counters started later than the reading. latest: the last three.
    abandoned: requests that ended without a result, as when the client disconnects. earlier: the increase before the
    counters were reset.
    """

    first: tuple[HostCounters, ...]
    latest: tuple[HostCounters, ...]
    abandoned: int = 0
    earlier: Sample = field(default_factory=Sample)

    @property
    def sample(self) -> Sample:
        """The requests that have ended since the first answer."""
        last, first = self.latest[-1], self.first[0]
        bad = last.failed - first.failed + self.abandoned
        requests = last.succeeded - first.succeeded + bad
        return Sample(self.earlier.requests + requests, self.earlier.bad + bad)


@dataclass(frozen=True)
class HostIncrease:
    """What proxies have counted since the first answer of each.

    without: how many answers in a row showed no healthy endpoint of a version, for versions that had one before.
    """

    tracks: Mapping[tuple[Hashable, Endpoint], EndpointTrack] = field(default_factory=dict)
    without: Mapping[tuple[Hashable, str], int] = field(default_factory=dict)
    known: frozenset[Hashable] = frozenset()


@understood("list of clusters")
def parse(body: bytes, clusters: Clusters) -> ProxyHosts:
    """The hosts of these clusters in an answer to `/clusters?format=json`; ValueError if it is none."""
    counters: dict[Endpoint, HostCounters] = {}
    healthy: dict[str, int] = {}
    for cluster in from_json(body).get("cluster_statuses") or []:
        version = clusters.version(cluster["name"])
        if version is None:
            continue
        hosts = cluster.get("host_statuses") or []
        ready = sum(is_healthy(host.get("health_status") or {}) for host in hosts)
        healthy[version] = max(healthy.get(version, 0), ready)
        for host in hosts:
            address = json.dumps(host.get("address"), sort_keys=True)
            counters[Endpoint(version, cluster["name"], address)] = _counters(host)
    return ProxyHosts(counters, healthy)


def add(increase: HostIncrease, answers: Mapping[Hashable, ProxyHosts]) -> HostIncrease:
    """Add one more answer of some proxies.

    An endpoint that appears after the first answer of its proxy counts from 0; one that went keeps its counts.
    """
    tracks, without = dict(increase.tracks), dict(increase.without)
    for proxy, hosts in answers.items():
        for endpoint, now in hosts.counters.items():
            track = tracks.get((proxy, endpoint))
            tracks[proxy, endpoint] = _followed(track, now) if track else _begun(now, proxy in increase.known)
        for version in {version for each, version in without if each == proxy} | hosts.healthy.keys():
            if hosts.healthy.get(version):
                without[proxy, version] = 0
            elif (proxy, version) in without:
                without[proxy, version] += 1
    return HostIncrease(tracks, without, increase.known | answers.keys())


def sample(increase: HostIncrease, version: str) -> Sample:
    """The requests to a version that have ended, and how many of them failed."""
    found = [track.sample for (_proxy, endpoint), track in increase.tracks.items() if endpoint.version == version]
    return Sample(sum(each.requests for each in found), sum(each.bad for each in found))


def cut_off(increase: HostIncrease, version: str, present: Collection[Hashable]) -> list[Hashable]:
    """The proxies among these that had a healthy endpoint of a version and have none any more."""
    return [
        proxy
        for (proxy, name), answers in increase.without.items()
        if name == version and answers >= CUT_OFF and proxy in present
    ]


def _counters(host: Mapping[str, Any]) -> HostCounters:
    """Envoy leaves out values that are zero."""
    stats = {each["name"]: int(each.get("value", 0)) for each in host.get("stats") or []}
    started, active = stats.get("rq_total", 0), stats.get("rq_active", 0)
    return HostCounters(started, active, stats.get("rq_success", 0), stats.get("rq_error", 0))


def _begun(now: HostCounters, from_zero: bool) -> EndpointTrack:
    return EndpointTrack((HostCounters(), HostCounters()) if from_zero else (now,), (now,))


def _followed(track: EndpointTrack, now: HostCounters) -> EndpointTrack:
    last = track.latest[-1]
    if now.started < last.started or now.succeeded < last.succeeded or now.failed < last.failed:
        return replace(_begun(now, True), earlier=track.sample)
    first = track.first if len(track.first) == 2 else (*track.first, now)
    latest = (*track.latest, now)[-3:]
    return replace(track, first=first, latest=latest, abandoned=max(track.abandoned, _abandoned(first, latest)))


def _abandoned(first: tuple[HostCounters, ...], latest: tuple[HostCounters, ...]) -> int:
    """The least number of requests that ended without a result that the proxy counts.

    They had started two answers ago, were not in progress one answer ago, and have no result now. Envoy does not read
    its counters at one moment, so each is taken from another answer: no request counts that may still get a response.
    """
    if len(latest) < 3:
        return 0
    started = latest[0].started - first[1].started
    return started - (latest[2].ended - first[0].ended) - latest[1].active
