# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common import http_client
from ansible_collections.progressive.istio.plugins.module_utils._common.http_client import HEADERS, Answer, HttpClient
from prometheus_server import Answer as Given
from prometheus_server import Server, serving


class AskError(Exception):
    pass


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def client(url: str, **options: Any) -> HttpClient:
    return HttpClient(url, "the server", AskError, **{"timeout": 5, **options})


def failure(act: Callable[[], object]) -> str:
    with pytest.raises(AskError) as caught:
        act()
    return str(caught.value)


def once(*replies: bytes, closed: threading.Semaphore | None = None) -> str:
    """The URL of a server that answers its first connections with these bytes, closing each."""
    listener = socket.create_server(("127.0.0.1", 0))
    closed = closed or threading.Semaphore(0)

    def serve() -> None:
        with closing(listener):
            for reply in replies:
                connection, _address = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)
                closed.release()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_an_answer_of_any_status_is_returned_with_its_headers(server: Server) -> None:
    server.answer = Given({"a": [1]}, 503, {"X-Reason": "busy"})
    answer = client(server.url).ask("GET", "/ready?a=b", {**HEADERS, "X-Key": "k"})
    assert (answer.status, answer.json, answer.headers["x-reason"]) == (503, {"a": [1]}, "busy")
    path, query, headers = server.asked[0]
    assert (path, query) == ("/ready", {"a": "b"})
    assert (headers["X-Key"], headers["User-Agent"], headers["Accept"]) == (
        "k",
        "progressive.istio",
        "application/json",
    )


@pytest.mark.parametrize(
    ("body", "json", "text"),
    [
        (b'{"a": 1}', {"a": 1}, '{"a": 1}'),
        (b" no\r\njson \xff", None, "no json \ufffd"),
        (b"[" * 99999, None, "[" * 99999),
    ],
)
def test_an_answer_is_json_or_text(body: bytes, json: object, text: str) -> None:
    answer = Answer(200, {}, body)
    assert (answer.json, answer.text) == (json, text)


def test_redirects_are_not_followed(server: Server) -> None:
    server.answer = Given("", 302, {"Location": f"{server.url}/elsewhere"})
    assert client(server.url).ask("GET", "/", {}).status == 302
    assert len(server.asked) == 1


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert client(server.url).ask("GET", "/", {}).status == 200


def test_a_larger_answer_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "LARGEST", 2**20)
    server.answer = Given("x" * 2**20)
    asked = client(server.url)
    assert len(asked.ask("GET", "/", {}).body) == 2**20
    server.answer = Given("x" * (2**20 + 1))
    assert failure(lambda: asked.ask("GET", "/", {})) == "the server answered with more than 1 MiB: ask for less"


def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    closed = threading.Semaphore(0)
    asked = client(once(reply, reply, closed=closed))
    for _time in range(2):
        assert asked.ask("GET", "/", {}).body == b"ok"
        assert closed.acquire(timeout=10)


def test_an_answer_that_breaks_off_is_an_error() -> None:
    asked = client(once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"))
    assert "cannot be asked: " in failure(lambda: asked.ask("GET", "/", {}))


def test_a_slow_answer_is_an_error(server: Server) -> None:
    server.answer = Given(delay=5)
    assert failure(lambda: client(server.url, timeout=0.1).ask("GET", "/", {})) == (
        "the server cannot be asked: no answer within 0.1 s; is its url right, and is it up?"
    )


def test_secrets_are_masked() -> None:
    asked = client(once(b"you sent hush\r\n\r\n"), secrets=("hush", ""))
    assert "you sent ***" in failure(lambda: asked.ask("GET", "/", {}))


def test_a_reason_has_no_addresses_of_objects() -> None:
    assert http_client.brief(OSError("<Connection object at 0x7f>: Failed: refused")) == "refused"
    assert http_client.brief(OSError("a: b")) == "a: b"


def test_a_server_without_tls_is_named_with_the_option_of_its_authority(server: Server) -> None:
    asked = client(server.url.replace("http", "https"), ca_option="the_ca")
    assert failure(lambda: asked.ask("GET", "/", {})).endswith("; does the_ca name its authority?")


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    assert f"{bad}, the ca_cert for the server, cannot be read: " in failure(
        lambda: client("https://a", ca_cert=str(bad))
    )
    client("http://a", ca_cert=str(bad))  # it is not needed there


def test_a_context_verifies_unless_it_is_told_not_to() -> None:
    strict, lax = http_client.tls_context(True), http_client.tls_context(False)
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)


def test_a_pool_goes_by_a_proxy_where_there_is_one() -> None:
    assert http_client.pool(None).proxy is None
    assert http_client.pool(None, "http://proxy:3128").proxy.host == "proxy"


def test_a_broken_handshake_is_not_distrust() -> None:
    import urllib3

    assert http_client.distrusts(urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("unknown authority")))
    assert not http_client.distrusts(urllib3.exceptions.SSLError(ssl.SSLEOFError("EOF")))
    assert not http_client.distrusts(OSError("no route"))


def test_urllib3_is_imported_only_for_a_request() -> None:
    code = f"import sys, {http_client.__name__}; sys.exit('urllib3' in sys.modules)"
    paths = [path for path in sys.path if path]
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {paths!r}; {code}"], check=True)
