# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect
from ansible_collections.progressive.istio.plugins.module_utils._proxy import fleet
from ansible_collections.progressive.istio.plugins.module_utils._proxy import reader as reader_module
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy, whole_attachment
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Proxies
from ansible_collections.progressive.istio.plugins.module_utils._proxy.reader import Interval, Reader, Readings
from loopback_mesh import Mesh, Pod, running

PATH = "/stats"
PACE = 0.01
ROUTES = {"metadata": {"name": "pong", "namespace": "shop"}, "spec": {"hosts": ["shop.test"], "gateways": ["gateway"]}}


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        yield mesh


@pytest.fixture
def proxies(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxies]:
    """Those of the pod `one`, whose counter rises with each look."""
    monkeypatch.setattr(reader_module, "LIST_AGAIN", 0.05)
    monkeypatch.setattr(fleet, "READ_LIST_AGAIN", 0.05)
    monkeypatch.setattr(fleet, "LIST_SHARE", 1)
    mesh.add(counting("one"))
    cluster = connect({"host": mesh.url, "api_key": "secret"})
    with Proxies(cluster, whole_attachment("VirtualService shop/pong", ROUTES)) as found:
        yield found


def counting(name: str, **fields: Any) -> Pod:
    pod = Pod(name, **fields)
    pod.server.answers[PATH] = lambda _: b"%d" % len(pod.server.asked)
    return pod


def value(readings: Readings, pod: str) -> int:
    """What this one answered last; 0 if it never did."""
    found = {proxy.pod: int(reading[PATH]) for proxy, reading in readings.answers.items()}
    return found.get(pod, 0)


def until(reader: Reader, holds: Any, seconds: float = 10) -> Readings:
    deadline = time.monotonic() + seconds
    while not holds(readings := reader.newest(0.1)):
        assert time.monotonic() < deadline, readings
    return readings


def unread(readings: Readings) -> dict[str, str]:
    return {proxy.pod: why for proxy, why in readings.unread.items()}


def test_some_paths_are_read_less_often_and_their_answers_stay(mesh: Mesh, proxies: Proxies) -> None:
    now, later = f"{PATH}?now", f"{PATH}?later"
    reader = Reader(proxies, [PATH], PACE, {now: Interval(60), later: Interval(0.1, 0.1)})
    first = next(iter(reader.newest(0).answers.values()))
    assert first.keys() == {PATH, now}
    found = until(reader, lambda readings: value(readings, "one") > 20)
    (reading,) = found.answers.values()
    assert reading[now] is first[now]
    assert reading[later]
    reader.close()
    asked = mesh.pods[0].server.asked
    assert asked.count(now) == 1
    assert 1 <= asked.count(later) < asked.count(PATH) / 2


def test_the_newest_answers_of_all(mesh: Mesh, proxies: Proxies) -> None:
    reader = Reader(proxies, [PATH, f"{PATH}?more"], PACE)
    first = reader.newest(0)
    assert (first.read, first.of, first.gaps) == (1, 1, "")
    (reading,) = first.answers.values()
    assert reading.keys() == {PATH, f"{PATH}?more"}
    later = until(reader, lambda readings: value(readings, "one") > 6)
    assert value(later, "one") % 2  # the first of two paths
    reader.close()
    assert mesh.asked("portforward") == 1


def test_a_late_answer_is_taken_when_it_comes(mesh: Mesh, proxies: Proxies, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no failure, and its connection stays; meanwhile there is what was known before."""
    monkeypatch.setattr(reader_module, "UNREAD_AFTER", 0.2)
    pod, slow = mesh.pods[0], threading.Event()
    pod.server.answers[PATH] = lambda _: b"%d" % len(pod.server.asked) if slow.is_set() or not slow.wait(0.7) else b"0"
    reader = Reader(proxies, [PATH], PACE)
    until(reader, lambda readings: value(readings, "one") == 1)
    seen = []  # it takes 0.7 s each time, and is known to
    until(reader, lambda readings: seen.append({**readings.failures, **readings.unread}) or value(readings, "one") == 2)
    assert len(seen) > 2
    assert not any(seen)
    reader.close()
    assert mesh.asked("portforward") == 1


def test_a_proxy_without_an_answer_delays_no_other(
    mesh: Mesh, proxies: Proxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "UNREAD_AFTER", 0.3)
    frozen = threading.Event()
    mesh.add(Pod("two", answers={PATH: lambda _: b"7" if frozen.wait(30) else b""}))
    reader = Reader(proxies, [PATH], PACE)
    begin = time.monotonic()
    until(reader, lambda readings: value(readings, "one") > 20)
    assert time.monotonic() - begin < 15  # it owes its answer for 30
    readings = until(reader, lambda readings: readings.unread)
    assert (readings.read, readings.of) == (1, 2)
    assert re.match(r"gateway gateways/two cannot be read for \d+ s: it has not answered yet", readings.gaps)
    frozen.set()
    readings = until(reader, lambda readings: value(readings, "two") == 7)
    assert (readings.gaps, readings.read) == ("", 2)
    reader.close()


def test_connections_that_are_cut_are_made_anew_with_time_enough(
    mesh: Mesh, proxies: Proxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh, "delay", 0.7)
    reader = Reader(proxies, [PATH], PACE)
    reader.newest(0)
    for _cut in range(2):
        mesh.cut()
        more = len(mesh.pods[0].server.asked) + 1
        readings = until(reader, lambda readings, more=more: value(readings, "one") >= more, 5)
        assert readings.unread == {}
    reader.close()
    assert mesh.asked("portforward") == 3


def test_unread_proxies_are_reported_with_reason_and_duration(
    mesh: Mesh, proxies: Proxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "UNREAD_AFTER", 1.0)
    monkeypatch.setattr(reader_module, "PAUSE", 0.05)
    reader = Reader(proxies, [PATH], PACE)
    reader.newest(0)
    mesh.pods[0].broken = "connect: connection refused"
    mesh.cut()
    readings = until(reader, lambda readings: readings.failures)
    assert readings.unread == {}  # one failure is no outage
    readings = until(reader, lambda readings: readings.unread)
    assert (readings.read, value(readings, "one") > 0) == (0, True)
    assert "cannot be read for 1 s: connect: connection refused at port 15000 of pod gateways/one" in readings.gaps
    mesh.pods[0].broken = ""
    assert until(reader, lambda readings: not readings.unread).read == 1
    reader.close()


def test_of_many_a_few_are_named() -> None:
    silent = {Proxy("gateway", "gateways", f"pod-{number}", ""): "cannot be read" for number in range(5)}
    readings = Readings({}, silent, 6, {})
    assert (readings.read, readings.gaps.count("cannot be read")) == (1, 3)
    assert readings.gaps.endswith("; and 2 more")


def test_those_that_come_are_read_and_those_that_go_are_not_missed(mesh: Mesh, proxies: Proxies) -> None:
    reader = Reader(proxies, [PATH], PACE)
    mesh.add(counting("two"))
    until(reader, lambda readings: value(readings, "two"))
    mesh.pods[0].ready = False
    readings = until(reader, lambda readings: readings.of == 1)
    asked = len(mesh.pods[0].server.asked)
    assert value(readings, "one") in (asked - 1, asked)  # what it counted last still counts
    reader.close()


def test_an_outage_of_the_api_server_leaves_those_that_are_known(mesh: Mesh, proxies: Proxies) -> None:
    reader = Reader(proxies, [PATH], PACE)
    reader.newest(0)
    asked = mesh.asked("/pods")
    mesh.fails = True
    until(reader, lambda _: mesh.asked("/pods") > asked + 1)
    before = value(reader.newest(0), "one")
    until(reader, lambda readings: value(readings, "one") > before + 5)
    reader.close()


def test_no_proxy_is_asked_once_it_is_closed(mesh: Mesh, proxies: Proxies) -> None:
    reader = Reader(proxies, [PATH], PACE)
    reader.newest(0)
    reader.close()
    asked = list(mesh.pods[0].server.asked)
    time.sleep(20 * PACE)
    assert mesh.pods[0].server.asked == asked
    assert not [each for each in threading.enumerate() if each.name == "reader" and each.is_alive()]


def test_one_that_owes_an_answer_when_it_is_closed_can_be_asked_again_at_once(mesh: Mesh, proxies: Proxies) -> None:
    frozen = threading.Event()
    pod = mesh.pods[0]
    reader = Reader(proxies, [PATH], PACE)
    reader.newest(0)
    pod.server.answers[PATH] = lambda _: b"7" if frozen.wait(30) else b""
    pod.server.answers["/ready"] = b"LIVE"
    asked = len(pod.server.asked)
    while len(pod.server.asked) == asked:
        time.sleep(PACE)
    begin = time.monotonic()
    reader.close()
    (stream,) = proxies.current().values()
    assert stream.get("/ready") == b"LIVE"
    assert time.monotonic() - begin < 15  # it owes its answer for 30
    frozen.set()


def test_a_read_ends_when_it_is_closed(proxies: Proxies) -> None:
    reader = Reader(proxies, [PATH], 30.0)
    reader.newest(0)
    begin = time.monotonic()
    threading.Timer(0.1, reader.close).start()
    reader.newest(30)
    assert time.monotonic() - begin < 10
