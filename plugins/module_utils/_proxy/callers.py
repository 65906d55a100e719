# SPDX-License-Identifier: GPL-3.0-or-later
"""The callers of a Service, as the sidecars of its pods have counted them since they started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from .._common.values import from_json, understood
from .._istio.mesh import name_of
from .._k8s.auth import ClusterError
from .._k8s.client import POD, Cluster
from .._k8s.conditions import is_live, is_ready
from .._k8s.pods import environment_of
from .._k8s.portforward import Stream
from .._k8s.selectors import as_text
from .._metrics.istio_metrics import ABSENT, LABEL
from .attachment import Proxy, proxies_in

ADMIN_PORT = 15000
READ_TIMEOUT = 2.0
MAX_PODS = 50  # of a larger Service the callers are unknown

COUNTERS_PATH = "/stats/prometheus?filter=istio.requests_total"
HOSTS_PATH = "/clusters?format=json&filter=%5Einbound"
_SERIES = re.compile(r"^(?:envoy_)?istio_requests_total\{(.*)\} ", re.MULTILINE)
_WORKLOAD = "ISTIO_META_WORKLOAD_NAME"  # an environment variable that injection sets
_ACCOUNT = re.compile(r"spiffe://[^/]+/ns/([^/]+)/sa/([^/]+)")


class NamespacedName(NamedTuple):
    """A namespace and a name in it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Sender(NamedTuple):
    """A caller: its workload and the service account that its certificate proves, None where unknown."""

    workload: NamespacedName | None
    account: NamespacedName | None

    def __str__(self) -> str:
        known = (("workload", self.workload), ("service account", self.account))
        return ", ".join(f"{word} {name}" for word, name in known if name)

    def may_be(self, other: Sender) -> bool:
        """Whether both may be the same caller."""
        if self.workload and other.workload:
            return self.workload == other.workload
        return not (self.account and other.account) or self.account == other.account


def sender_of(pod: Mapping[str, Any]) -> Sender:
    """The sender that the sidecar of this pod sends requests as."""
    namespace, name = pod["metadata"]["namespace"], environment_of(pod).get(_WORKLOAD)
    account = NamespacedName(namespace, pod["spec"].get("serviceAccountName") or "default")
    return Sender(NamespacedName(namespace, name) if name else None, account)


@dataclass(frozen=True)
class Callers:
    """The callers of a Service. unknown: why they are not known, empty if they are."""

    service: str
    senders: frozenset[Sender] = frozenset()
    unknown: str = ""

    def may_be(self, sender: Sender) -> bool:
        """Whether this sender may be among them."""
        return bool(self.unknown) or any(each.may_be(sender) for each in self.senders)


def callers_of(
    cluster: Cluster,
    service: Mapping[str, Any],
    threads: ThreadPoolExecutor,
    streams: Mapping[Proxy, Stream],
    timeout: float = READ_TIMEOUT,
) -> Callers:
    """The callers of this Service, from all of its ready pods. streams: open ones to reuse."""
    name = str(name_of(service))
    selector = as_text((service.get("spec") or {}).get("selector") or {})
    try:
        pods = cluster.list(POD, service["metadata"]["namespace"], selector) if selector else []
    except ClusterError as error:
        return Callers(name, unknown=str(error))
    serving = [pod for pod in pods if is_live(pod) and is_ready(pod)]
    sidecars = proxies_in("sidecar", serving)
    if not sidecars or len(sidecars) < len(serving) or len(sidecars) > MAX_PODS:
        return Callers(name, unknown=f"of {len(serving)} ready pods of Service {name} {len(sidecars)} have a sidecar")
    found = list(threads.map(partial(_read, cluster, streams, timeout), sidecars))
    unknown = [each for each in found if isinstance(each, str)]
    known = (each for each in found if not isinstance(each, str))
    return Callers(name, frozenset(chain.from_iterable(known)), next(iter(unknown), ""))


def _read(
    cluster: Cluster, streams: Mapping[Proxy, Stream], timeout: float, receiver: Proxy
) -> frozenset[Sender] | str:
    """The callers of one pod, or why they are not known."""
    opened = streams.get(receiver)
    stream = opened or Stream(cluster, receiver.namespace, receiver.pod, ADMIN_PORT)
    with nullcontext() if opened else closing(stream):
        try:
            found = senders(stream.get(COUNTERS_PATH, timeout))
            if found is None or (not found and received(stream.get(HOSTS_PATH, timeout))):
                return f"{receiver} does not count its callers"
        except (ClusterError, ValueError) as error:
            return f"{receiver} cannot be read: {error}"
    return found


def senders(counters: bytes) -> frozenset[Sender] | None:
    """The callers in a sidecar's answer to COUNTERS_PATH; None if some are unnamed, as without mutual TLS."""
    found = set()
    for series in _SERIES.findall(counters.decode(errors="replace")):
        labels = dict(LABEL.findall(series))
        if labels.get("reporter") == "destination":
            sender = _sender(labels)
            if not any(sender):
                return None
            found.add(sender)
    return frozenset(found)


def _sender(labels: Mapping[str, str]) -> Sender:
    workload = NamespacedName(labels.get("source_workload_namespace", ""), labels.get("source_workload", ""))
    account = _ACCOUNT.fullmatch(labels.get("source_principal", ""))
    return Sender(None if ABSENT & set(workload) else workload, NamespacedName(*account.groups()) if account else None)


@understood("list of clusters")
def received(clusters: bytes) -> int:
    """The requests that a sidecar has passed to its pod, from its answer to HOSTS_PATH."""
    return sum(
        int(stat.get("value", 0))
        for cluster in from_json(clusters).get("cluster_statuses") or []
        if cluster["name"].startswith("inbound|")
        for host in cluster.get("host_statuses") or []
        for stat in host.get("stats") or []
        if stat.get("name") == "rq_total"
    )
