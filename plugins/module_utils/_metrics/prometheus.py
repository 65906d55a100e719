# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries to Prometheus. An error is one sentence without credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any, Literal
from urllib.parse import urlencode

from .._common.http_client import HEADERS, HttpClient
from .._common.text import excerpt
from .promql import Samples

Reporter = Literal["source", "destination"]


@dataclass(frozen=True)
class PrometheusOptions:
    """The address of Prometheus and the credentials for it. timeout: seconds for one query."""

    url: str
    reporter: Reporter = "source"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    bearer_token: str = field(default="", repr=False)
    ca_cert: str = ""
    validate_certs: bool = True
    timeout: float = 5.0


class PrometheusError(Exception):
    """One sentence: what was asked, what came back, and why."""


class UnusableQuery(PrometheusError):
    """A query that never gives one number, whatever was counted."""


class Prometheus:
    """A Prometheus, or a server with its API, over a connection that is kept."""

    def __init__(self, options: PrometheusOptions) -> None:
        self._headers = {**HEADERS, **options.headers}
        if options.bearer_token:
            self._headers["Authorization"] = f"Bearer {options.bearer_token}"
        self._where = f"Prometheus at {options.url}"
        self._secrets = (options.bearer_token, *options.headers.values())
        tls = options.ca_cert, options.validate_certs
        self._client = HttpClient(
            options.url, self._where, PrometheusError, options.timeout, *tls, secrets=self._secrets
        )

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
            raise self._unexpected(value)
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
            raise self._unexpected(result) from error

    def _ask(self, query: str, at: float | None = None) -> tuple[str, Any]:
        """The type of the result, and the result."""
        fields = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        answer = self._client.ask("GET", f"/api/v1/query?{urlencode(fields)}", self._headers)
        said = answer.json if isinstance(answer.json, dict) else {}
        if said.get("status") == "success" and answer.status == 200:
            data = said.get("data")
            if isinstance(data, dict) and isinstance(data.get("result"), list):
                return str(data.get("resultType")), data["result"]
            raise self._unexpected(said)
        if said.get("status") == "error":
            kind = UnusableQuery if said.get("errorType") == "bad_data" else PrometheusError
            reason = self._excerpt(f"{said.get('error')} ({said.get('errorType')})")
            raise kind(f"{_named(query)} was refused by {self._where}: {reason}")
        if 300 <= answer.status < 400:
            location = self._excerpt(answer.headers.get("Location") or "nowhere")
            raise PrometheusError(f"{self._where} sends elsewhere, to {location}: give that url, or credentials")
        if answer.status in (401, 403):
            raise PrometheusError(f"{self._where} refuses access ({answer.status}): set bearer_token or headers")
        if answer.status != 200:
            reason = self._excerpt(answer.text) or "no reason given"
            raise PrometheusError(f"{self._where} answered {answer.status}: {reason}")
        raise self._unexpected(answer.text)

    def _unexpected(self, answer: object) -> PrometheusError:
        said = self._excerpt(str(answer)) or "nothing"
        return PrometheusError(f"{self._where} does not answer as Prometheus does, is its url right? It said: {said}")

    def _excerpt(self, text: str) -> str:
        return excerpt(text, secrets=self._secrets)


def _named(query: str) -> str:
    return f"query `{excerpt(query, 120)}`"


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
