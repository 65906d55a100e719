# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Istio's standard request metrics, as counters of one service: by workload, kind of answer and latency. Pure.

They come from a proxy's own `/stats/prometheus` or from Prometheus. Istio names them `istio_requests_total` and
`istio_request_duration_milliseconds`; where Envoy's stats access logger makes them, `envoy_` stands in front.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import urlencode

from .workloads import NO_WORKLOAD, Workload

REQUESTS = "istio_requests_total"
DURATION = "istio_request_duration_milliseconds"
BUCKETS = f"{DURATION}_bucket"

NOT_ROUTED = "NR"  # Envoy's flag for a request that no route matches
# Envoy's flags for requests that failed before an endpoint was chosen: no route, no cluster, no healthy endpoint, too
# many requests wait or are under way, or drop on purpose. Every other failure is counted at an endpoint.
NO_ENDPOINT = frozenset({NOT_ROUTED, "NC", "UH", "UO", "DO"})
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

    workload: NOBODY if no pod was asked. kind: the class of the code (`2xx`), `none` without a code, as when the client
    gave up, or `grpc` and the status if that is a failure. flags: Envoy's response flags. ours: whether the service is
    told; if not, anybody's requests may be meant.
    """

    workload: Workload
    kind: str
    flags: str
    ours: bool = True

    @property
    def failed(self) -> bool:
        return self.kind in ("5xx", "none") or self.kind.startswith("grpc") or NOT_ROUTED in self.flags

    @property
    def without_endpoint(self) -> bool:
        """Whether the service was found and no endpoint of it chosen, so that no endpoint's counters have it."""
        return self.ours and self.workload == NO_WORKLOAD and not NO_ENDPOINT.isdisjoint(self.flags.split(","))


class Bucket(NamedTuple):
    """Requests to a workload that took at most so many milliseconds."""

    workload: Workload
    edge: float


Series: TypeAlias = "Answers | Bucket"
Counters = Mapping[Series, int]


def stats_path(host: str) -> str:
    """Where the admin interface shows these series of one service: inside Envoy a name holds all labels."""
    return f"/stats/prometheus?{urlencode({'filter': f'istio.request(s.total|.duration).*{re.escape(host)}'})}"


def parse(text: bytes, host: str, reporter: str = "source") -> Counters:
    """The counters of the service with this host (fully qualified) in a proxy's answer to its stats_path.

    A series that is not there was never counted up.
    """
    found: defaultdict[Series, int] = defaultdict(int)
    for labels, value in _lines(text, host):
        series = _series(labels, host, reporter)
        if series:
            found[series] += int(float(value))
    return dict(found)


def series_of(name: str, labels: Mapping[str, str], host: str, reporter: str = "source") -> Series | None:
    """What a series with this name and these labels counts; None if that is nothing of this service.

    Failures without any service, since the request found no way to one, are counted as such.
    """
    service, code = labels.get("destination_service", ""), labels.get("response_code", "")
    ours = service == host
    if labels.get("reporter") != reporter or not (ours or service in _ABSENT):
        return None
    workload = _workload(labels) if ours else NO_WORKLOAD
    if name.endswith(BUCKETS):
        return Bucket(workload, float(labels["le"])) if workload != NO_WORKLOAD and "le" in labels else None
    if not code:
        return None  # Envoy may tell the same number again by class of code
    kind = _kind(code, labels.get("grpc_response_status", ""))
    answers = Answers(workload, kind, labels.get("response_flags", "-"), ours)
    return answers if ours or answers.failed else None


def _workload(labels: Mapping[str, str]) -> Workload:
    """Who was asked. Istio writes a revision `latest` also where it knows no workload."""

    def told(label: str) -> str:
        value = labels.get(label, "")
        return "" if value in _ABSENT else value

    name = told("destination_workload")
    if not name and "destination_workload" in labels:
        return NO_WORKLOAD
    revision = told("destination_canonical_revision") or told("destination_version")
    return Workload(name, told("destination_workload_namespace"), revision)


def _lines(text: bytes, host: str) -> Iterator[tuple[bytes, bytes]]:
    """Name with labels, and value, of each line that is ours. A busy gateway may have many more of other services."""
    label = b'destination_service="%s"' % host.encode()
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
