# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod knows of a proxy that does not run what it should.

Envoy itself keeps no record of routes that it rejects, and Istio switches the counters for them off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from .._common.text import shortened
from .._common.values import from_json, understood
from .._k8s.auth import ClusterError
from .._k8s.client import POD, Cluster
from .._k8s.conditions import is_ready
from .._k8s.pods import environment_of, examine
from .._k8s.portforward import Dial, Stream

PODS = "app=istiod"
PORT = 15014
SYNC = "/debug/syncz"
LONGEST = 600  # characters of an Envoy's error; the reason is at its end
KINDS = {
    "route": "RouteConfiguration",
    "cluster": "Cluster",
    "listener": "Listener",
    "endpoint": "ClusterLoadAssignment",
}
SCOPED = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE"
FILTERED = "PILOT_FILTER_GATEWAY_CLUSTER_CONFIG"


@dataclass(frozen=True)
class SyncStatus:
    """The sync status of all proxies. missing: why it is incomplete, empty if it is not.

    rejected: by proxy (`name.namespace`), what it rejected and its error. pending: what it was sent and has not
    accepted. known: all connected proxies. scoped: whether a Gateway selects pods in its own namespace only.
    """

    missing: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    scoped: bool = False

    def rejects(self, namespace: str, pod: str) -> bool:
        """Whether this proxy rejects what it was sent."""
        return f"{pod}.{namespace}" in self.rejected

    def why(self, namespace: str, pod: str) -> str:
        """Why this proxy does not run what it should, as far as istiod knows."""
        proxy = f"{pod}.{namespace}"
        if proxy in self.rejected:
            return f"it rejects {self.rejected[proxy]}; correct what it names"
        if proxy in self.pending:
            return f"it has not accepted the {self.pending[proxy]} that istiod sent; if that lasts, see its log"
        if proxy in self.known:
            return "it has accepted everything that istiod sent"
        return self.missing or "it is connected to no istiod"


def fetch_status(cluster: Cluster, dial: Dial = Stream) -> SyncStatus:
    """Ask all istiods in the cluster. dial: makes the stream to a port of a pod."""
    try:
        pods = cluster.list(POD, None, PODS)
    except ClusterError as error:
        return SyncStatus(missing=f"the pods of istiod cannot be read: {error}")
    ready = [pod for pod in pods if is_ready(pod)]
    if not ready:
        troubles = "; ".join(examine("istiod", {}, pods).problems) or f"no pod is labelled {PODS}"
        return SyncStatus(missing=f"istiod is down: {troubles}; once it is back, run again")
    answers, failures = [], []
    for pod in ready:
        meta = pod["metadata"]
        with closing(dial(cluster, meta["namespace"], meta["name"], PORT)) as stream:
            try:
                answers.append(stream.get(SYNC))
            except ClusterError as error:
                failures.append(str(error))
    return parse_status(answers, missing="; ".join(failures), scoped=any(_is_on(SCOPED, pod) for pod in ready))


def parse_status(answers: Iterable[bytes], missing: str = "", scoped: bool = False) -> SyncStatus:
    """The sync status in these answers of /debug/syncz."""
    rejected: dict[str, str] = {}
    pending: dict[str, str] = {}
    known: set[str] = set()
    for answer in answers:
        try:
            with understood("list of proxies"):
                for proxy in from_json(answer) or []:
                    name = proxy["proxy"]
                    known.add(name)
                    for kind, resource in KINDS.items():
                        error = _last_error(proxy, resource)
                        if error:
                            rejected.setdefault(name, f"the {kind}s that istiod sent: {error}")
                        elif proxy.get(f"{kind}_sent") != proxy.get(f"{kind}_acked"):
                            pending.setdefault(name, f"{kind}s")
        except ValueError as problem:
            missing = "; ".join(each for each in (missing, f"istiod's answer cannot be read: {problem}") if each)
    return SyncStatus(missing, rejected, pending, frozenset(known), scoped)


def _last_error(proxy: Mapping[str, Any], resource: str) -> str:
    resources: Mapping[str, Any] = proxy.get("resources") or {}  # older istiods have none
    errors = [str(value.get("lastError") or "") for name, value in resources.items() if name.endswith(f".{resource}")]
    return shortened(" ".join(dict.fromkeys(error for error in errors if error)), LONGEST)


def filters_gateway_clusters(cluster: Cluster) -> bool:
    """Whether istiod sends gateways only the clusters that their routes name. False without permission to see it."""
    try:
        return any(_is_on(FILTERED, pod) for pod in cluster.list(POD, None, PODS))
    except ClusterError as error:
        if error.status != 403:
            raise
        return False


def _is_on(name: str, pod: Mapping[str, Any]) -> bool:
    return environment_of(pod).get(name, "").lower() == "true"
