# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Send HTTP requests from this machine, several at a time, and tell what became of each.

The number of requests and the time are bounded. Redirects are not followed and no proxy of the environment is used:
what answers is what the address names.
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

# A version is told at the start of an answer; more than this is not read.
_BODY_LIMIT = 65536
_RETRY_PAUSE = 0.25
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")

# The first that fits names the error: the order is from the special to the general.
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
    """What every request asks for. For https, tls is set and server_name is the name asked for and checked there."""

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
    """What became of one request: an answer with status, headers (by name in lower case) and body, or the kind of the
    error and its words.
    """

    seconds: float
    status: int = 0
    body: str = ""
    error: str = ""
    detail: str = ""
    reconnected: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def url_mistakes(url: str) -> list[str]:
    """Why no request can be sent to this URL; nothing when it is sound."""
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
    """Which of the headers HTTP cannot carry. Values are not repeated, for they may be secret."""
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
    """The target a sound URL names. Raises OSError (ssl.SSLError too) when ca_path cannot be used."""
    parts = urlsplit(url)
    tls = _tls_context(validate_certs, ca_path) if parts.scheme == "https" else None
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
    """Send the requests, concurrency at a time, and return one outcome for each that ended within deadline seconds.

    What is missing from the list was not finished: its thread is left behind and ends with the process.
    """
    end = monotonic() + deadline
    tickets: SimpleQueue[None] = SimpleQueue()
    for _ticket in range(requests):
        tickets.put(None)
    outcomes: list[ProbeAnswer] = []

    def work() -> None:
        client = _Client(target)
        while monotonic() < end:
            try:
                tickets.get_nowait()
            except Empty:
                break
            outcomes.append(client.get(target.timeout))
        client.close()

    workers = [Thread(target=work, daemon=True) for _worker in range(min(concurrency, requests))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, end - monotonic()))
    return list(outcomes)


def wait_for_answer(
    target: ProbeTarget, accepted: Callable[[ProbeAnswer], bool], timeout: float
) -> tuple[ProbeAnswer, float]:
    """Ask on new connections until an outcome is accepted or the time is over: the last outcome, the seconds it took.

    With a timeout of 0 it asks once.
    """
    started = monotonic()
    limit = min(target.timeout, timeout) if timeout else target.timeout
    while True:
        client = _Client(target)
        outcome = client.get(limit)
        client.close()
        waited = monotonic() - started
        if accepted(outcome) or waited + _RETRY_PAUSE >= timeout:
            return outcome, waited
        sleep(_RETRY_PAUSE)


class _ProbeConnection(HTTPConnection):
    """A connection to the target's address, with TLS for the target's name: the two differ when a Host is given."""

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
    """One worker's connection, kept between its requests when the target says so."""

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
                # The far side may close an idle connection at any time. That is no fault of it: like every HTTP client
                # this one then asks again, on a new connection.
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
            response.close()  # some Pythons leave a response open that read1 has emptied, and then cannot send the next
        elif not response.isclosed():
            self.close()  # the rest of a long answer is not wanted
        return body.decode("utf-8", errors="replace")

    def _limit(self, end: float) -> None:
        """Let the next step of this request take no longer than what is left of its time."""
        left = end - perf_counter()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.timeout = left
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left)


def _tls_context(validate_certs: bool, ca_path: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_path)
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
