# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who has sent requests to a Service, as the sidecars of its own pods have counted since they started."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from .._common.values import from_json, understood
from .._istio.mesh import name_of
from .._k8s.auth import ClusterError
from .._k8s.client import POD, Cluster
from .._k8s.conditions import is_live, is_ready
from .._k8s.portforward import Stream
from .._k8s.selectors import as_text
from .attachment import Proxy, proxies_in

ADMIN_PORT = 15000
READ_TIMEOUT = 2.0
MOST = 50  # pods: those of a larger Service are not all read

COUNTERS_PATH = "/stats/prometheus?filter=istio.requests_total"
HOSTS_PATH = "/clusters?format=json&filter=%5Einbound"
_SERIES = re.compile(r"^(?:envoy_)?istio_requests_total\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WORKLOAD = "ISTIO_META_WORKLOAD_NAME"  # how injection tells a sidecar what its pod belongs to
_ACCOUNT = re.compile(r"spiffe://[^/]+/ns/([^/]+)/sa/([^/]+)")
_ABSENT = frozenset({"", "-", "unknown"})  # how a label without a value is written


class NamespacedName(NamedTuple):
    """A namespace and what is named there."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Sender(NamedTuple):
    """Who sends requests, as far as it is known: the workload, and the service account that its certificate proves."""

    workload: NamespacedName | None
    account: NamespacedName | None

    def __str__(self) -> str:
        known = (("workload", self.workload), ("service account", self.account))
        return ", ".join(f"{word} {name}" for word, name in known if name)

    def may_be(self, other: Sender) -> bool:
        """Whether both may be the same."""
        if self.workload and other.workload:
            return self.workload == other.workload
        return not (self.account and other.account) or self.account == other.account


def sender_of(pod: Mapping[str, Any]) -> Sender:
    """As whom the sidecar of this pod sends requests."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    variables = [each for container in containers for each in container.get("env") or []]
    name = next((each.get("value") for each in variables if each["name"] == _WORKLOAD), None)
    account = NamespacedName(namespace, spec.get("serviceAccountName") or "default")
    return Sender(NamespacedName(namespace, name) if name else None, account)


@dataclass(frozen=True)
class Callers:
    """Who has sent requests to a Service. unknown: why that is not known, empty if it is."""

    service: str
    senders: frozenset[Sender] = frozenset()
    unknown: str = ""

    def may_be(self, sender: Sender) -> bool:
        """Whether this one may be among them."""
        return bool(self.unknown) or any(each.may_be(sender) for each in self.senders)


def callers_of(
    cluster: Cluster,
    service: Mapping[str, Any],
    threads: ThreadPoolExecutor,
    streams: Mapping[Proxy, Stream],
    timeout: float = READ_TIMEOUT,
) -> Callers:
    """Those of this Service, from all of its ready pods. streams: those that are open already."""
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
    found = list(threads.map(partial(_read, cluster, streams, timeout), sidecars))
    unknown = [each for each in found if isinstance(each, str)]
    return Callers(name, _all(found), next(iter(unknown), ""))


def _read(
    cluster: Cluster, streams: Mapping[Proxy, Stream], timeout: float, receiver: Proxy
) -> frozenset[Sender] | str:
    """Who has sent requests to one pod, or why that is not known."""
    opened = streams.get(receiver)
    stream = opened or Stream(cluster, receiver.namespace, receiver.pod, ADMIN_PORT)
    with nullcontext() if opened else closing(stream):
        try:
            found = senders(stream.get(COUNTERS_PATH, timeout))
            if found is None or (not found and received(stream.get(HOSTS_PATH, timeout))):
                return f"{receiver} does not count whose requests it answers"
        except (ClusterError, ValueError) as error:
            return f"{receiver} cannot be read: {error}"
    return found


def _all(found: Iterable[frozenset[Sender] | str]) -> frozenset[Sender]:
    return frozenset(sender for each in found if not isinstance(each, str) for sender in each)


def senders(counters: bytes) -> frozenset[Sender] | None:
    """Who sent the requests that a sidecar has answered, by its answer to COUNTERS_PATH.

    None where some of them may be of anybody, as without mutual TLS. Without any series nobody is named.
    """
    found = set()
    for series in _SERIES.findall(counters.decode(errors="replace")):
        labels = dict(_LABEL.findall(series))
        if labels.get("reporter") == "destination":
            sender = _sender(labels)
            if not any(sender):
                return None
            found.add(sender)
    return frozenset(found)


def _sender(labels: Mapping[str, str]) -> Sender:
    workload = NamespacedName(labels.get("source_workload_namespace", ""), labels.get("source_workload", ""))
    account = _ACCOUNT.fullmatch(labels.get("source_principal", ""))
    return Sender(None if _ABSENT & set(workload) else workload, NamespacedName(*account.groups()) if account else None)


@understood("list of clusters")
def received(clusters: bytes) -> int:
    """How many requests a sidecar has passed to its own pod, by its answer to HOSTS_PATH. Envoy counts them always."""
    return sum(
        int(stat.get("value", 0))
        for cluster in from_json(clusters).get("cluster_statuses") or []
        if cluster["name"].startswith("inbound|")
        for host in cluster.get("host_statuses") or []
        for stat in host.get("stats") or []
        if stat.get("name") == "rq_total"
    )
