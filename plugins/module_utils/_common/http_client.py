# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests by urllib3, which is imported only where one is sent: it takes 50 ms."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any

from .text import excerpt
from .values import from_json

HEADERS = {"Accept": "application/json", "User-Agent": "progressive.istio"}
LARGEST = 64 * 2**20  # bytes of an answer that are read


@dataclass(frozen=True)
class Answer:
    """An HTTP response that was read to its end. headers: as http.client or urllib3 has them."""

    status: int
    headers: Any
    body: bytes

    @classmethod
    def of(cls, response: HTTPResponse) -> Answer:
        return cls(response.status, response.headers, response.read())

    @property
    def text(self) -> str:
        """The body in one line."""
        return " ".join(self.body.decode(errors="replace").split())

    @property
    def json(self) -> Any:
        """The value that the body means; None if it is not JSON."""
        try:
            return from_json(self.body)
        except ValueError:
            return None


@dataclass
class HttpClient:
    """A server that is asked over connections that are kept.

    Redirects are not followed, for credentials are for this server alone, and proxies of the environment are not used.
    what: the server in messages. error: raised with one sentence, without the secrets. timeout: seconds until an answer
    begins, and between its parts.
    """

    url: str
    what: str
    error: type[Exception]
    timeout: float
    ca_cert: str = ""
    validate_certs: bool = True
    ca_option: str = "ca_cert"
    secrets: Iterable[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        try:
            context = tls_context(self.validate_certs, file=self.ca_cert) if self.url.startswith("https") else None
        except (OSError, ValueError) as error:
            name = f"{self.ca_cert}, the {self.ca_option} for {self.what},"
            raise self.error(f"{name} cannot be read: {error}") from error
        self._pool = pool(context, maxsize=2)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        """The answer, of any status."""
        import urllib3

        try:
            response = self._pool.request(
                method,
                f"{self.url}{path}",
                body=body,
                headers=dict(headers),
                timeout=urllib3.Timeout(total=self.timeout),
                retries=False,
                preload_content=False,
            )
            content = response.read(LARGEST + 1)
        except transport_errors() as error:
            unreached = isinstance(error, urllib3.exceptions.NewConnectionError)  # a kind of timeout to urllib3
            late = isinstance(error, urllib3.exceptions.TimeoutError) and not unreached
            why = f"no answer within {self.timeout:g} s" if late else excerpt(brief(error), secrets=self.secrets)
            trust = f"does {self.ca_option} name its authority"
            hint = trust if distrusts(error) else "is its url right, and is it up"
            raise self.error(f"{self.what} cannot be asked: {why}; {hint}?") from error
        if len(content) > LARGEST:
            response.close()
            raise self.error(f"{self.what} answered with more than {LARGEST >> 20} MiB: ask for less")
        return Answer(response.status, response.headers, content)


def tls_context(verify: bool, *, file: str | None = None, data: str | None = None) -> ssl.SSLContext:
    """Trust the authorities of a PEM file or text, else those of the system. Raises OSError and ValueError."""
    context = ssl.create_default_context(cafile=file or None, cadata=data or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def pool(context: ssl.SSLContext | None, proxy: str = "", **options: Any) -> Any:
    """The connections of urllib3, directly or by an HTTP proxy. options: as urllib3 has them."""
    import urllib3

    options["ssl_context"] = context
    if context and context.verify_mode == ssl.CERT_NONE:
        options["cert_reqs"] = "CERT_NONE"
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user asked for it
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def transport_errors() -> tuple[type[Exception], ...]:
    """What urllib3 raises where there is no answer."""
    import urllib3

    return (urllib3.exceptions.HTTPError, OSError)


def distrusts(error: Exception) -> bool:
    """Whether one side does not accept the other's certificate; a connection that breaks in a handshake is passing."""
    import urllib3

    broken = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    cause = error.__cause__ or next(iter(error.args), None)
    return isinstance(error, urllib3.exceptions.SSLError) and not isinstance(cause, broken)


def brief(error: Exception) -> str:
    """The reason, without the addresses of objects that urllib3 puts in front."""
    text = str(error.__cause__ or error)
    return text.rsplit(": ", 1)[-1] if "object at 0x" in text else text
