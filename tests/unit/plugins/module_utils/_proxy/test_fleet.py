# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.delegation import bindings
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect
from ansible_collections.progressive.istio.plugins.module_utils._proxy import fleet, poll
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import (
    Attachment,
    Proxy,
    attachment_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._proxy.callers import Callers
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import EnvoyRule, rules_of
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Extent, NotLive, Proxies, Unproven
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName
from loopback_mesh import Envoy, Mesh, Pod, istiod, running, sidecar
from rule_ids import http

HASTE = 0.05  # seconds that stand for a second here


def split(*weights: int) -> tuple[EnvoyRule, ...]:
    """The one rule, with these weights."""
    return rules_of(virtual_service(*weights), http(0))


def attached(virtual_service: dict[str, Any]) -> Attachment:
    return attachment_of(virtual_service, bindings(virtual_service, http(0)))


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "LIST_AGAIN", HASTE)
    monkeypatch.setattr(fleet, "LIST_SHARE", 1)
    monkeypatch.setattr(fleet, "FIRST_QUESTION", HASTE)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        yield mesh


def virtual_service(v1: int, v2: int, *gateways: str) -> dict[str, Any]:
    destinations = [
        {"destination": {"host": "pong", "subset": name}, "weight": weight} for name, weight in (("v1", v1), ("v2", v2))
    ]
    return {
        "metadata": {"name": "pong", "namespace": "shop"},
        "spec": {
            "hosts": ["shop.test"],
            "gateways": list(gateways or ["gateway"]),
            "http": [{"name": "primary", "route": destinations}],
        },
    }


def proxies(mesh: Mesh, *gateways: str, **options: Any) -> Proxies:
    bound = attached(virtual_service(80, 20, *gateways))
    return Proxies(connect({"host": mesh.url, "api_key": "secret"}), bound, **options)


class Meanwhile:
    """Does one thing after the other, each when all pods have been listed twice since the one before."""

    def __init__(self, mesh: Mesh, *actions: Callable[[], object]) -> None:
        self.mesh = mesh
        self.actions = actions
        self.begin = self.ended = time.monotonic()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        for action in self.actions:
            seen = self.mesh.asked("/pods") + 2
            while self.mesh.asked("/pods") < seen:
                time.sleep(HASTE / 10)
            self.ended = time.monotonic()
            action()

    @property
    def seconds(self) -> float:
        """From the begin until the last one."""
        return self.ended - self.begin


def test_all_gateways_agree(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "LIST_AGAIN", 60.0)
    monkeypatch.setattr(fleet, "FIRST_QUESTION", 60.0)
    for name in ("one", "two"):
        mesh.add(Envoy(name, 80, 20))
    mesh.add(Envoy("of-another-gateway", 50, 50, labels={"istio": "other"}))
    mesh.add(Envoy("starting", 50, 50, ready=False))
    mesh.add(Envoy("ending", 50, 50, deleted=True))
    with proxies(mesh) as found:
        since = time.monotonic() - 1
        proof = found.await_weights(split(80, 20), 30, since)
    assert [(str(each.proxy), each.weights) for each in proof.live] == [
        ("gateway gateways/one", {"v1": 80, "v2": 20}),
        ("gateway gateways/two", {"v1": 80, "v2": 20}),
    ]
    assert 1 <= proof.after < 30
    assert (proof.unconcerned, proof.extent, proof.extent.sample) == (0, Extent(gateways=2), "")
    assert mesh.asked("portforward") == 2
    assert (mesh.asked("/gateways/gateway"), mesh.asked("/pods")) == (1, 1)


def test_a_change_is_noticed_and_the_streams_serve_again(mesh: Mesh) -> None:
    pod = mesh.add(Envoy("one", 80, 20))
    with proxies(mesh) as found:
        change = Meanwhile(mesh, lambda: setattr(pod, "split", (50, 50)))
        proof = found.await_weights(split(50, 50), 30, change.begin)
        assert HASTE < change.seconds <= proof.after
        assert found.await_absence([HostSubset(ServiceName("shop", "other"), "v1")], 30).live
    assert mesh.asked("portforward") == 1


def test_a_deadline_names_the_proxies_that_lag_and_their_weights(mesh: Mesh) -> None:
    mesh.add(Envoy("one", 80, 20))
    mesh.add(Envoy("two", 50, 50))
    istiod(mesh)
    with proxies(mesh) as found, pytest.raises(NotLive) as caught:
        found.await_weights(split(50, 50), 10 * HASTE)
    assert str(caught.value).startswith(
        "VirtualService shop/pong was accepted by the API server with v1 50 %, v2 50 %, but that is not live on 1 of 2 "
        "proxies after 0."
    )
    assert str(caught.value).endswith(
        "gateway gateways/one runs v1 80 %, v2 20 % (it has accepted everything that istiod sent)"
    )
    assert [str(each.proxy) for each in caught.value.lagging] == ["gateway gateways/one"]
    assert [str(each.proxy) for each in caught.value.live] == ["gateway gateways/two"]


def test_of_many_who_lag_a_few_are_named(mesh: Mesh) -> None:
    for number in range(5):
        mesh.add(Envoy(f"gateway-{number}"))
    with proxies(mesh) as found, pytest.raises(NotLive, match=r"on 5 of 5 proxies .*; and 2 more$") as caught:
        found.await_weights(split(50, 50), 0.05)
    assert [f"gateway-{number}" in str(caught.value) for number in range(5)] == [True, True, True, False, False]


def test_what_is_rejected_twice_is_not_waited_for(mesh: Mesh) -> None:
    mesh.add(Envoy("one", 80, 20))
    istiod(mesh, error="no such command")
    begin = time.monotonic()
    with (
        proxies(mesh) as found,
        pytest.raises(NotLive, match="it rejects the routes that istiod sent: no such command"),
    ):
        found.await_weights(split(50, 50), 30)
    assert time.monotonic() - begin < 15


def test_what_is_rejected_once_may_be_put_right(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = mesh.add(Envoy("one", 80, 20))
    istiod(mesh, error="no such command")
    answers = mesh.pods[1].server.answers
    rejection = answers["/debug/syncz"]

    def put_right(_asked: object) -> bytes:
        pod.split, answers["/debug/syncz"] = (50, 50), rejection.replace(b"no such command", b"")
        return rejection

    answers["/debug/syncz"] = put_right
    monkeypatch.setattr(fleet, "FIRST_QUESTION", 4 * HASTE)
    with proxies(mesh) as found:
        assert found.await_weights(split(50, 50), 30).live
    assert mesh.pods[1].server.asked


def test_a_frozen_gateway_is_waited_for_and_named(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "READ_TIMEOUT", 0.5)  # the other one is to answer within that on a busy machine
    frozen = threading.Event()
    pod = mesh.add(Envoy("one", 80, 20))
    mesh.add(Envoy("two", 80, 20))
    pod.server.answers["/config_dump"] = lambda path: pod.routes(path) if frozen.wait(30) else b""
    with proxies(mesh) as found:
        with pytest.raises(NotLive, match=r"1 of 2 .* gateways/one cannot be read: no answer within 0\.\d+ s"):
            found.await_weights(split(80, 20), 1.2)
        Meanwhile(mesh, frozen.set)
        assert len(found.await_weights(split(80, 20), 30).live) == 2


def test_a_gateway_that_joins_is_proven_too(mesh: Mesh) -> None:
    one = mesh.add(Envoy("one", 50, 50))
    two = Envoy("two", 50, 50)
    with proxies(mesh) as found:
        changes = Meanwhile(
            mesh,
            lambda: mesh.add(two),
            lambda: setattr(one, "split", (80, 20)),
            lambda: setattr(two, "split", (80, 20)),
        )
        proof = found.await_weights(split(80, 20), 30, changes.begin)
        assert [each.proxy.pod for each in proof.live] == ["one", "two"]
        assert proof.after >= changes.seconds > HASTE


def test_a_gateway_that_goes_is_not_waited_for(mesh: Mesh) -> None:
    mesh.add(Envoy("one", 80, 20))
    two = mesh.add(Envoy("two", 50, 50))
    with proxies(mesh) as found:
        Meanwhile(mesh, lambda: setattr(two, "ready", False))
        assert [each.proxy.pod for each in found.await_weights(split(80, 20), 30).live] == ["one"]
        assert [proxy.pod for proxy in found.found] == ["one"]


def test_a_gateway_that_comes_back_is_asked_anew(mesh: Mesh) -> None:
    one, two = mesh.add(Envoy("one", 50, 50)), mesh.add(Envoy("two", 50, 50))
    with proxies(mesh) as found:
        Meanwhile(
            mesh,
            lambda: setattr(two, "ready", False),
            lambda: setattr(two, "ready", True),
            lambda: setattr(two, "split", (80, 20)),
            lambda: setattr(one, "split", (80, 20)),
        )
        assert len(found.await_weights(split(80, 20), 30).live) == 2
    assert mesh.asked("portforward") == 3


def test_no_gateway_is_left(mesh: Mesh) -> None:
    pod = mesh.add(Envoy("one", 50, 50))
    with proxies(mesh) as found:
        pod.ready = False
        with pytest.raises(Unproven, match="no ready proxy runs the routes of VirtualService shop/pong"):
            found.await_weights(split(80, 20), 0.2)


def test_gateways_of_other_namespaces_where_a_gateway_is_scoped_to_its_own(mesh: Mesh) -> None:
    mesh.add(Envoy("one", namespace="gateways"))
    mesh.add(Envoy("two", 80, 20, namespace="shop"))
    istiod(mesh, PILOT_SCOPE_GATEWAY_TO_NAMESPACE="true")
    with proxies(mesh) as found:
        assert [each.proxy.pod for each in found.await_weights(split(80, 20), 30).live] == ["two"]


def test_sidecars_are_proven_where_the_mesh_is_meant(mesh: Mesh) -> None:
    mesh.add(Envoy("one", 80, 20))
    mesh.add(sidecar("caller", 80, 20))
    mesh.add(sidecar("bystander"))
    with proxies(mesh, "gateway", "mesh") as found:
        proof = found.await_weights(split(80, 20), 30)
        assert [str(each.proxy) for each in proof.live] == ["gateway gateways/one", "sidecar shop/caller"]
        assert proof.unconcerned == 1
    with proxies(mesh, "gateway", "mesh", scope="gateways") as found:
        assert [str(proxy) for proxy in found.found] == ["gateway gateways/one"]


def test_no_sidecar_knows_the_route(mesh: Mesh) -> None:
    mesh.add(sidecar("bystander"))
    with proxies(mesh, "mesh") as found, pytest.raises(NotLive, match="sidecar shop/bystander has no such route"):
        found.await_weights(split(80, 20), 6 * HASTE)


def test_some_of_many_sidecars(mesh: Mesh) -> None:
    for number in range(6):
        mesh.add(sidecar(f"caller-{number}", 80, 20))
    with proxies(mesh, "mesh", sidecars=4) as found:
        before = found.found
        proof = found.await_weights(split(80, 20), 30)
    assert (len(proof.live), proof.extent) == (4, Extent(sidecars=6, asked=4))
    assert proof.extent.sample == "4 of 6 sidecars"
    assert tuple(each.proxy for each in proof.live) == before


def pong(*versions: str) -> list[HostSubset]:
    return [HostSubset(ServiceName("shop", "pong"), version) for version in versions]


def test_versions_are_awaited(mesh: Mesh) -> None:
    pod = mesh.add(Envoy("one"))
    pod.subsets = ["v1"]
    with proxies(mesh) as found:
        with pytest.raises(
            NotLive, match=r"^subset v2 of shop/pong cannot be routed to yet on 1 of 1 .* has no cluster"
        ):
            found.await_versions(pong("v2"), 25 * HASTE)
        Meanwhile(mesh, lambda: pod.subsets.append("v2"))
        assert found.await_versions(pong("v1", "v2"), 30).live


def test_definitions_are_awaited_with_hosts_or_without(mesh: Mesh) -> None:
    pod = mesh.add(Envoy("one", hosts=0))
    pod.subsets = ["v1"]
    with proxies(mesh) as found:
        assert found.await_definitions(pong("v1"), 5).live
        with pytest.raises(NotLive, match=r"^subset v2 of shop/pong cannot be named by a route yet .* no cluster"):
            found.await_definitions(pong("v2"), 6 * HASTE)
        with pytest.raises(NotLive, match=r"has 0 of 0 hosts of subset v1 of shop/pong healthy"):
            found.await_versions(pong("v1"), 6 * HASTE)
        Meanwhile(mesh, lambda: pod.subsets.append("v2"))
        assert found.await_definitions(pong("v1", "v2"), 30).live


def test_absence_is_awaited(mesh: Mesh) -> None:
    pod = mesh.add(Envoy("one", 80, 20))
    with proxies(mesh) as found:
        with pytest.raises(NotLive, match=r"^subset v2 of shop/pong cannot be removed yet on 1 of 1 .* has routes to"):
            found.await_absence(pong("v2"), 6 * HASTE)
        Meanwhile(mesh, lambda: setattr(pod, "split", (100, 0)))
        assert found.await_absence(pong("v2"), 30).live


def test_a_missing_permission_is_reported_before_the_first_write(mesh: Mesh) -> None:
    mesh.add(Envoy("one", 80, 20))
    mesh.add(Envoy("two", 80, 20, refusal=(403, "pods is forbidden")))
    with proxies(mesh) as found, pytest.raises(ClusterError, match="pods is forbidden"):
        found.await_weights(split(80, 20), 30)


def test_a_pod_that_is_unreachable_for_a_while_is_tried_again(mesh: Mesh) -> None:
    pod = mesh.add(Envoy("one", 80, 20, broken="connection refused"))
    with proxies(mesh) as found:
        Meanwhile(mesh, lambda: setattr(pod, "broken", ""))
        assert found.await_weights(split(80, 20), 30).live


def test_an_answer_that_is_not_from_envoy(mesh: Mesh) -> None:
    mesh.add(Pod("one", answers={"/config_dump": b"<html>"}))
    with proxies(mesh) as found, pytest.raises(NotLive, match="cannot be read: Expecting value"):
        found.await_weights(split(80, 20), 6 * HASTE)


def test_an_error_in_an_expectation_is_raised(mesh: Mesh) -> None:
    mesh.add(Pod("one", answers={"/config_dump": b'{"configs": [1]}'}))
    with proxies(mesh) as found, pytest.raises(NotLive, match="cannot be read: it is no config_dump as expected"):
        found.await_weights(split(80, 20), 6 * HASTE)


@pytest.mark.parametrize(
    ("gateways", "options", "said"),
    [
        (["gateway"], {}, r"looked for those of Gateway shop/gateway \(selector istio=gateway\)$"),
        (["nowhere"], {}, "Gateway shop/nowhere, which VirtualService shop/pong names, does not exist in"),
        (["gateway", "mesh"], {}, r"selector istio=gateway\) and the mesh \(pods with a sidecar\)$"),
        (["mesh"], {"scope": "gateways"}, "attached to the mesh alone$"),
    ],
)
def test_nobody_is_there(mesh: Mesh, gateways: list[str], options: dict[str, Any], said: str) -> None:
    with pytest.raises(Unproven, match=said), proxies(mesh, *gateways, **options):
        pass


def test_a_delegate_without_a_root_is_not_proven(mesh: Mesh) -> None:
    delegate = virtual_service(80, 20)
    delegate["spec"]["hosts"] = []
    cluster = connect({"host": mesh.url, "api_key": "secret"})
    with pytest.raises(Unproven, match="VirtualService shop/pong has no hosts, and no VirtualService that may be read"):
        Proxies(cluster, attached(delegate)).__enter__()


SERVICE = {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"selector": {"app": "pong"}}}
COUNTED = 'istio_requests_total{{reporter="destination",source_workload="{}",source_workload_namespace="{}"}} 7\n'


def server(mesh: Mesh, *callers: str) -> Envoy:
    """A pod of the Service, whose sidecar has counted requests of these workloads of the namespace `web`."""
    pod = mesh.add(sidecar("server", 80, 20, app="pong"))
    assert isinstance(pod, Envoy)
    pod.server.answers["/stats/prometheus"] = "".join(COUNTED.format(each, "web") for each in callers).encode()
    return pod


def frozen(mesh: Mesh, thawed: threading.Event, **fields: Any) -> Envoy:
    """A sidecar that takes connections and gives no answer until then."""
    pod = mesh.add(sidecar("frozen", 80, 20, namespace="web", workload="client", **fields))
    assert isinstance(pod, Envoy)
    pod.server.answers["/config_dump"] = lambda path: pod.routes(path) if thawed.wait(30) else b""
    return pod


@pytest.fixture
def thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    monkeypatch.setattr(fleet, "SILENCE", 4 * HASTE)
    monkeypatch.setattr(poll, "READ_TIMEOUT", 4 * HASTE)
    event = threading.Event()
    yield event
    event.set()


def exported(*namespaces: str) -> dict[str, Any]:
    found = virtual_service(80, 20, "mesh")
    return {**found, "spec": {**found["spec"], "exportTo": list(namespaces)}}


def scoped(namespace: str, *hosts: str) -> dict[str, Any]:
    return {"metadata": {"name": "default", "namespace": namespace}, "spec": {"egress": [{"hosts": list(hosts)}]}}


def test_a_sidecar_that_cannot_carry_the_route_is_not_asked(mesh: Mesh, thawed: threading.Event) -> None:
    server(mesh)
    pod = frozen(mesh, thawed)
    cluster = connect({"host": mesh.url, "api_key": "secret"})
    with Proxies(cluster, attached(exported(".")), service=SERVICE) as found:
        proof = found.await_weights(split(80, 20), 30)
    assert (len(proof.live), proof.extent) == (1, Extent(sidecars=1, asked=1, unable=1))
    mesh.sidecars = [scoped("web", "./*", "istio-system/*")]
    with proxies(mesh, "mesh", service=SERVICE) as found:
        assert found.await_weights(split(80, 20), 30).extent.unable == 1
    assert not pod.server.asked


def test_no_sidecar_can_carry_the_route(mesh: Mesh) -> None:
    mesh.add(sidecar("one", namespace="web"))
    cluster = connect({"host": mesh.url, "api_key": "secret"})
    with (
        pytest.raises(Unproven, match=r"the sources in matches keep them from 1 sidecar$"),
        Proxies(cluster, attached(exported("."))),
    ):
        pass


def test_a_silent_sidecar_that_has_never_called_is_named_and_not_waited_for(
    mesh: Mesh, thawed: threading.Event
) -> None:
    answering = server(mesh, "other")
    pod = frozen(mesh, thawed)
    begin = time.monotonic()
    with proxies(mesh, "mesh", service=SERVICE) as found:
        proof = found.await_weights(split(80, 20), 30)
        assert [str(each.proxy) for each in proof.live] == ["sidecar shop/server"]
        (named,) = proof.extent.unanswered
        assert named.startswith("sidecar web/frozen ")
        assert named.endswith(
            "; it was not waited for, since no pod of Service shop/pong has had a request from it "
            "(workload web/client, service account web/default)"
        )
        again = time.monotonic()
        assert found.await_weights(split(80, 20), 30).extent.unanswered == (named,)
        assert time.monotonic() - again < again - begin
        answering.split = pod.split = (50, 50)
        thawed.set()
        while "on 2 of 2 proxies" not in (lags := lagging(found)):  # until it answers, and then it counts at once
            assert time.monotonic() < begin + 20
        assert "sidecar web/frozen runs v1 50 %" in lags
        answering.split = pod.split = (80, 20)
        while found.await_weights(split(80, 20), 30).extent.unanswered:
            assert time.monotonic() < begin + 40


def lagging(found: Proxies) -> str:
    """Why the weights are not live, if they are not."""
    try:
        found.await_weights(split(80, 20), 4 * HASTE)
    except NotLive as error:
        return str(error)
    return ""


def test_the_end_does_not_wait_for_a_silent_sidecar(
    mesh: Mesh, thawed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll, "READ_TIMEOUT", 20.0)
    server(mesh, "other")
    frozen(mesh, thawed)
    begin = time.monotonic()
    with proxies(mesh, "mesh", service=SERVICE) as found:
        found.await_weights(split(80, 20), 30)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (
            COUNTED.format("client", "web"),
            r"had requests from it \(workload web/client, service account web/default\)\)$",
        ),
        (
            COUNTED.format("unknown", "unknown"),
            "sidecar shop/server does not count its callers",
        ),
        (None, "whether it sends requests there is not known: sidecar shop/server cannot be read: .* 404"),
    ],
)
def test_a_silent_sidecar_that_calls_or_may_call_is_named_in_time(
    mesh: Mesh, thawed: threading.Event, counted: str | None, said: str
) -> None:
    pod = server(mesh)
    frozen(mesh, thawed)
    pod.server.answers["/stats/prometheus"] = None if counted is None else counted.encode()
    with proxies(mesh, "mesh", service=SERVICE) as found:
        begin = time.monotonic()
        with pytest.raises(
            NotLive,
            match=rf"on 1 of 2 proxies .*: sidecar web/frozen cannot be read: no answer within 0\.[2-9]\d* s.*{said}",
        ) as caught:
            found.await_weights(split(80, 20), 12 * HASTE)
    assert time.monotonic() - begin < 15  # it is frozen for 30
    assert [each.proxy.pod for each in caught.value.live] == ["server"]


def test_without_the_right_to_read_sidecars_more_are_asked(mesh: Mesh, thawed: threading.Event) -> None:
    mesh.sidecars = None
    server(mesh, "client")
    frozen(mesh, thawed)
    with (
        proxies(mesh, "mesh", service=SERVICE) as found,
        pytest.raises(NotLive, match=r"Sidecar resources of its namespace are not known: .*sidecars is forbidden"),
    ):
        found.await_weights(split(80, 20), 12 * HASTE)


def test_a_sample_that_lags_is_reported_with_its_numbers(mesh: Mesh) -> None:
    for number in range(6):
        mesh.add(sidecar(f"caller-{number}", 80, 20))
    with (
        proxies(mesh, "mesh", sidecars=4) as found,
        pytest.raises(NotLive, match=r"on 4 of 4 proxies \(4 of 6 sidecars asked\) after"),
    ):
        found.await_weights(split(50, 50), 2 * HASTE)


def test_a_sidecar_that_has_gone_since_it_gave_no_answer_is_neither_excused_nor_blamed() -> None:
    """The poll still has it, and the list of pods that was read meanwhile has not."""
    gone = Proxy("sidecar", "team", "web-1", "uid-1")
    proxies: Any = object.__new__(Proxies)
    vars(proxies).update(_senders={}, _excused={}, _streams={gone: None, "gateway": None}, _unscoped="")
    proxies._callers = lambda timeout: Callers("shop/checkout")
    proxies._excuse(SimpleNamespace(silent=[gone], shows=str), 1.0)
    assert proxies._excused == {}
    assert proxies._involved([gone]) == {}
