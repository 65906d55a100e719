# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._callers import (
    Callers,
    Workload,
    callers_of,
    received,
    sources,
    workload_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._cluster import connect
from loopback_mesh import Mesh, running, sidecar

SERVICE = {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"selector": {"app": "pong"}}}
# As a sidecar of Istio 1.31 writes it, without what does not matter here.
LINE = (
    '{}istio_requests_total{{reporter="{}",source_workload="{}",source_canonical_service="x",source_workload_namespace='
    '"{}",source_principal="spiffe://cluster.local/ns/web/sa/client",destination_service="pong.shop.svc.cluster.local",'
    'response_code="200",response_flags="-"}} 12\n'
)
TYPE = "# TYPE istio_requests_total counter\n"
WEB = Workload("web", "client")


def lines(*series: tuple[str, str, str], prefix: str = "") -> bytes:
    return (TYPE + "".join(LINE.format(prefix, *each) for each in series)).encode()


def requests(number: int, name: str = "inbound|8080||") -> bytes:
    stats = [{"name": "cx_total", "value": "9"}, {"name": "rq_total", "value": str(number)}, {"name": "rq_error"}]
    return json.dumps({"cluster_statuses": [{"name": name, "host_statuses": [{"stats": stats}]}]}).encode()


@pytest.mark.parametrize("prefix", ["", "envoy_"])
def test_who_sent_requests(prefix: str) -> None:
    found = sources(lines(("destination", "client", "web"), ("source", "pong", "shop"), prefix=prefix))
    assert found == {WEB}


@pytest.mark.parametrize("source", [("destination", "unknown", "unknown"), ("destination", "", "web")])
def test_a_sender_without_a_name_may_be_anybody(source: tuple[str, str, str]) -> None:
    assert sources(lines(("destination", "client", "web"), source)) is None


def test_what_a_sidecar_has_received() -> None:
    assert received(requests(12)) == 12
    assert received(requests(12, "outbound|80||other.web.svc.cluster.local")) == 0
    assert received(b"{}") == 0


def test_the_workload_of_a_pod() -> None:
    assert workload_of(sidecar("one", namespace="web", workload="client").object()) == WEB
    assert workload_of(sidecar("one").object()) is None


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        yield mesh


def looked_up(mesh: Mesh) -> Callers:
    with ThreadPoolExecutor(2) as threads:
        return callers_of(connect({"host": mesh.url, "api_key": "secret"}), SERVICE, threads)


def test_all_pods_of_a_service_are_asked(mesh: Mesh) -> None:
    for name, answer in (("one", lines(("destination", "client", "web"))), ("two", lines()), ("three", b"")):
        pod = mesh.add(sidecar(name, app="pong"))
        pod.server.answers |= {"/stats/prometheus": answer, "/clusters": requests(0)}
    mesh.add(sidecar("starting", app="pong")).ready = False
    mesh.add(sidecar("other", app="other"))
    assert looked_up(mesh) == Callers("shop/pong", frozenset({WEB}))


def test_requests_that_nobody_has_counted_may_be_of_anybody(mesh: Mesh) -> None:
    """As where Telemetry switches Istio's counters off."""
    pod = mesh.add(sidecar("one", app="pong"))
    pod.server.answers |= {"/stats/prometheus": b"", "/clusters": requests(3)}
    assert looked_up(mesh).unknown == "sidecar shop/one does not count whose requests it answers"


def test_a_pod_without_a_sidecar_counts_nothing(mesh: Mesh) -> None:
    mesh.add(sidecar("one", app="pong")).server.answers["/stats/prometheus"] = lines(("destination", "client", "web"))
    mesh.add(sidecar("two", app="pong")).role = "none"
    assert looked_up(mesh).unknown == "of 2 ready pods of Service shop/pong 1 have a sidecar"
