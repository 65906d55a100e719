# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect
from ansible_collections.progressive.istio.plugins.module_utils._k8s.portforward import Stream
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import proxies_in
from ansible_collections.progressive.istio.plugins.module_utils._proxy.callers import (
    Callers,
    Sender,
    callers_of,
    received,
    sender_of,
    senders,
)
from ansible_collections.progressive.istio.plugins.module_utils._proxy.callers import (
    NamespacedName as Name,
)
from loopback_mesh import Mesh, running, sidecar

SERVICE = {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"selector": {"app": "pong"}}}
# As a sidecar of Istio 1.31 writes it, without what does not matter here.
LINE = (
    '{}istio_requests_total{{reporter="{}",source_workload="{}",source_canonical_service="x",source_workload_namespace='
    '"{}",source_principal="{}",destination_service="pong.shop.svc.cluster.local",response_code="200"}} 12\n'
)
TYPE = "# TYPE istio_requests_total counter\n"
PROVEN = "spiffe://cluster.local/ns/web/sa/robot"
CLIENT = Sender(Name("web", "client"), Name("web", "robot"))
Series = tuple[str, str, str, str]
GIVEN: Series = ("destination", "client", "web", PROVEN)


def lines(*series: Series, prefix: str = "") -> bytes:
    return (TYPE + "".join(LINE.format(prefix, *each) for each in series)).encode()


def requests(number: int, name: str = "inbound|8080||") -> bytes:
    stats = [{"name": "cx_total", "value": "9"}, {"name": "rq_total", "value": str(number)}, {"name": "rq_error"}]
    return json.dumps({"cluster_statuses": [{"name": name, "host_statuses": [{"stats": stats}]}]}).encode()


@pytest.mark.parametrize("prefix", ["", "envoy_"])
def test_who_sent_requests(prefix: str) -> None:
    assert senders(lines(GIVEN, ("source", "pong", "shop", ""), prefix=prefix)) == {CLIENT}


@pytest.mark.parametrize(
    ("series", "sender"),
    [
        (("destination", "unknown", "unknown", PROVEN), Sender(None, Name("web", "robot"))),
        (("destination", "", "", PROVEN), Sender(None, Name("web", "robot"))),
        (("destination", "client", "web", "unknown"), Sender(Name("web", "client"), None)),
        (("destination", "client", "web", "something else"), Sender(Name("web", "client"), None)),
    ],
)
def test_a_sender_may_be_known_in_part(series: Series, sender: Sender) -> None:
    assert senders(lines(series)) == {sender}


@pytest.mark.parametrize("workload", ["unknown", "", "client"])
def test_a_sender_without_a_name_may_be_any_caller(workload: str) -> None:
    assert senders(lines(GIVEN, ("destination", workload, "unknown", "unknown"))) is None


@pytest.mark.parametrize(
    ("seen", "asked", "same"),
    [
        (CLIENT, CLIENT, True),
        (
            CLIENT,
            Sender(Name("web", "other"), Name("web", "robot")),
            False,
        ),  # the workload tells more
        (
            Sender(None, Name("web", "robot")),
            Sender(Name("web", "other"), Name("web", "robot")),
            True,
        ),
        (
            Sender(None, Name("web", "robot")),
            Sender(Name("bank", "client"), Name("bank", "robot")),
            False,
        ),
        (CLIENT, Sender(None, Name("web", "robot")), True),
        (
            Sender(Name("web", "client"), None),
            Sender(None, Name("web", "robot")),
            True,
        ),  # nothing to compare
        (
            Sender(Name("web", "client"), None),
            Sender(Name("web", "client"), Name("web", "robot")),
            True,
        ),
    ],
)
def test_who_may_be_the_same(seen: Sender, asked: Sender, same: bool) -> None:
    assert Callers("shop/pong", frozenset({seen})).may_be(asked) is same
    assert not Callers("shop/pong").may_be(asked)
    assert Callers("shop/pong", unknown="why").may_be(asked)


def test_what_a_sidecar_has_received() -> None:
    assert received(requests(12)) == 12
    assert received(requests(12, "outbound|80||other.web.svc.cluster.local")) == 0
    assert received(b"{}") == 0


def test_as_whom_a_pod_sends() -> None:
    pod = sidecar("one", namespace="web", workload="client").object()
    assert sender_of(pod) == Sender(Name("web", "client"), Name("web", "default"))
    pod["spec"]["serviceAccountName"] = "robot"
    assert str(sender_of(pod)) == "workload web/client, service account web/robot"
    assert sender_of(sidecar("one").object()) == Sender(None, Name("shop", "default"))


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        yield mesh


def looked_up(mesh: Mesh) -> Callers:
    with ThreadPoolExecutor(2) as threads:
        return callers_of(connect({"host": mesh.url, "api_key": "secret"}), SERVICE, threads, {})


def test_all_pods_of_a_service_are_asked(mesh: Mesh) -> None:
    for name, answer in (("one", lines(GIVEN)), ("two", lines()), ("three", b"")):
        pod = mesh.add(sidecar(name, app="pong"))
        pod.server.answers |= {"/stats/prometheus": answer, "/clusters": requests(0)}
    mesh.add(sidecar("starting", app="pong")).ready = False
    mesh.add(sidecar("other", app="other"))
    assert looked_up(mesh) == Callers("shop/pong", frozenset({CLIENT}))


def test_requests_that_are_not_counted_may_be_of_any_caller(mesh: Mesh) -> None:
    """As where Telemetry switches Istio's counters off."""
    pod = mesh.add(sidecar("one", app="pong"))
    pod.server.answers |= {"/stats/prometheus": b"", "/clusters": requests(3)}
    assert looked_up(mesh).unknown == "sidecar shop/one does not count its callers"


def test_a_pod_without_a_sidecar_counts_nothing(mesh: Mesh) -> None:
    mesh.add(sidecar("one", app="pong")).server.answers["/stats/prometheus"] = lines(GIVEN)
    mesh.add(sidecar("two", app="pong")).role = "none"
    assert looked_up(mesh).unknown == "of 2 ready pods of Service shop/pong 1 have a sidecar"


def test_a_pod_that_is_connected_already_is_asked_there(mesh: Mesh) -> None:
    pod = mesh.add(sidecar("one", app="pong"))
    pod.server.answers["/stats/prometheus"] = lines(GIVEN)
    cluster = connect({"host": mesh.url, "api_key": "secret"})
    (proxy,) = proxies_in("sidecar", [pod.object()])
    with ThreadPoolExecutor(2) as threads, closing(Stream(cluster, "shop", "one", 15000)) as stream:
        for _time in range(2):
            assert callers_of(cluster, SERVICE, threads, {proxy: stream}).senders == {CLIENT}
    assert mesh.asked("portforward") == 1


def test_a_slow_pod_has_the_time_that_is_given(mesh: Mesh) -> None:
    pod = mesh.add(sidecar("one", app="pong"))
    slow = threading.Event()
    pod.server.answers["/stats/prometheus"] = lambda _path: b"" if slow.wait(0.3) else lines(GIVEN)
    cluster = connect({"host": mesh.url, "api_key": "secret"})
    with ThreadPoolExecutor(2) as threads:
        assert "no answer within 0.1 s" in callers_of(cluster, SERVICE, threads, {}, timeout=0.1).unknown
        assert callers_of(cluster, SERVICE, threads, {}, timeout=20).senders == {CLIENT}
