# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who has sent requests to a Service, as the sidecars of its own pods have counted since they started."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from ._binding import Proxy, proxies_in
from ._cluster import POD, Cluster, ClusterError
from ._conditions import is_live, is_ready
from ._mesh import name_of
from ._selectors import as_text
from ._stream import Stream

ADMIN_PORT = 15000
READ_TIMEOUT = 2.0
MOST = 50  # pods: those of a larger Service are not all read

COUNTERS_PATH = "/stats/prometheus?filter=istio.requests_total"
HOSTS_PATH = "/clusters?format=json&filter=%5Einbound"
_SERIES = re.compile(r"^(?:envoy_)?istio_requests_total\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WORKLOAD = "ISTIO_META_WORKLOAD_NAME"  # how injection tells a sidecar what its pod belongs to


class Workload(NamedTuple):
    """What a sidecar says it is part of."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def workload_of(pod: Mapping[str, Any]) -> Workload | None:
    """The workload that the sidecar of this pod names in its requests; None where that cannot be told."""
    spec = pod["spec"]
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    variables = [each for container in containers for each in container.get("env") or []]
    name = next((each.get("value") for each in variables if each["name"] == _WORKLOAD), None)
    return Workload(pod["metadata"]["namespace"], name) if name else None


@dataclass(frozen=True)
class Callers:
    """The workloads that have sent requests to a Service. unknown: why that is not known, empty if it is."""

    service: str
    workloads: frozenset[Workload] = frozenset()
    unknown: str = ""


def callers_of(cluster: Cluster, service: Mapping[str, Any], threads: ThreadPoolExecutor) -> Callers:
    """Those of this Service, from all of its ready pods."""
    name = str(name_of(service))
    selector = as_text((service.get("spec") or {}).get("selector") or {})
    try:
        pods = cluster.list(POD, service["metadata"]["namespace"], selector) if selector else []
    except ClusterError as error:
        return Callers(name, unknown=str(error))
    serving = [pod for pod in pods if is_live(pod) and is_ready(pod)]
    sidecars = proxies_in("sidecar", serving)
    if not sidecars or len(sidecars) < len(serving) or len(sidecars) > MOST:
        return Callers(name, unknown=f"of {len(serving)} ready pods of Service {name} {len(sidecars)} have a sidecar")
    found = list(threads.map(partial(_read, cluster), sidecars))
    unknown = [each for each in found if isinstance(each, str)]
    return Callers(name, _all(found), next(iter(unknown), ""))


def _read(cluster: Cluster, receiver: Proxy) -> frozenset[Workload] | str:
    """Who has sent requests to one pod, or why that is not known."""
    with closing(Stream(cluster, receiver.namespace, receiver.pod, ADMIN_PORT)) as stream:
        try:
            found = sources(stream.get(COUNTERS_PATH, READ_TIMEOUT))
            if found is None or (not found and received(stream.get(HOSTS_PATH, READ_TIMEOUT))):
                return f"{receiver} does not count whose requests it answers"
        except (ClusterError, ValueError) as error:
            return f"{receiver} cannot be read: {error}"
    return found


def _all(found: Iterable[frozenset[Workload] | str]) -> frozenset[Workload]:
    return frozenset(workload for each in found if not isinstance(each, str) for workload in each)


def sources(counters: bytes) -> frozenset[Workload] | None:
    """Who sent the requests that a sidecar has answered, by its answer to COUNTERS_PATH.

    None where it does not name all of them, as without mutual TLS. Without any series nobody is named.
    """
    found = set()
    for series in _SERIES.findall(counters.decode(errors="replace")):
        labels = dict(_LABEL.findall(series))
        if labels.get("reporter") != "destination":
            continue
        workload = Workload(labels.get("source_workload_namespace", ""), labels.get("source_workload", ""))
        if {"", "unknown"} & set(workload):
            return None
        found.add(workload)
    return frozenset(found)


def received(clusters: bytes) -> int:
    """How many requests a sidecar has passed to its own pod, by its answer to HOSTS_PATH. Envoy counts them always."""
    return sum(
        int(stat.get("value", 0))
        for cluster in json.loads(clusters).get("cluster_statuses") or []
        if cluster["name"].startswith("inbound|")
        for host in cluster.get("host_statuses") or []
        for stat in host.get("stats") or []
        if stat.get("name") == "rq_total"
    )
