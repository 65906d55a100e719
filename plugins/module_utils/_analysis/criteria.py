# SPDX-License-Identifier: GPL-3.0-or-later
"""What a version is judged by: the `analysis` options as data, or all mistakes in them. Pure."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, log
from typing import Literal, TypeVar, cast, get_args
from urllib.parse import urlsplit

from .._common.options import Options
from .._common.values import LONGEST, show
from .._metrics.histogram import EDGES
from .._metrics.prometheus import PrometheusOptions, Reporter

T = TypeVar("T")
Source = Literal["envoy", "prometheus", "probe"]
OnInconclusive = Literal["hold", "rollback"]

MOST_REQUESTS = 1_000_000
LONGEST_TIMEOUT = 60
MOST_PER_SECOND = 100  # requests of a probe
PROMETHEUS_URL = "such as http://prometheus.istio-system:9090"
PROBE_URL = "such as http://192.0.2.1/version, whose answers name their version"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110


@dataclass(frozen=True)
class Limit:
    """The share of bad requests that a version may have, as a statistical test. 0 < good < bad < 1.

    A version with at most `good` should pass, one with `bad` or more should fail; between them either may happen.
    alpha, beta: the highest chance of a wrong fail, of a wrong pass. A wider gap needs fewer requests.
    """

    good: float = 0.01
    bad: float = 0.05
    alpha: float = 0.01
    beta: float = 0.05
    dry_run: bool = False

    @property
    def fails_at(self) -> float:
        """The log evidence for `bad` at which a version fails."""
        return -log(self.alpha)

    @property
    def passes_at(self) -> float:
        """The log evidence for `bad`, below 0, at which it passes."""
        return log(self.beta)


@dataclass(frozen=True)
class Comparison:
    """How much worse than stable a canary may be, even within its limit.

    max_ratio: how many times stable's error rate it may have, 1 or more. With 1 a long soak fails it for the smallest
    difference. alpha: the highest chance of a wrong fail.
    """

    max_ratio: float = 1.5
    alpha: float = 0.01
    dry_run: bool = False

    @property
    def fails_at(self) -> float:
        """The log evidence for a worse canary at which it fails."""
        return -log(self.alpha)


@dataclass(frozen=True)
class Latency:
    """The share of requests that may take longer than a threshold (milliseconds), an edge of Envoy's histograms."""

    threshold_ms: float = 500.0
    limit: Limit = Limit()


@dataclass(frozen=True)
class Unattributed:
    """Failures that belong to no version, judged by the limit for errors."""

    dry_run: bool = False


@dataclass(frozen=True)
class Query:
    """PromQL for one number, and its allowed range, both ends included."""

    name: str
    query: str
    min: float = -inf
    max: float = inf
    dry_run: bool = False


@dataclass(frozen=True)
class ProbeOptions:
    """Requests of its own: where to, and how an answer names its version, by a header or in its body.

    version_pattern: a regular expression; without it the versions are found as whole words. timeout: seconds for one.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    version_header: str = ""
    version_pattern: str = ""
    per_second: int = 20
    ca_cert: str = ""
    validate_certs: bool = True
    timeout: float = 5.0


@dataclass(frozen=True)
class Criteria:
    """All that a version is judged by, from validate(). A part that is None is switched off.

    minimum_requests: that a version must have answered before it can pass. deadline: seconds after a step's interval
    until an inconclusive verdict is treated as on_inconclusive says.
    """

    source: Source = "envoy"
    success: Limit | None = Limit()
    worse_than_stable: Comparison | None = Comparison()
    latency: Latency | None = Latency()
    unattributed: Unattributed | None = Unattributed()
    minimum_requests: int = 100
    deadline: float = 600.0
    on_inconclusive: OnInconclusive = "hold"
    queries: tuple[Query, ...] = ()
    prometheus: PrometheusOptions | None = None
    probe: ProbeOptions | None = None

    @property
    def counts_requests(self) -> bool:
        """Whether anything but custom queries decides."""
        return any((self.success, self.worse_than_stable, self.latency)) or self.source != "envoy"


class InvalidCriteria(ValueError):
    """Wrong criteria. mistakes: all of them, one sentence each, in the order of the options."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


def validate(analysis: object) -> Criteria:
    """The criteria of these options; InvalidCriteria with all mistakes at once.

    An empty mapping gives the defaults. A part that is false is switched off, one that is true has its defaults.
    """
    mistakes: list[str] = []
    options = Options("analysis", analysis, mistakes)
    source = cast(Source, options.choice("source", get_args(Source), "envoy"))
    criteria = Criteria(
        source=source,
        success=_part(options, "success", lambda part: _limit(part, "max_error", "bad_error")),
        worse_than_stable=_part(options, "worse_than_stable", _comparison),
        latency=_part(options, "latency", _latency),
        unattributed=_part(options, "unattributed", lambda part: Unattributed(part.flag("dry_run", False))),
        minimum_requests=options.whole("minimum_requests", 1, MOST_REQUESTS, 100),
        deadline=options.seconds("deadline", 0, LONGEST, 600.0),
        on_inconclusive=cast(OnInconclusive, options.choice("on_inconclusive", get_args(OnInconclusive), "hold")),
        queries=_queries(options),
        prometheus=_part(options, "prometheus", _prometheus, optional=True),
        probe=_part(options, "probe", _probe, optional=True),
    )
    options.end()
    parts = (criteria.success, criteria.worse_than_stable, criteria.latency, criteria.unattributed)
    if not any(parts) and not criteria.queries:
        mistakes.append("analysis has every part switched off: leave one on, or leave analysis out")
    needs = "source is prometheus" if source == "prometheus" else "queries are given" if criteria.queries else ""
    if needs and criteria.prometheus is None:
        mistakes.append(f"analysis.prometheus is missing: {needs}, so give its url, {PROMETHEUS_URL}")
    if source == "probe" and criteria.probe is None:
        mistakes.append(f"analysis.probe is missing: source is probe, so give its url, {PROBE_URL}")
    if mistakes:
        raise InvalidCriteria(mistakes)
    return criteria


def _part(options: Options, key: str, read: Callable[[Options], T], optional: bool = False) -> T | None:
    """The part below a key; None if it is switched off, or not given and optional."""
    part = options.part(key, optional)
    if part is None:
        return None
    found = read(part)
    part.end()
    return found


def _limit(options: Options, good: str, bad: str) -> Limit:
    limit = Limit(
        good=options.rate(good, Limit.good),
        bad=options.rate(bad, Limit.bad),
        alpha=options.rate("alpha", Limit.alpha, 0.5),
        beta=options.rate("beta", Limit.beta, 0.5),
        dry_run=options.flag("dry_run", False),
    )
    if limit.good >= limit.bad:
        options.note(
            good,
            f"is {limit.good:g} and {bad} is {limit.bad:g}: {bad} must be higher, to distinguish the two",
        )
    return limit


def _comparison(options: Options) -> Comparison:
    return Comparison(
        max_ratio=options.number("max_ratio", 1, Comparison.max_ratio),
        alpha=options.rate("alpha", Comparison.alpha, 0.5),
        dry_run=options.flag("dry_run", False),
    )


def _latency(options: Options) -> Latency:
    threshold = options.number("threshold_ms", 0, Latency.threshold_ms)
    if threshold not in EDGES:
        after = bisect(EDGES, threshold)
        nearest = " and ".join(f"{edge:.10g}" for edge in EDGES[max(0, after - 1) : after + 1])
        options.note(
            "threshold_ms",
            f"is {threshold:.10g}: Envoy counts latencies at fixed edges only, take one of the nearest, {nearest}",
        )
    return Latency(threshold, _limit(options, "max_slow", "bad_slow"))


def _queries(options: Options) -> tuple[Query, ...]:
    queries: list[Query] = []
    for item in options.items("queries"):
        query = Query(
            name=item.text("name", "a name for messages"),
            query=item.text("query", "PromQL that gives one number"),
            min=item.bound("min", -inf),
            max=item.bound("max", inf),
            dry_run=item.flag("dry_run", False),
        )
        item.end()
        if query.min > query.max:
            item.note("min", f"is {query.min:g} and max is {query.max:g}: nothing lies between them")
        if (query.min, query.max) == (-inf, inf) and not query.dry_run:
            item.note("", "has neither min nor max: give one, or set dry_run: true to have it reported only")
        if query.name and query.name in (other.name for other in queries):
            item.note("name", f"is {show(query.name)}, as that of another query: each needs its own")
        queries.append(query)
    return tuple(queries)


def _prometheus(options: Options) -> PrometheusOptions:
    prometheus = PrometheusOptions(
        url=_url(options, f"a URL, {PROMETHEUS_URL}").rstrip("/"),
        reporter=cast(Reporter, options.choice("reporter", get_args(Reporter), "source")),
        headers=_headers(options),
        bearer_token=_token(options),
        ca_cert=options.text("ca_cert", "the path of a file with certificates", ""),
        validate_certs=options.flag("validate_certs", True),
        timeout=options.seconds("timeout", 0.1, LONGEST_TIMEOUT, 5.0),
    )
    if prometheus.bearer_token and any(name.lower() == "authorization" for name in prometheus.headers):
        options.note("headers", "has Authorization, and bearer_token is given too: give one of them")
    return prometheus


def _probe(options: Options) -> ProbeOptions:
    probe = ProbeOptions(
        url=_url(options, f"a URL, {PROBE_URL}", query=True),
        headers=_headers(options),
        version_header=options.text("version_header", "the name of a header", ""),
        version_pattern=_pattern(options),
        per_second=options.whole("per_second", 1, MOST_PER_SECOND, 20),
        ca_cert=options.text("ca_cert", "the path of a file with certificates", ""),
        validate_certs=options.flag("validate_certs", True),
        timeout=options.seconds("timeout", 0.1, LONGEST_TIMEOUT, 5.0),
    )
    if probe.version_header and not _HEADER_NAME.fullmatch(probe.version_header):
        options.wrong("version_header", probe.version_header, "the name of a header")
    return probe


def _pattern(options: Options) -> str:
    pattern = options.text("version_pattern", "a regular expression", "")
    try:
        re.compile(pattern)
    except re.error as error:
        options.note("version_pattern", f"is no regular expression: {error}")
    return pattern


def _url(options: Options, expected: str, query: bool = False) -> str:
    url = options.text("url", expected)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        options.note("url", f"cannot be read: it must be {expected}")
        return ""
    if "@" in parts.netloc:
        options.note("url", "holds a user: give credentials by headers or bearer_token, which are never shown")
    elif not usable or (parts.query and not query) or parts.fragment or re.search(r"\s", url):
        options.wrong("url", url, expected)
    return url


def _headers(options: Options) -> dict[str, str]:
    given = options.raw("headers")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        options.note("headers", "is no mapping: it must be one of header names to values")
        return {}
    for name, value in given.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            options.note("headers", f"has {show(name)}: that is no name of a header")
        elif not _sendable(str(value)):
            options.note(f"headers.{name}", "has characters that a header cannot carry, such as a line break")
    return {str(name): str(value) for name, value in given.items()}


def _token(options: Options) -> str:
    given = options.raw("bearer_token")
    if given is None:
        return ""
    token = given.strip() if isinstance(given, str) else ""
    if not token or not _sendable(token):
        options.note("bearer_token", "is no token: it must be text without line breaks")
    return token


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()
