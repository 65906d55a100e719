# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Asking Prometheus. What goes wrong is told in one sentence, which holds no credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any, Literal
from urllib.parse import urlencode

from .._common.values import from_json
from .promql import Samples

LONGEST_ANSWER = 300  # characters of someone else's text in a message

Reporter = Literal["source", "destination"]


@dataclass(frozen=True)
class PrometheusOptions:
    """Where Prometheus is, and as whom it is asked. timeout: seconds for one query."""

    url: str
    reporter: Reporter = "source"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    bearer_token: str = field(default="", repr=False)
    ca_cert: str = ""
    validate_certs: bool = True
    timeout: float = 5.0


class PrometheusError(Exception):
    """One sentence: what was asked, what came of it, and why."""


class UnusableQuery(PrometheusError):
    """A query that never gives one number, whatever Prometheus has counted."""


class Prometheus:
    """One Prometheus, or what answers as one does, over a connection that stays open."""

    def __init__(self, options: PrometheusOptions) -> None:
        self._options = options
        self._headers = {"Accept": "application/json", "User-Agent": "progressive.istio", **options.headers}
        if options.bearer_token:
            self._headers["Authorization"] = f"Bearer {options.bearer_token}"
        self._pool = self._connect()

    def number(self, query: str) -> float:
        """The finite number that a query gives now, as a scalar or as a vector of one."""
        kind, result = self._ask(query)
        if kind == "vector":
            if not result:
                raise PrometheusError(f"{_named(query)} gave no data")
            if len(result) > 1:
                first, second = (_labels(series) for series in result[:2])
                raise UnusableQuery(
                    f"{_named(query)} gave {len(result)} series where one is needed, such as {first} and {second}: "
                    "sum them, or select one by its labels"
                )
            value = result[0].get("value") if isinstance(result[0], dict) else None
        elif kind == "scalar":
            value = result
        else:
            raise UnusableQuery(f"{_named(query)} gave a {kind} where one number is needed")
        number = _number(value)
        if number is None:
            raise self._rubbish(value)
        if isnan(number):
            raise PrometheusError(f"{_named(query)} gave NaN, as a division by zero does where nothing was counted")
        if not isfinite(number):
            raise PrometheusError(f"{_named(query)} gave {number:+}, which is no finite number")
        return number

    def samples(self, query: str, at: float) -> list[Samples]:
        """The samples that a query with a range, such as `up[1m]`, gives for a moment (seconds since 1970)."""
        kind, result = self._ask(query, at)
        if kind != "matrix":
            raise PrometheusError(f"{_named(query)} gave a {kind} where samples over a time are needed")
        try:
            return [
                Samples(series["metric"], [(float(moment), int(float(value))) for moment, value in series["values"]])
                for series in result
            ]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._rubbish(result) from error

    def _connect(self) -> Any:
        import urllib3  # takes 50 ms, which a module that asks no Prometheus need not spend

        pool: dict[str, Any] = {"maxsize": 2}
        if self._options.url.startswith("https"):
            pool["ssl_context"] = self._tls()
            if not self._options.validate_certs:
                pool["cert_reqs"] = "CERT_NONE"
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user asked for it
        return urllib3.PoolManager(**pool)

    def _tls(self) -> Any:
        import ssl

        ca = self._options.ca_cert
        try:
            context = ssl.create_default_context(cafile=ca or None)
        except (OSError, ValueError) as error:
            raise PrometheusError(f"{ca}, the ca_cert for Prometheus, cannot be read: {error}") from error
        if not self._options.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _ask(self, query: str, at: float | None = None) -> tuple[str, Any]:
        """The type of the result, and the result."""
        import urllib3

        timeout = self._options.timeout
        fields = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            response = self._pool.request(
                "GET",
                f"{self._options.url}/api/v1/query?{urlencode(fields)}",
                headers=self._headers,
                timeout=urllib3.Timeout(total=timeout),
                retries=False,  # also no redirect: credentials are for this server alone
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            unreached = isinstance(error, urllib3.exceptions.NewConnectionError)  # a kind of timeout to urllib3
            late = isinstance(error, urllib3.exceptions.TimeoutError) and not unreached
            why = f"no answer within {timeout:g} s" if late else self._hide(_brief(error))
            hint = "does ca_cert name its authority" if _is_tls(error) else "is its url right, and is it up"
            raise PrometheusError(f"{self._where} cannot be asked: {why}; {hint}?") from error
        return self._read(query, response.status, response.headers.get("Location"), response.data)

    def _read(self, query: str, status: int, location: str | None, body: bytes) -> tuple[str, Any]:
        answer = _decoded(body)
        if answer.get("status") == "success" and status == 200:
            data = answer.get("data")
            if isinstance(data, dict) and isinstance(data.get("result"), list):
                return str(data.get("resultType")), data["result"]
            raise self._rubbish(answer)
        if answer.get("status") == "error":
            said = self._hide(f"{answer.get('error')} ({answer.get('errorType')})")
            kind = UnusableQuery if answer.get("errorType") == "bad_data" else PrometheusError
            raise kind(f"{_named(query)} was refused by {self._where}: {said}")
        if 300 <= status < 400:
            raise PrometheusError(
                f"{self._where} sends elsewhere, to {self._hide(location or 'nowhere')}: give that url, or credentials"
            )
        if status in (401, 403):
            raise PrometheusError(f"{self._where} refuses access ({status}): set bearer_token or headers")
        if status != 200:
            said = self._hide(" ".join(body.decode(errors="replace").split()) or "no reason given")
            raise PrometheusError(f"{self._where} answered {status}: {said}")
        raise self._rubbish(body.decode(errors="replace"))

    def _rubbish(self, answer: object) -> PrometheusError:
        said = self._hide(" ".join(str(answer).split()) or "nothing")
        return PrometheusError(f"{self._where} does not answer as Prometheus does, is its url right? It said: {said}")

    def _hide(self, text: str) -> str:
        """Someone else's text, shortened, and without credentials, which it may repeat."""
        for secret in (self._options.bearer_token, *self._options.headers.values()):
            if secret:
                text = text.replace(secret, "***")
        return text if len(text) <= LONGEST_ANSWER else f"{text[:LONGEST_ANSWER]}..."

    @property
    def _where(self) -> str:
        return f"Prometheus at {self._options.url}"


def _named(query: str) -> str:
    text = " ".join(query.split())
    return f"query `{text if len(text) <= 120 else f'{text[:117]}...'}`"


def _labels(series: Any) -> str:
    metric = series.get("metric") if isinstance(series, dict) else None
    return json.dumps(metric or {})[:120]


def _number(value: Any) -> float | None:
    """The number in a pair of time and text."""
    try:
        _moment, text = value
        return float(text)
    except (TypeError, ValueError):
        return None


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        answer = from_json(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _is_tls(error: Exception) -> bool:
    import urllib3

    return isinstance(error, urllib3.exceptions.SSLError)


def _brief(error: Exception) -> str:
    """What went wrong, without the object addresses that urllib3 puts in front."""
    text = str(error.__cause__ or error)
    return text.rsplit(": ", 1)[-1] if "object at 0x" in text else text
