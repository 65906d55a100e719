# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a bounded number of HTTP requests, several at a time, and return the answer or error of each.

Redirects are not followed and proxies of the environment are not used. Connections are those of http.client: a pool of
urllib3 replaces a connection that the far side has closed without saying so, limits the time of each read and not of an
answer, and needs a library where no other is needed.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from queue import Empty, SimpleQueue
from socket import gaierror
from threading import Thread
from time import monotonic, perf_counter, sleep
from urllib.parse import urlsplit

from .._common.http_client import tls_context

_BODY_LIMIT = 65536  # bytes that are read of an answer
_RETRY_PAUSE = 0.25
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")

# The first that matches names the error.
_ERROR_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "disconnected"),
    (IncompleteRead, "disconnected"),
    (gaierror, "unknown_host"),
    (ssl.SSLError, "tls"),
    (OSError, "network"),
    (HTTPException, "protocol"),
)


@dataclass(frozen=True)
class ProbeTarget:
    """The request to send. tls: for https only; it asks for and checks server_name. timeout: seconds for an answer."""

    url: str
    host: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    timeout: float = 5.0
    keepalive: bool = True

    @property
    def server_name(self) -> str:
        named = next((value for name, value in self.headers.items() if name.lower() == "host"), "")
        return urlsplit(f"//{named}").hostname or self.host


@dataclass(frozen=True)
class ProbeAnswer:
    """The answer to one request, or the kind of the error and its text. headers: by name in lower case."""

    seconds: float
    status: int = 0
    body: str = ""
    error: str = ""
    detail: str = ""
    reconnected: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def url_mistakes(url: str) -> list[str]:
    """Why no request can be sent to this URL."""
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        return [f"url must be percent-encoded ASCII without spaces, and is {url!r}"]
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError as error:
        return [f"url is {url!r}: {error}"]
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return [f"url must look like http://HOST[:PORT]/PATH or https://..., and is {url!r}"]
    if parts.username is not None:
        return ["url must not hold a user name or a password; give an Authorization header"]
    return []


def header_mistakes(headers: Mapping[str, str]) -> list[str]:
    """Which headers HTTP cannot carry. Values are not repeated, for they may be secret."""
    names = [f"headers: {name!r} is not a header name" for name in headers if not _HEADER_NAME.fullmatch(name)]
    values = [
        f"headers: the value of {name!r} holds characters that HTTP cannot carry"
        for name, value in headers.items()
        if not _HEADER_VALUE.fullmatch(value)
    ]
    return names + values


def target_of(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = 5.0,
    keepalive: bool = True,
    validate_certs: bool = True,
    ca_path: str | None = None,
) -> ProbeTarget:
    """The target of a URL without mistakes. Raises OSError when ca_path cannot be used."""
    parts = urlsplit(url)
    tls = tls_context(validate_certs, file=ca_path) if parts.scheme == "https" else None
    return ProbeTarget(
        url=url,
        host=parts.hostname or "",
        port=parts.port or (443 if tls else 80),
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=dict(headers or {}),
        tls=tls,
        timeout=timeout,
        keepalive=keepalive,
    )


def probe(target: ProbeTarget, requests: int, concurrency: int, deadline: float) -> list[ProbeAnswer]:
    """Send the requests, `concurrency` at a time, and return the answers that came within `deadline` seconds.

    The threads of unfinished requests are left behind and end with the process.
    """
    end = monotonic() + deadline
    tickets: SimpleQueue[None] = SimpleQueue()
    for _ticket in range(requests):
        tickets.put(None)
    answers: list[ProbeAnswer] = []

    def work() -> None:
        client = _Client(target)
        while monotonic() < end:
            try:
                tickets.get_nowait()
            except Empty:
                break
            answers.append(client.get(target.timeout))
        client.close()

    workers = [Thread(target=work, daemon=True) for _worker in range(min(concurrency, requests))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, end - monotonic()))
    return list(answers)


def wait_for_answer(
    target: ProbeTarget, accepted: Callable[[ProbeAnswer], bool], timeout: float
) -> tuple[ProbeAnswer, float]:
    """Ask on new connections until an answer is accepted or the time is over: the last answer and the seconds it took.

    With a timeout of 0 it asks once.
    """
    started = monotonic()
    limit = min(target.timeout, timeout) if timeout else target.timeout
    while True:
        client = _Client(target)
        answer = client.get(limit)
        client.close()
        waited = monotonic() - started
        if accepted(answer) or waited + _RETRY_PAUSE >= timeout:
            return answer, waited
        sleep(_RETRY_PAUSE)


class _ProbeConnection(HTTPConnection):
    """A connection to the target's address, with TLS for its server_name, which a Host header changes."""

    def __init__(self, target: ProbeTarget) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        if target.tls:
            self.default_port = 443

    def connect(self) -> None:
        super().connect()
        if self._target.tls:
            self.sock = self._target.tls.wrap_socket(self.sock, server_hostname=self._target.server_name)


class _Client:
    """One worker's connection, which `keepalive` keeps between its requests."""

    def __init__(self, target: ProbeTarget) -> None:
        self._target = target
        self._connection = _ProbeConnection(target)
        self._headers = dict(target.headers) if target.keepalive else {**target.headers, "Connection": "close"}

    def close(self) -> None:
        self._connection.close()

    def get(self, timeout: float) -> ProbeAnswer:
        started = perf_counter()
        end = started + timeout
        reused = self._connection.sock is not None
        reconnected = False
        try:
            try:
                response = self._send(end)
            except ConnectionError:
                # The far side may close an idle connection at any time, so that is no error.
                if not reused:
                    raise
                reconnected = True
                self.close()
                response = self._send(end)
            body = self._read(response, end)
        except (OSError, HTTPException) as error:
            self.close()
            kind = next(name for type_, name in _ERROR_KINDS if isinstance(error, type_))
            said = getattr(error, "strerror", None) or str(error)
            return ProbeAnswer(perf_counter() - started, error=kind, detail=said, reconnected=reconnected)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return ProbeAnswer(perf_counter() - started, response.status, body, reconnected=reconnected, headers=headers)

    def _send(self, end: float) -> HTTPResponse:
        self._limit(end)
        self._connection.request("GET", self._target.path, headers=self._headers)
        self._limit(end)
        return self._connection.getresponse()

    def _read(self, response: HTTPResponse, end: float) -> str:
        body = bytearray()
        while len(body) < _BODY_LIMIT and (piece := response.read1(_BODY_LIMIT - len(body))):
            body += piece
            self._limit(end)
        if response.length and response.isclosed():
            raise IncompleteRead(bytes(body), response.length)
        if response.length == 0:
            response.close()  # some Pythons keep it open after read1, and then cannot send the next request
        elif not response.isclosed():
            self.close()  # the rest of a long answer is not read
        return body.decode("utf-8", errors="replace")

    def _limit(self, end: float) -> None:
        """Limit the next operation of the socket to what is left of the time."""
        left = end - perf_counter()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.timeout = left
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)
