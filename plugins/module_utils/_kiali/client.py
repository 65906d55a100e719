# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Kiali. An error is one sentence without credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from .._common.http_client import HEADERS, Answer, HttpClient
from .._common.text import excerpt
from .._k8s.portforward import Stream

# Kiali's chart serves it at the first, OpenShift at the second.
ROOTS = ("/kiali", "")
CONSOLE = "/console"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Ask: TypeAlias = Callable[[str, str, Mapping[str, str], "str | None"], Answer]


class KialiError(Exception):
    """One sentence: what was asked, what came back, and why."""


class Kiali:
    """A Kiali, with a session where its authentication needs one."""

    def __init__(self, where: str, roots: Sequence[str], token: str, ask: Ask) -> None:
        self.where = where
        self._token = token
        self._ask = ask
        # Kiali needs the token once, for a session; a proxy in front of it needs it with every request.
        self._headers = dict(HEADERS)
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self.root, strategy = self._found(roots)
        if strategy == "token":
            self._log_in()

    def get(self, path: str) -> Any:
        """The JSON at a path below its root."""
        return self._read(self._ask("GET", f"{self.root}{path}", self._headers, None))

    def _found(self, roots: Sequence[str]) -> tuple[str, str]:
        """Its root, and its authentication strategy, for which no credentials are needed."""
        for root in roots:
            answer = self._ask("GET", f"{root}/api/auth/info", self._headers, None)
            said = answer.json
            if answer.status == 200 and isinstance(said, dict) and "strategy" in said:
                return root, str(said["strategy"])
            if answer.status not in (200, 404):
                break
        self._read(answer)
        raise self._unexpected(answer)

    def _log_in(self) -> None:
        if not self._token:
            raise KialiError(f"{self.where} needs a token: set canary_kiali_token (kiali_token)")
        form = urlencode({"token": self._token})
        answer = self._ask("POST", f"{self.root}/api/authenticate", {**self._headers, **FORM}, form)
        self._read(answer)
        # A long session is split over several cookies.
        cookies = [cookie.partition(";")[0] for cookie in answer.headers.get_all("Set-Cookie") or []]
        self._headers["Cookie"] = "; ".join(cookies)

    def _read(self, answer: Answer) -> Any:
        decoded = answer.json
        if answer.status == 200 and decoded is not None:
            return decoded
        if 300 <= answer.status < 400:
            location = self._excerpt(answer.headers.get("Location") or "nowhere")
            raise KialiError(f"{self.where} sends elsewhere, to {location}: give that URL, or a token")
        explained = isinstance(decoded, dict) and "error" in decoded
        parts = (decoded["error"], decoded.get("detail")) if explained else (answer.text,)
        said = self._excerpt(" ".join(str(part) for part in parts if part) or answer.text or "nothing")
        if answer.status == 401:
            hint = "the token is wrong or has expired" if self._token else "set canary_kiali_token (kiali_token)"
            raise KialiError(f"{self.where} refuses access (401: {said}): {hint}")
        if not explained and answer.status in (200, 404):
            raise self._unexpected(answer)
        raise KialiError(f"{self.where} answered {answer.status}: {said}")

    def _unexpected(self, answer: Answer) -> KialiError:
        return KialiError(
            f"{self.where} does not answer as Kiali does, is its address right and whole, with a path such as /kiali? "
            f"It said ({answer.status}): {self._excerpt(answer.text) or 'nothing'}"
        )

    def _excerpt(self, text: str) -> str:
        return excerpt(text, secrets=(self._token,))


def by_url(url: str, token: str, timeout: float, ca_cert: str = "", validate_certs: bool = True) -> Kiali:
    """The Kiali at a URL, which may be that of one of its pages or have no path."""
    where = f"Kiali at {origin(url)}{_path(url)}"
    option = "canary_kiali_ca (kiali_ca_cert)"
    client = HttpClient(origin(url), where, KialiError, timeout, ca_cert, validate_certs, option, (token,))
    return Kiali(where, roots(url), token, client.ask)


def by_port_forward(stream: Stream, where: str, token: str, timeout: float) -> Kiali:
    """The Kiali in a pod."""
    return Kiali(where, roots(), token, partial(stream.ask, timeout=timeout))


def is_url(url: str) -> bool:
    """Whether it is an HTTP URL with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        return False


def origin(url: str) -> str:
    """A URL without its path and without credentials; empty for an empty one."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if url else ""


def roots(url: str = "") -> Sequence[str]:
    """The paths at which Kiali may be served: that of the URL, or the usual ones."""
    return (path,) if (path := _path(url)) else ROOTS


def _path(url: str) -> str:
    return urlsplit(url).path.partition(CONSOLE)[0].rstrip("/")
