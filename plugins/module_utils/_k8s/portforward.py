# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests to a port of a pod, over one port-forward that stays open.

The port-forward of the `kubernetes` library polls: a request takes a second there, and 2 ms here.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import quote, urlsplit

from .._common.http_client import Answer
from .._common.text import excerpt
from .auth import Access, ClusterError
from .client import Cluster, decoded

T = TypeVar("T")

TIMEOUT = 4.0  # seconds for one request, including a new connection
HANGS_UP = 2  # times in a row: the server does not accept several requests at once
PROTOCOL = "v4.channel.k8s.io"
DATA, ERRORS = 0, 1  # the two channels of a forwarded port


class Stream:
    """A port of a pod. It connects, and reconnects, when needed, and serves one thread at a time."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self._cluster = cluster
        self._place = f"port {port} of pod {namespace}/{pod}"
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward?ports={port}"
        self._connection: _Connection | None = None
        self._turn = threading.Lock()
        self._aborted = False
        self._hung_up = 0  # times in a row, after the first of several answers

    def open(self, timeout: float = TIMEOUT) -> None:
        """Connect now, so that the next request need not."""
        with self._turn:
            try:
                self._connected(time.monotonic() + timeout)
            except _failures() as error:
                raise self._failed(error, timeout) from error

    def get(self, path: str, timeout: float = TIMEOUT) -> bytes:
        """The body of a successful answer."""
        return self._body(path, self.ask("GET", path, timeout=timeout))

    def get_all(self, paths: Sequence[str], timeout: float = TIMEOUT) -> dict[str, bytes]:
        """The bodies for several paths, which are requested at once."""
        answers = self._tried(partial(self._ask_all, paths=paths), timeout)
        return {path: self._body(path, answer) for path, answer in zip(paths, answers, strict=True)}

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """The answer, of any status."""
        return self._tried(partial(self._ask, method=method, path=path, body=body, headers=headers or {}), timeout)

    def close(self) -> None:
        with self._turn:
            self._drop()

    def abort(self) -> None:
        """Let waiting and later requests fail at once. It still has to be closed."""
        self._aborted = True
        connection = self._connection
        if connection:
            connection.pipe.abort()

    def _tried(self, ask: Callable[[float], T], timeout: float) -> T:
        """The answer within the timeout. If the connection was closed meanwhile, it reconnects, with a new timeout."""
        deadline = time.monotonic() + timeout
        with self._turn:
            used = self._connection is not None
            try:
                try:
                    return ask(deadline)
                except _failures():
                    if not used or time.monotonic() > deadline:
                        raise
                    return ask(time.monotonic() + timeout)
            except _failures() as error:
                raise self._failed(error, timeout) from error

    def _ask(self, deadline: float, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = self._connected(deadline)
        try:
            connection.request(method, path, body, headers)
            return Answer.of(connection.getresponse())
        except BaseException:
            self._drop()  # the rest of that answer may still arrive
            raise

    def _ask_all(self, deadline: float, paths: Sequence[str]) -> list[Answer]:
        """All requests at once, since a round trip may be slow; one by one if the server does not accept that."""
        pipe = self._connected(deadline).pipe
        together = self._hung_up < HANGS_UP
        requests = [b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode() for path in paths]
        answers: list[Answer] = []
        try:
            if together:
                pipe.sendall(b"".join(requests))
            for each in requests:
                if not together:
                    pipe.sendall(each)
                answers.append(self._next(pipe))
        except BaseException:
            self._hung_up += together and bool(answers)
            self._drop()
            raise
        self._hung_up = 0 if together else self._hung_up
        return answers

    def _next(self, pipe: _Pipe) -> Answer:
        response = HTTPResponse(cast(socket.socket, pipe), method="GET")
        response.begin()
        answer = Answer.of(response)
        if response.will_close:
            self._drop()
        return answer

    def _body(self, path: str, answer: Answer) -> bytes:
        if answer.status != 200:
            said = excerpt(answer.text)
            raise ClusterError(f"GET {path} at {self._place} was answered with {answer.status}: {said}")
        return answer.body

    def _connected(self, deadline: float) -> _Connection:
        if self._aborted:
            raise ConnectionAbortedError("the run that asked is over")
        if self._connection is None:
            self._connection = _Connection(_Pipe(self._cluster.access, self._path, deadline))
        self._connection.pipe.deadline = deadline
        return self._connection

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _failed(self, error: Exception, timeout: float) -> ClusterError:
        where = f"in {self._cluster.where}"
        status = getattr(error, "status_code", None)
        if status is None:
            late = isinstance(error, (TimeoutError, _websocket().WebSocketTimeoutException))
            why = f"no answer within {timeout:.3g} s" if late else str(error) or type(error).__name__
            return ClusterError(f"{why} at {self._place} {where}")
        answer = decoded(getattr(error, "resp_body", None))
        reason = answer.get("reason", "")
        message = answer.get("message") or f"the API server answered the upgrade with {status}"
        text = f"the port-forward to {self._place} {where} was refused: {message} ({f'{status} {reason}'.rstrip()})"
        if status == 403:
            text += f"; it needs the verbs `get` and `create` on `pods/portforward` in namespace {self._namespace}"
        return ClusterError(text, status, reason)


Dial: TypeAlias = Callable[[Cluster, str, str, int], Stream]  # namespace, pod and port


class _Connection(HTTPConnection):
    """An HTTP connection over an open pipe."""

    auto_open = 0

    def __init__(self, pipe: _Pipe) -> None:
        super().__init__("localhost")
        self.pipe = pipe
        self.sock: Any = pipe


class _Pipe:
    """The bytes of one port-forward, with the methods of a socket that `http.client` uses."""

    def __init__(self, access: Access, path: str, deadline: float) -> None:
        self.deadline = deadline
        link = _dial(access, self._left())
        self._link = link.socket if not isinstance(link, socket.socket) else link  # that of TLS within TLS
        try:
            self._frames = _websocket().create_connection(
                f"ws{access.server.removeprefix('http')}{path}",
                socket=link,
                timeout=self._left(),
                subprotocols=[PROTOCOL],
                header=["User-Agent: progressive.istio", *(f"{name}: {value}" for name, value in access.headers())],
                suppress_origin=True,
                redirect_limit=0,  # credentials are for this server alone
            )
        except BaseException:
            link.close()
            raise
        self._file = _File(_Reader(self))
        self._numbered: set[int] = set()
        self._rest = b""

    def sendall(self, data: bytes) -> None:
        self._frames.settimeout(self._left())
        self._frames.send_binary(bytes([DATA]) + data)

    def makefile(self, mode: str) -> _File:
        """The same file for all answers, since it may have read a part of the next one."""
        return self._file

    def receive(self, size: int) -> bytes:
        while not self._rest:
            self._frames.settimeout(self._left())
            opcode, frame = self._frames.recv_data()
            if opcode == _websocket().ABNF.OPCODE_CLOSE:
                return b""
            if not frame:
                continue
            if frame[0] not in self._numbered:  # a channel begins with the number of its port
                self._numbered.add(frame[0])
            elif frame[0] == ERRORS:
                raise ConnectionError(frame[1:].decode(errors="replace").strip())
            else:
                self._rest = frame[1:]
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def close(self) -> None:
        self._frames.shutdown()

    def abort(self) -> None:
        with suppress(OSError):
            # Not the method of a TLS socket, which is not safe for two threads.
            socket.socket.shutdown(self._link, socket.SHUT_RDWR)

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _File(io.BufferedReader):
    """Stays open from one answer to the next."""

    def close(self) -> None:
        """Nothing: the pipe is closed instead."""


class _Reader(io.RawIOBase):
    """A pipe as a raw file."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._pipe.receive(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _dial(access: Access, timeout: float) -> Any:
    """A connection to the API server, through the proxy if there is one."""
    secure, host, port = _address(access.server)
    link = _tunnel(access, host, port, timeout) if access.proxy else _connect(host, port, timeout)
    try:
        return _secured(link, access.tls(), access.tls_server_name or host) if secure else link
    except BaseException:
        link.close()
        raise


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    link = socket.create_connection((host, port), timeout)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _tunnel(access: Access, host: str, port: int, timeout: float) -> socket.socket:
    secure, name, entry = _address(access.proxy)
    link = _connect(name, entry, timeout)
    try:
        if secure:
            link = _secured(link, ssl.create_default_context(), name)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers = {"Host": target, **access.proxy_headers}
        lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        link.sendall("\r\n".join(lines).encode())
        answer = HTTPResponse(link, method="CONNECT")
        answer.begin()
        if answer.status != 200:
            raise ConnectionError(f"proxy {name}:{entry} answered {answer.status} {answer.reason}")
    except BaseException:
        link.close()
        raise
    return link


def _secured(link: Any, context: ssl.SSLContext, name: str) -> Any:
    if not isinstance(link, ssl.SSLSocket):
        return context.wrap_socket(link, server_hostname=name)
    from urllib3.util.ssltransport import SSLTransport  # TLS within TLS

    return SSLTransport(link, context, server_hostname=name)


def _address(url: str) -> tuple[bool, str, int]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return secure, parts.hostname or "", parts.port or (443 if secure else 80)


def _websocket() -> Any:
    import websocket  # imported late, since it takes 10 ms

    return websocket


def _failures() -> tuple[type[Exception], ...]:
    return (OSError, HTTPException, _websocket().WebSocketException)
