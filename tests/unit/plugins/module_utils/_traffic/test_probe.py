# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic import probe as probe_module
from ansible_collections.progressive.istio.plugins.module_utils._traffic.probe import (
    ProbeAnswer,
    ProbeTarget,
    header_mistakes,
    probe,
    target_of,
    url_mistakes,
    wait_for_answer,
)


class Server(ThreadingHTTPServer):
    """A real server on loopback that notes what it is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, int]] = []  # path, Host, port of the client
        self.party = threading.Barrier(8)
        self.over = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"], self.client_address[1]))
        getattr(self, f"answer_{self.path.strip('/').split('?')[0]}")()

    def answer_version(self) -> None:
        self.answer(200, b"v1")

    def answer_sick(self) -> None:
        self.answer(503, b"no healthy upstream")

    def answer_moved(self) -> None:
        self.answer(301, b"", Location="/version")

    def answer_together(self) -> None:
        """Only when as many ask at the same time."""
        self.server.party.wait(30)
        self.answer(200, b"v1")

    def answer_late(self) -> None:
        self.server.over.wait()
        self.answer(200, b"v1")

    def answer_drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            for _byte in range(1000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.02)
        except ConnectionError:
            self.close_connection = True

    def answer_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"1\r\nv\r\n1\r\n2\r\n0\r\n\r\n")

    def answer_until_close(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"v2")

    def answer_short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"v2")
        self.close_connection = True

    def answer_once(self) -> None:
        """As a server with an idle timeout does: answers as if the connection were kept, then closes it."""
        self.answer(200, b"v1")
        self.close_connection = True

    def answer_long(self) -> None:
        self.answer(200, b"v1" + b"x" * 200_000)

    def answer_empty(self) -> None:
        self.send_response(204)
        self.end_headers()

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@contextmanager
def raw_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listening port whose connections are handed to `behave`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    behave(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def one(target: ProbeTarget) -> ProbeAnswer:
    (outcome,) = probe(target, 1, 1, 5)
    return outcome


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/version", 200, "v1"),
        ("/version?a=1", 200, "v1"),
        ("/sick", 503, "no healthy upstream"),
        ("/moved", 301, ""),
        ("/chunked", 200, "v2"),
        ("/until_close", 200, "v2"),
        ("/empty", 204, ""),
    ],
)
@pytest.mark.parametrize("keepalive", [True, False])
def test_answers(server: Server, path: str, status: int, body: str, keepalive: bool) -> None:
    outcomes = probe(target_of(server.url(path), keepalive=keepalive), 3, 1, 5)
    assert [(outcome.status, outcome.body, outcome.error) for outcome in outcomes] == [(status, body, "")] * 3
    assert [asked[0] for asked in server.asked] == [path] * 3
    assert all(0 < outcome.seconds < 5 for outcome in outcomes)


@pytest.mark.parametrize("path", ["/version", "/chunked", "/empty", "/sick"])
def test_keepalive_uses_one_connection_a_worker(server: Server, path: str) -> None:
    probe(target_of(server.url(path)), 12, 1, 5)
    assert len({port for _path, _host, port in server.asked}) == 1


def test_without_keepalive_every_request_has_its_own_connection(server: Server) -> None:
    probe(target_of(server.url("/version"), keepalive=False), 12, 3, 5)
    assert len({port for _path, _host, port in server.asked}) == 12


def test_requests_are_concurrent(server: Server) -> None:
    outcomes = probe(target_of(server.url("/together"), timeout=30), 16, 8, 30)
    assert [outcome.status for outcome in outcomes] == [200] * 16


def test_host_header_replaces_the_address(server: Server) -> None:
    probe(target_of(server.url("/version"), {"host": "pong.example.com"}), 1, 1, 5)
    assert server.asked[0][1] == "pong.example.com"
    probe(target_of(server.url("/version")), 1, 1, 5)
    assert server.asked[1][1] == f"127.0.0.1:{server.server_port}"


def test_a_closed_idle_connection_is_no_error(server: Server) -> None:
    outcomes = probe(target_of(server.url("/once")), 4, 1, 5)
    assert [(outcome.error, outcome.reconnected) for outcome in outcomes] == [("", False), *[("", True)] * 3]


def test_a_new_connection_that_is_closed_is_an_error() -> None:
    with raw_server(lambda connection: None) as port:
        outcome = one(target_of(f"http://127.0.0.1:{port}/"))
    assert (outcome.error, outcome.reconnected) == ("disconnected", False)


def test_only_the_start_of_a_long_answer_is_read(server: Server) -> None:
    outcomes = probe(target_of(server.url("/long")), 2, 1, 5)
    assert [(outcome.error, len(outcome.body)) for outcome in outcomes] == [("", 65536)] * 2


@pytest.mark.parametrize(("path", "error"), [("/short", "disconnected"), ("/late", "timeout"), ("/drip", "timeout")])
def test_broken_answers(server: Server, path: str, error: str) -> None:
    outcome = one(target_of(server.url(path), timeout=0.1))
    assert (outcome.error, outcome.status) == (error, 0)
    assert outcome.seconds < 10  # dripping takes 20
    assert outcome.detail


def test_refused() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    outcome = one(target_of(f"http://127.0.0.1:{port}/"))
    assert (outcome.error, outcome.detail) == ("refused", "Connection refused")


def test_unknown_host() -> None:
    assert one(target_of("http://no-such-host.invalid/")).error == "unknown_host"


def test_no_http() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with raw_server(talk) as port:
        assert one(target_of(f"http://127.0.0.1:{port}/")).error == "protocol"


def test_no_tls(server: Server) -> None:
    assert one(target_of(server.url("/version").replace("http", "https"))).error == "tls"


def test_deadline_leaves_requests_unfinished(server: Server) -> None:
    started = time.monotonic()
    outcomes = probe(target_of(server.url("/late"), timeout=30), 20, 2, 0.2)
    assert time.monotonic() - started < 15  # a request may take 30
    assert outcomes == []


def test_nothing_is_sent_after_the_deadline(server: Server) -> None:
    before = set(threading.enumerate())
    probe(target_of(server.url("/late"), timeout=30), 20, 2, 0.2)
    server.over.set()
    for worker in set(threading.enumerate()) - before:
        worker.join(30)
    assert len(server.asked) == 2


def test_deadline_holds_against_a_server_that_drips_headers() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            for number in range(90):
                connection.sendall(f"X-{number}: x\r\n".encode())
                time.sleep(0.2)

    with raw_server(drip) as port:
        started = time.monotonic()
        assert probe(target_of(f"http://127.0.0.1:{port}/"), 1, 1, 0.2) == []
        assert time.monotonic() - started < 12  # it drips for 18


@pytest.fixture
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves when somebody sleeps."""
    now = [0.0]
    monkeypatch.setattr(probe_module, "monotonic", lambda: now[0])
    monkeypatch.setattr(probe_module, "sleep", lambda seconds: now.append(now.pop() + seconds))


@pytest.mark.usefixtures("_clock")
def test_waits_for_the_first_accepted_answer(server: Server) -> None:
    answers = iter([False, True])
    outcome, waited = wait_for_answer(target_of(server.url("/version")), lambda outcome: next(answers), 5)
    assert outcome.body == "v1"
    assert waited == 0.25
    assert len(server.asked) == 2


@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize(("timeout", "times"), [(0, 1), (0.6, 3)])
def test_waiting_is_bounded(server: Server, timeout: float, times: int) -> None:
    outcome, waited = wait_for_answer(target_of(server.url("/sick")), lambda outcome: outcome.status == 200, timeout)
    assert outcome.status == 503
    assert waited <= timeout
    assert len(server.asked) == times


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://172.18.0.200/version", ProbeTarget("", "172.18.0.200", 80, "/version")),
        ("http://gw.example.com:8080", ProbeTarget("", "gw.example.com", 8080, "/")),
        ("http://[fd00::1]:31380/a?b=c#d", ProbeTarget("", "fd00::1", 31380, "/a?b=c")),
    ],
)
def test_target_of(url: str, expected: ProbeTarget) -> None:
    target = target_of(url)
    assert (target.host, target.port, target.path) == (expected.host, expected.port, expected.path)
    assert not url_mistakes(url)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "172.18.0.200"),
        ({"Host": "pong.example.com"}, "pong.example.com"),
        ({"host": "a.example:8443"}, "a.example"),
    ],
)
def test_tls_asks_for_the_name_of_the_host_header(headers: dict[str, str], name: str) -> None:
    target = target_of("https://172.18.0.200/", headers, validate_certs=False)
    assert (target.server_name, target.port, target.tls is not None) == (name, 443, True)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "percent-encoded"),
        ("http://a/b c", "percent-encoded"),
        ("http://a/ü", "percent-encoded"),
        ("ftp://a/", "must look like"),
        ("172.18.0.200/ping", "must look like"),
        ("/ping", "must look like"),
        ("http:///ping", "must look like"),
        ("http://a:0/", "must look like"),
        ("http://a:99999/", "Port out of range"),
        ("http://[::1/", "Invalid IPv6"),
        ("http://me:secret@a/", "Authorization"),
    ],
)
def test_url_mistakes(url: str, word: str) -> None:
    (mistake,) = url_mistakes(url)
    assert word in mistake
    assert "secret" not in mistake


def test_header_mistakes() -> None:
    assert header_mistakes({"Host": "pong.example.com", "X-A": "a\tb"}) == []
    found = header_mistakes({"Bad name": "x", "X-B": "secret\r\nX-C: 1"})
    assert len(found) == 2
    assert not any("secret" in mistake for mistake in found)
