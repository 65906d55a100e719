# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""How the requests ended that proxies sent to the endpoints of each version, by Envoy's own counters. Pure.

Every Envoy counts for each endpoint of each cluster, whatever labels the pods carry and whether telemetry is on or off,
and a subset has a cluster of its own. What is counted are attempts: a retry is one more, and so is a mirrored request.
The counters begin when the proxy gets to know the endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .._common.values import from_json, understood
from .._metrics.counts import Sample
from .admin import HostSubset, destination_of, is_healthy

CUT_OFF = 3  # looks in a row without a healthy endpoint until a version counts as cut off from a proxy


class Endpoint(NamedTuple):
    """One address behind the cluster of a version."""

    version: str
    cluster: str
    address: str


class HostCounters(NamedTuple):
    """What a proxy shows for an endpoint. failed: answers of 500 and above or their gRPC equals, resets, timeouts and
    connections that could not be made; active: requests that are under way.
    """

    started: int = 0
    active: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """Those that came to an end that the proxy knows."""
        return self.succeeded + self.failed


@dataclass(frozen=True)
class ProxyHosts:
    """One look at a proxy. healthy: the number of healthy endpoints of each version that it has a cluster for."""

    counters: Mapping[Endpoint, HostCounters]
    healthy: Mapping[str, int]


@dataclass(frozen=True)
class Clusters:
    """Which clusters stand for a version. versions: by destination; port: the only one that counts, if one is named."""

    versions: Mapping[HostSubset, str]
    port: int | None = None

    def version(self, cluster: str) -> str | None:
        """The version whose cluster has this name."""
        destination = destination_of(cluster)
        if destination is None or (self.port is not None and cluster.split("|")[1] != str(self.port)):
            return None
        return self.versions.get(destination)


@dataclass(frozen=True)
class EndpointTrack:
    """An endpoint as one proxy has counted it.

    since: the first two looks; empty ones if its counters began while we looked. latest: the last three. abandoned:
    requests that ended unanswered, as when the client gave up. earlier: what counters gained that began anew since.
    """

    since: tuple[HostCounters, ...]
    latest: tuple[HostCounters, ...]
    abandoned: int = 0
    earlier: Sample = field(default_factory=Sample)

    @property
    def sample(self) -> Sample:
        """The requests that have ended since the first look."""
        last, first = self.latest[-1], self.since[0]
        bad = last.failed - first.failed + self.abandoned
        requests = last.succeeded - first.succeeded + bad
        return Sample(self.earlier.requests + requests, self.earlier.bad + bad)


@dataclass(frozen=True)
class HostIncrease:
    """What proxies have counted since the first look at each of them.

    without: how many looks in a row have shown no healthy endpoint of a version, for those that had one before.
    """

    tracks: Mapping[tuple[Hashable, Endpoint], EndpointTrack] = field(default_factory=dict)
    without: Mapping[tuple[Hashable, str], int] = field(default_factory=dict)
    known: frozenset[Hashable] = frozenset()


@understood("list of clusters")
def parse(body: bytes, clusters: Clusters) -> ProxyHosts:
    """What an answer to `/clusters?format=json` tells of these clusters; ValueError if it is none."""
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


def add(tally: HostIncrease, looks: Mapping[Hashable, ProxyHosts]) -> HostIncrease:
    """The tally with one more look at some proxies.

    An endpoint that comes later than the first look at its proxy counts from nothing; one that went keeps its count.
    """
    tracks, without = dict(tally.tracks), dict(tally.without)
    for proxy, look in looks.items():
        for endpoint, now in look.counters.items():
            track = tracks.get((proxy, endpoint))
            new = _begun(now, tally.known and proxy in tally.known)
            tracks[proxy, endpoint] = _followed(track, now) if track else new
        for version in {version for each, version in without if each == proxy} | look.healthy.keys():
            if look.healthy.get(version):
                without[proxy, version] = 0
            elif (proxy, version) in without:
                without[proxy, version] += 1
    return HostIncrease(tracks, without, tally.known | looks.keys())


def sample(tally: HostIncrease, version: str) -> Sample:
    """The requests to a version that have ended, and how many of them failed."""
    found = [track.sample for (_proxy, endpoint), track in tally.tracks.items() if endpoint.version == version]
    return Sample(sum(each.requests for each in found), sum(each.bad for each in found))


def cut_off(tally: HostIncrease, version: str, present: Collection[Hashable]) -> list[Hashable]:
    """Which of these proxies had a healthy endpoint of a version, and have none any more."""
    return [
        proxy
        for (proxy, name), looks in tally.without.items()
        if name == version and looks >= CUT_OFF and proxy in present
    ]


def _counters(host: Mapping[str, Any]) -> HostCounters:
    """Envoy leaves out values that are zero."""
    stats = {each["name"]: int(each.get("value", 0)) for each in host.get("stats") or []}
    started, active = stats.get("rq_total", 0), stats.get("rq_active", 0)
    return HostCounters(started, active, stats.get("rq_success", 0), stats.get("rq_error", 0))


def _begun(now: HostCounters, from_nothing: object) -> EndpointTrack:
    return EndpointTrack((HostCounters(), HostCounters()) if from_nothing else (now,), (now,))


def _followed(track: EndpointTrack, now: HostCounters) -> EndpointTrack:
    last = track.latest[-1]
    if now.started < last.started or now.succeeded < last.succeeded or now.failed < last.failed:
        return replace(_begun(now, True), earlier=track.sample)
    since = track.since if len(track.since) == 2 else (*track.since, now)
    latest = (*track.latest, now)[-3:]
    return replace(track, since=since, latest=latest, abandoned=max(track.abandoned, _abandoned(since, latest)))


def _abandoned(since: tuple[HostCounters, ...], latest: tuple[HostCounters, ...]) -> int:
    """How many requests at least ended without an end that the proxy counts.

    Those that had started two looks ago, were not under way at the last look, and have not ended by now. Taking each
    number from a look of its own makes up for that Envoy does not read them at one moment: nothing is counted that may
    yet be answered.
    """
    if len(latest) < 3:
        return 0
    started = latest[0].started - since[1].started
    return started - (latest[2].ended - since[0].ended) - latest[1].active
