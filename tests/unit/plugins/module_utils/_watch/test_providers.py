# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be told apart is told to be so, and workloads that come later are looked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import Criteria
from ansible_collections.progressive.istio.plugins.module_utils._metrics.increase import Increase, add
from ansible_collections.progressive.istio.plugins.module_utils._metrics.promql import Samples
from ansible_collections.progressive.istio.plugins.module_utils._metrics.workloads import Workload
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.subsets import Subset
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from ansible_collections.progressive.istio.plugins.module_utils._watch import providers
from ansible_collections.progressive.istio.plugins.module_utils._watch.endpoints import Uncounted
from ansible_collections.progressive.istio.plugins.module_utils._watch.providers import (
    PrometheusProvider,
    ProxyProvider,
    WorkloadLookup,
    names_in_answers,
)
from pong_mesh import virtual_service


def pod(deployment: str, **labels: str) -> dict[str, Any]:
    """As a Deployment makes it."""
    owner = {"kind": "ReplicaSet", "name": f"{deployment}-5d4", "controller": True}
    meta = {"name": f"{deployment}-x", "namespace": "shop", "labels": {"pod-template-hash": "5d4", **labels}}
    return {"metadata": {**meta, "ownerReferences": [owner]}}


TRACKS = {"v1": {"track": "blue"}, "v2": {"track": "green"}}
APART = (pod("web-blue", track="blue"), pod("web-green", track="green"))
SHARED = (pod("web", track="blue"), pod("web", track="green"))
SERIES = {
    "__name__": "istio_requests_total",
    "reporter": "source",
    "destination_service": "pong.shop.svc.cluster.local",
    "destination_workload_namespace": "shop",
    "destination_canonical_revision": "latest",
    "response_code": "200",
    "response_flags": "-",
    "instance": "10.0.0.1:15020",
}


def snapshot(*pods: dict[str, Any]) -> Snapshot:
    service = virtual_service(80, 20)
    subsets = {name: Subset(name, labels, "rule") for name, labels in TRACKS.items()}
    (route,) = locate(service, ("v1", "v2"))
    routes = (replace(route, host="pong"),)
    return Snapshot(Target("pong", "shop", "v1", "v2"), service, None, routes, subsets=subsets, pods=pods)


def scraped(workload: str) -> Samples:
    return Samples({**SERIES, "destination_workload": workload}, [(1.0, 3), (2.0, 10)])


def prometheus(pods: tuple[dict[str, Any], ...], *workloads: str) -> PrometheusProvider:
    answers: Any = SimpleNamespace(samples=lambda query, _at: [scraped(each) for each in workloads if "total" in query])
    cluster: Any = SimpleNamespace(now=lambda: datetime(2026, 1, 31, tzinfo=UTC))
    criteria = Criteria(unattributed=None)
    return PrometheusProvider(answers, criteria, cluster, snapshot(*pods), datetime(2026, 1, 30, tzinfo=UTC))


def test_prometheus_counts_by_the_workloads_of_the_pods() -> None:
    counts = prometheus(APART, "web-blue", "web-green", "sparrow").counts()
    assert counts.stable is not None
    assert (counts.canary.answers.requests, counts.stable.answers.requests) == (7, 7)


def test_prometheus_cannot_tell_pods_of_one_workload_and_revision_apart() -> None:
    with pytest.raises(Uncounted, match="workload shop/web has pods of both versions, of one revision"):
        prometheus(SHARED, "web").counts()


@pytest.mark.parametrize(
    ("pods", "workloads", "why"),
    [
        (APART, ["web-blue", "web-green"], ""),
        (APART, [], "the proxies have no istio_request_duration_milliseconds of pong.shop.svc.cluster.local"),
        (SHARED, ["web"], "workload shop/web has pods of both versions, of one revision (latest)"),
        (APART, ["web-blue", "web-violet"], "names, shop/web-blue, shop/web-violet, has no pods of v2"),
    ],
)
def test_why_latencies_are_unknown(pods: tuple[dict[str, Any], ...], workloads: list[str], why: str) -> None:
    prover: Any = SimpleNamespace(cluster=None)
    provider = ProxyProvider(prover, snapshot(*pods))
    answered = "".join(
        f'istio_requests_total{{destination_workload="{each}",{_labels()}}} 7\n' for each in workloads
    ).encode()
    since = providers.parse(answered, ("pong.shop.svc.cluster.local",))
    provider._series = add(add(Increase(), {"one": {}}), {"one": since})
    found = provider._untimed(provider._lookup.of([]), ["v2", "v1"])
    assert why in found
    assert bool(found) is bool(why)
    assert not why or found.endswith("; to judge without it set analysis.latency: false")


def _labels() -> str:
    return ",".join(f'{key}="{value}"' for key, value in SERIES.items())


def test_an_unknown_workload_is_searched_among_the_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(providers.time, "monotonic", lambda: clock.seconds)
    later = snapshot(*APART, pod("web-teal", track="green"))
    asked: list[object] = []
    monkeypatch.setattr(providers, "pods_of", lambda _cluster, known: (asked.append(known), later)[1])
    versions = WorkloadLookup(None, snapshot(*APART))  # type: ignore[arg-type]
    seen = [Workload("web-teal", "shop", "latest")]
    assert versions.of(seen).version_of(seen[0]) == ""  # not at once again
    clock.seconds = providers.LIST_AGAIN + 1
    assert versions.of(seen).version_of(seen[0]) == "v2"
    clock.seconds *= 9
    versions.of(seen)
    assert len(asked) == 1  # all are known now


def test_what_answers_call_a_version() -> None:
    known = snapshot()
    named = replace(known, subsets={"v2": Subset("v2", {"version": "2.0"}, "rule")})
    assert names_in_answers(named, "v2") == {"v2", "2.0"}
    assert names_in_answers(known, "v1") == {"v1"}


def test_the_hosts_of_versions_that_are_services_are_named_as_they_are_written() -> None:
    """In the metrics they have the domain of the cluster, which a full name in a route has, too."""
    split = [
        {"destination": {"host": "pong-v1.shop.svc.corp.example"}, "weight": 80},
        {"destination": {"host": "pong-v2.shop.svc.corp.example"}, "weight": 20},
    ]
    routed = {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"hosts": ["*"], "http": [{"route": split}]}}
    versions = ("pong-v1", "pong-v2")
    found = Snapshot(Target("pong", "shop", *versions), routed, None, locate(routed, versions))
    assert providers.full_hosts(found) == ("pong-v2.shop.svc.corp.example", "pong-v1.shop.svc.corp.example")
