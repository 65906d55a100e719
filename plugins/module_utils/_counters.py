# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Istio's standard request metrics, as counters of one service: by version, kind of answer and latency. Pure.

They come from a proxy's own `/stats/prometheus` or from Prometheus. Istio names them `istio_requests_total` and
`istio_request_duration_milliseconds`; where Envoy's stats access logger makes them, `envoy_` stands in front.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

STATS_PATH = "/stats/prometheus?filter=istio.request"  # a pattern, for both ways the names begin inside Envoy
REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"

NO_VERSION = ""
NOT_ROUTED = "NR"  # Envoy's flag for a request that no route matches
_ABSENT = frozenset({"", "-", "unknown"})  # how Envoy and Istio write a label that has no value
# The gRPC statuses that stand for an HTTP status of 500 and above: unknown, deadline exceeded, unimplemented, internal,
# unavailable, data loss.
_GRPC_FAILURES = frozenset({"2", "4", "12", "13", "14", "15"})
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_LINE = re.compile(  # a time may follow the value
    rb"((?:envoy_)?(?:%s|%s)\{.*)\} (\d+(?:\.\d*)?(?:e\+?\d+)?)(?: \d+)?" % (REQUESTS.encode(), BUCKETS.encode())
)


class Answers(NamedTuple):
    """Requests that ended alike.

    version: NO_VERSION if none was reached. kind: the class of the code (`2xx`), `none` without a code, as when the
    client gave up, or `grpc` and the status if that is a failure. flags: Envoy's response flags.
    """

    version: str
    kind: str
    flags: str

    @property
    def failed(self) -> bool:
        return self.kind in ("5xx", "none") or self.kind.startswith("grpc")


class Bucket(NamedTuple):
    """Requests to a version that took at most so many milliseconds."""

    version: str
    edge: float


Series: TypeAlias = "Answers | Bucket"
Counters = Mapping[Series, int]


def parse(text: bytes, host: str, reporter: str = "source") -> Counters:
    """The counters of the service with this host (fully qualified) in a proxy's answer to STATS_PATH.

    Failures that have no service either, since the request found no way to one, are counted too.
    A series that is not there was never counted up.
    """
    found: defaultdict[Series, int] = defaultdict(int)
    for labels, value in _lines(text, host):
        series = _series(labels, host, reporter)
        if series:
            found[series] += int(float(value))
    return dict(found)


def series_of(name: str, labels: Mapping[str, str], host: str, reporter: str = "source") -> Series | None:
    """What a series with this name and these labels counts; None if that is nothing of this service."""
    version, code = labels.get("destination_version", ""), labels.get("response_code", "")
    service = labels.get("destination_service", "")
    if labels.get("reporter") != reporter or (service != host and service not in _ABSENT):
        return None
    version = NO_VERSION if version in _ABSENT or service in _ABSENT else version
    if name.endswith(BUCKETS):
        return Bucket(version, float(labels["le"])) if version and "le" in labels else None
    if not code:
        return None  # Envoy may tell the same number again by class of code
    answers = Answers(version, _kind(code, labels.get("grpc_response_status", "")), labels.get("response_flags", "-"))
    return answers if service == host or answers.failed or NOT_ROUTED in answers.flags else None


def _lines(text: bytes, host: str) -> Iterator[tuple[bytes, bytes]]:
    """Name with labels, and value, of each line that may be ours. A busy gateway has many more of other services."""
    for service in (host, *_ABSENT):
        label = b'destination_service="%s"' % service.encode()
        end = 0
        while (found := text.find(label, end)) >= 0:
            end = text.find(b"\n", found)
            end = end if end >= 0 else len(text)
            line = _LINE.fullmatch(text, text.rfind(b"\n", 0, found) + 1, end)
            if line:
                yield line[1], line[2]


@lru_cache(maxsize=20_000)  # the same lines come with every read, only with other values
def _series(line: bytes, host: str, reporter: str) -> Series | None:
    name, _brace, labels = line.decode(errors="replace").partition("{")
    return series_of(name, dict(_LABEL.findall(labels)), host, reporter)


def _kind(code: str, grpc: str) -> str:
    if grpc in _GRPC_FAILURES:
        return f"grpc {grpc}"
    return f"{code[0]}xx" if len(code) == 3 and code[0] in "12345" else "none"
