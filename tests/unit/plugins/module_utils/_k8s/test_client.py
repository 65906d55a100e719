# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the API server, against one that speaks HTTP and fails on demand."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s import client
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import Access, ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import (
    NAMESPACE,
    POD,
    VIRTUAL_SERVICE,
    Cluster,
    Kind,
    connect,
)
from api_server import Answer, ApiServer, Drop, Request
from pong_mesh import pod

SHOP = "shop"
NOTE = [{"op": "add", "path": "/metadata/labels/team", "value": "b"}]


def guarded(server: ApiServer) -> list[dict[str, Any]]:
    """NOTE, if nobody has written in between."""
    version = server.get("virtualservices", "pong", SHOP)["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *NOTE]


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "path"),
    [
        (POD, "a", "b", "/api/v1/namespaces/a/pods/b"),
        (POD, None, None, "/api/v1/pods"),
        (VIRTUAL_SERVICE, "a", None, "/apis/networking.istio.io/v1/namespaces/a/virtualservices"),
        (NAMESPACE, "ignored", "a", "/api/v1/namespaces/a"),
        (Kind("", "v1", "x", "X"), "a/../b", "c?d", "/api/v1/namespaces/a%2F..%2Fb/x/c%3Fd"),
    ],
)
def test_a_kind_knows_its_paths(kind: Kind, namespace: str | None, name: str | None, path: str) -> None:
    assert kind.path(namespace, name) == path


def test_an_object_that_is_not_there_is_none(cluster: Cluster) -> None:
    assert cluster.get(VIRTUAL_SERVICE, "nobody", SHOP) is None


def test_a_kind_that_is_not_served_asks_for_istio(server: ApiServer, cluster: Cluster) -> None:
    server.missing.add("virtualservices")
    with pytest.raises(ClusterError, match=r"serves no VirtualService: is Istio .* installed\?"):
        cluster.get(VIRTUAL_SERVICE, "pong", SHOP)


def test_a_list_follows_its_pages(server: ApiServer, cluster: Cluster) -> None:
    for number in range(2, 9):
        server.put("pods", pod("v1", number))
    server.page = 3
    assert len(cluster.list(POD, SHOP, "version=v1")) == 8
    assert cluster.requests == 3


def test_requests_say_who_asks(server: ApiServer) -> None:
    params = {"impersonate_user": "jane", "impersonate_groups": ["a", "b"]}
    connect({"host": server.url, "api_key": "secret"} | params).get(NAMESPACE, SHOP)
    headers = server.requests[0].headers
    assert (headers["Authorization"], headers["Impersonate-User"]) == ("Bearer secret", "jane")
    assert headers.get_all("Impersonate-Group") == ["a", "b"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_that_passes_is_tried_again(
    server: ApiServer, cluster: Cluster, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    server.before = lambda number, request: Answer(status, "Trouble", "wait") if number < 3 else None
    assert cluster.get(NAMESPACE, SHOP)
    assert cluster.requests == 3


@pytest.mark.parametrize("status", [400, 403, 409, 422])
def test_a_refusal_is_final(server: ApiServer, cluster: Cluster, status: int) -> None:
    server.before = lambda number, request: Answer(status, "Reason", "you may not")
    with pytest.raises(ClusterError, match=rf"GET Namespace shop in .*: you may not \({status} Reason\)") as caught:
        cluster.get(NAMESPACE, SHOP)
    assert (caught.value.status, caught.value.reason, cluster.requests) == (status, "Reason", 1)


def test_a_broken_connection_is_tried_again(server: ApiServer, cluster: Cluster) -> None:
    def drop_once(number: int, request: Request) -> None:
        if number == 1:
            raise Drop

    server.before = drop_once
    assert cluster.get(NAMESPACE, SHOP)
    assert cluster.requests == 2


def test_a_patch_whose_answer_was_lost_is_not_done_twice(server: ApiServer, cluster: Cluster) -> None:
    def drop_once(number: int, request: Request) -> None:
        if number == 1:
            raise Drop

    server.after = drop_once
    with pytest.raises(ClusterError) as caught:
        cluster.patch(VIRTUAL_SERVICE, "pong", SHOP, guarded(server))
    assert caught.value.status == 422
    assert server.get("virtualservices", "pong", SHOP)["metadata"]["labels"] == {"team": "b"}


def test_a_dry_run_changes_nothing(server: ApiServer, cluster: Cluster) -> None:
    answer = cluster.patch(VIRTUAL_SERVICE, "pong", SHOP, guarded(server), dry_run=True)
    assert answer["metadata"]["labels"] == {"team": "b"}
    assert server.get("virtualservices", "pong", SHOP)["metadata"]["labels"] == {"team": "a"}


def test_no_server_is_said_within_seconds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(ClusterError, match=r"cannot be reached: .*Connection refused; is the cluster up"):
        Cluster(lambda: Access(url, url), patience=0.3).get(NAMESPACE, SHOP)
    assert time.monotonic() - started < 10


def test_a_connection_that_is_cut_in_its_handshake_is_made_anew() -> None:
    """As a load balancer does that drains: it is no matter of certificates."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        tries = []

        def cut() -> None:
            with suppress(OSError):
                while True:
                    client, _address = listener.accept()
                    tries.append(client.recv(65536))
                    client.close()

        threading.Thread(target=cut, daemon=True).start()
        with pytest.raises(ClusterError, match="is the cluster up"):
            Cluster(lambda: Access(url, url), patience=0.5).get(NAMESPACE, SHOP)
        assert len(tries) > 1


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=r"cannot be reached: .*timed out"):
            Cluster(lambda: Access(url, url), patience=0.05).get(NAMESPACE, SHOP)


def test_what_is_no_api_server_is_told(server: ApiServer, cluster: Cluster) -> None:
    server.before = lambda number, request: Answer(200, "", "<html>log in here</html>")
    with pytest.raises(ClusterError, match="did not answer with a Kubernetes object"):
        cluster.get(NAMESPACE, SHOP)


def test_credentials_that_ran_out_are_fetched_anew_once(server: ApiServer) -> None:
    tokens = iter(["old", "new", "newer"])

    def old_is_refused(number: int, request: Request) -> Answer | None:
        return Answer(401, "Unauthorized", "Unauthorized") if request.headers["Authorization"] == "Bearer old" else None

    server.before = old_is_refused
    cluster = Cluster(lambda: Access(server.url, "x", authorization=f"Bearer {next(tokens)}"))
    assert cluster.get(NAMESPACE, SHOP)
    assert next(tokens) == "newer"


def test_wrong_credentials_are_told(server: ApiServer, cluster: Cluster) -> None:
    server.before = lambda number, request: Answer(401, "Unauthorized", "Unauthorized")
    with pytest.raises(ClusterError, match="the credentials are wrong or have expired"):
        cluster.get(NAMESPACE, SHOP)
    assert cluster.requests == 2


def test_a_watch_begins_with_what_is_there_and_tells_what_comes(server: ApiServer, cluster: Cluster) -> None:
    changes = iter(cluster.watch(POD, SHOP, 5, labels="version=v2"))
    assert _named(next(changes)) == ("ADDED", "pong-v2-1")
    server.put("pods", pod("v1", 2))
    server.put("pods", pod("v2", 2))
    assert _named(next(changes)) == ("ADDED", "pong-v2-2")
    server.delete("pods", "pong-v2-2", SHOP)
    assert _named(next(changes)) == ("DELETED", "pong-v2-2")


def test_a_watch_from_a_version_on_tells_only_what_came_after(server: ApiServer, cluster: Cluster) -> None:
    now = server.get("virtualservices", "pong", SHOP)["metadata"]["resourceVersion"]
    changes = iter(cluster.watch(VIRTUAL_SERVICE, SHOP, 5, name="pong", since=now))
    cluster.patch(VIRTUAL_SERVICE, "pong", SHOP, NOTE)
    assert _named(next(changes)) == ("MODIFIED", "pong")


def test_a_watch_ends_when_the_server_ends_it(server: ApiServer, cluster: Cluster) -> None:
    server.second = 0.05
    assert len(list(cluster.watch(POD, SHOP, 1))) == 2


def test_a_watch_that_ends_within_a_line_has_broken_off(server: ApiServer, cluster: Cluster) -> None:
    server.before = lambda number, request: Answer(200, "", '{"type": "ADDED", "obj')
    with pytest.raises(ClusterError, match=f"WATCH Pod {SHOP} in {server.url} broke off: "):
        list(cluster.watch(POD, SHOP, 1))


def test_a_watch_that_is_closed_wakes_who_waits_for_it(server: ApiServer, cluster: Cluster) -> None:
    watch = cluster.watch(POD, SHOP, 60)
    begin = time.monotonic()
    threading.Timer(0.2, watch.close).start()
    assert len(list(watch)) == 2
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(("ahead", "taken"), [(0.0, 0.0), (1.0, 0.0), (-90.0, -90.0), (3600.0, 3600.0)])
def test_the_clock_is_that_of_the_server(cluster: Cluster, ahead: float, taken: float) -> None:
    cluster._set_clock(format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True))
    assert abs((cluster.now() - datetime.now(UTC)).total_seconds() - taken) < 1


def test_an_answer_that_is_read_late_sets_no_clock_back(cluster: Cluster) -> None:
    for late in (0.0, 5.0, 60.0):
        cluster._set_clock(format_datetime(datetime.now(UTC) - timedelta(seconds=late), usegmt=True))
    assert abs(cluster.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_a_local_clock_that_is_set_changes_no_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster._set_clock(format_datetime(datetime.now(UTC), usegmt=True))
    true = datetime.now(UTC)
    monkeypatch.setattr(client, "datetime", SimpleNamespace(now=lambda zone: true + timedelta(hours=1)))
    assert abs(cluster.now() - true) < timedelta(seconds=2)


def test_messages_name_the_context() -> None:
    assert Cluster(lambda: Access("https://10.0.0.1:6443", "prod")).where == "context prod (https://10.0.0.1:6443)"
    assert Cluster(lambda: Access("http://10.0.0.1", "http://10.0.0.1")).where == "http://10.0.0.1"


def _named(change: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    return change[0], change[1]["metadata"]["name"]


@pytest.mark.parametrize("date", ["", "soon", "Fri, 99 Nov 2026 23:00:00 GMT", "Fri, 27 Nov 99999 23:00:00 GMT", "0"])
def test_a_date_that_cannot_be_understood_changes_no_clock(cluster: Cluster, date: str) -> None:
    cluster._set_clock(date)
    assert abs(cluster.now() - datetime.now(UTC)) < timedelta(seconds=1)
    cluster._set_clock("Fri, 27 Nov 2020 23:00:00 -0000")  # a time without a zone is one of UTC
    assert cluster.now().year == 2020
