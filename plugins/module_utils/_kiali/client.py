# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Asking Kiali. What goes wrong is told in one sentence, which holds no credentials."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from .._common.values import from_json
from .._k8s.portforward import Answer, Stream

# Its own chart serves it at the first, OpenShift at the second.
ROOTS = ("/kiali", "")
LONGEST_ANSWER = 300  # characters of someone else's text in a message
CONSOLE = "/console"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Ask: TypeAlias = Callable[[str, str, Mapping[str, str], "str | None"], Answer]


class KialiError(Exception):
    """One sentence: what was asked, what came of it, and why."""


@dataclass(frozen=True)
class KialiOptions:
    """How to come to a Kiali, where it is given by its URL, and what it wants to see."""

    url: str = ""
    token: str = field(default="", repr=False)
    ca_cert: str = ""
    validate_certs: bool = True
    timeout: float = 10.0


class Kiali:
    """One Kiali, entered as it wants to be: it says itself whether that takes a token."""

    def __init__(self, where: str, roots: Sequence[str], token: str, ask: Ask) -> None:
        self.where = where
        self._token = token
        self._ask = ask
        # Kiali itself wants a token once, for a session; what may stand before it wants it with every request.
        self._headers = {"Accept": "application/json", "User-Agent": "progressive.istio"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self.root, strategy = self._found(roots)
        if strategy == "token":
            self._log_in()

    def get(self, path: str) -> Any:
        """What a path below its root answers with."""
        return self._read(self._ask("GET", f"{self.root}{path}", self._headers, None))

    def _found(self, roots: Sequence[str]) -> tuple[str, str]:
        """Its root, and its way to authenticate, which it tells everybody."""
        for root in roots:
            answer = self._ask("GET", f"{root}/api/auth/info", self._headers, None)
            said = _decoded(answer.body)
            if answer.status == 200 and isinstance(said, dict) and "strategy" in said:
                return root, str(said["strategy"])
            if answer.status not in (200, 404):
                break
        self._read(answer)
        raise self._rubbish(answer)

    def _log_in(self) -> None:
        if not self._token:
            raise KialiError(f"{self.where} lets nobody in without a token: set canary_kiali_token (kiali_token)")
        form = urlencode({"token": self._token})
        answer = self._ask("POST", f"{self.root}/api/authenticate", {**self._headers, **FORM}, form)
        self._read(answer)
        # A long session is in several.
        cookies = [cookie.partition(";")[0] for cookie in answer.headers.get_all("Set-Cookie") or []]
        self._headers["Cookie"] = "; ".join(cookies)

    def _read(self, answer: Answer) -> Any:
        decoded = _decoded(answer.body)
        if answer.status == 200 and decoded is not None:
            return decoded
        if 300 <= answer.status < 400:
            elsewhere = self._hide(answer.headers.get("Location") or "nowhere")
            raise KialiError(f"{self.where} sends elsewhere, to {elsewhere}: give that URL, or a token")
        said = self._hide(_message(decoded, answer.body))
        if answer.status == 401:
            hint = "the token is wrong or has expired" if self._token else "set canary_kiali_token (kiali_token)"
            raise KialiError(f"{self.where} refuses access (401: {said}): {hint}")
        if isinstance(decoded, dict) and "error" in decoded:
            raise KialiError(f"{self.where} answered {answer.status}: {said}")
        if answer.status in (200, 404):
            raise self._rubbish(answer)
        raise KialiError(f"{self.where} answered {answer.status}: {said}")

    def _rubbish(self, answer: Answer) -> KialiError:
        said = self._hide(_message(None, answer.body))
        return KialiError(
            f"{self.where} does not answer as Kiali does, is its address right and whole, with a path such as /kiali? "
            f"It said ({answer.status}): {said}"
        )

    def _hide(self, text: str) -> str:
        """Someone else's text, shortened, and without the token, which it may repeat."""
        text = text.replace(self._token, "***") if self._token else text
        return text if len(text) <= LONGEST_ANSWER else f"{text[:LONGEST_ANSWER]}..."


def by_url(options: KialiOptions) -> Kiali:
    """The Kiali at a URL; that of one of its pages will do, and one without a path."""
    parts = urlsplit(options.url)
    host, port = parts.hostname or "", parts.port
    where = f"Kiali at {origin(options.url)}{_path(options.url)}"
    context = _tls(options) if parts.scheme == "https" else None

    def ask(method: str, path: str, headers: Mapping[str, str], body: str | None) -> Answer:
        connection = (
            HTTPSConnection(host, port, timeout=options.timeout, context=context)
            if context
            else HTTPConnection(host, port, timeout=options.timeout)
        )
        try:
            connection.request(method, path, body, dict(headers))
            return Answer.of(connection.getresponse())
        except (OSError, HTTPException) as error:
            raise KialiError(_unreached(where, error, options.timeout)) from error
        finally:
            connection.close()

    return Kiali(where, roots(options.url), options.token, ask)


def by_port_forward(stream: Stream, where: str, options: KialiOptions) -> Kiali:
    """The Kiali in a pod."""

    def ask(method: str, path: str, headers: Mapping[str, str], body: str | None) -> Answer:
        return stream.ask(method, path, headers, body, options.timeout)

    return Kiali(where, roots(), options.token, ask)


def is_url(url: str) -> bool:
    """Whether this can be asked."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        return False


def origin(url: str) -> str:
    """A URL without its path and without credentials, and nothing of none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if url else ""


def roots(url: str = "") -> Sequence[str]:
    """The paths at which it may be served: that of the URL, or the usual ones."""
    return (path,) if (path := _path(url)) else ROOTS


def _path(url: str) -> str:
    return urlsplit(url).path.partition(CONSOLE)[0].rstrip("/")


def _tls(options: KialiOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_cert or None)
    except (OSError, ValueError) as error:
        raise KialiError(f"{options.ca_cert}, the certificates for Kiali, cannot be read: {error}") from error
    if not options.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unreached(where: str, error: Exception, timeout: float) -> str:
    why = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    hint = "does canary_kiali_ca (kiali_ca_cert) name its authority" if isinstance(error, ssl.SSLError) else "is it up"
    return f"{where} cannot be asked: {why}; {hint}?"


def _decoded(body: bytes) -> Any:
    """What the JSON says, or None where it is none."""
    try:
        return from_json(body)
    except ValueError:
        return None


def _message(decoded: Any, body: bytes) -> str:
    """Why, in Kiali's words or else in those that came."""
    if isinstance(decoded, dict) and decoded.get("error"):
        return " ".join(str(part) for part in (decoded["error"], decoded.get("detail")) if part)
    return " ".join(body.decode(errors="replace").split()) or "nothing"
