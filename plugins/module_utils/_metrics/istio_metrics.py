# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio's standard request metrics as counters of one service: by workload, response class and latency. Pure.

They come from a proxy's `/stats/prometheus` or from Prometheus. Names may have the prefix `envoy_`, which Envoy's stats
access logger adds.
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
# Envoy's flags for requests that failed before an endpoint was chosen: no route, no cluster, no healthy endpoint,
# circuit breaker, drop by configuration. Every other failure is counted at an endpoint.
NO_ENDPOINT = frozenset({NOT_ROUTED, "NC", "UH", "UO", "DO"})
ABSENT = frozenset({"", "-", "unknown"})  # how Envoy and Istio write a label without a value
# The gRPC statuses that count as failures: unknown, deadline exceeded, unimplemented, internal,
# unavailable, data loss.
_GRPC_FAILURES = frozenset({"2", "4", "12", "13", "14", "15"})
LABEL = re.compile(r'(\w+)="([^"]*)"')
_LINE = re.compile(  # a timestamp may follow the value
    rb"((?:envoy_)?(?:%s|%s)\{.*)\} (\d+(?:\.\d*)?(?:e\+?\d+)?)(?: \d+)?" % (REQUESTS.encode(), BUCKETS.encode())
)


class Answers(NamedTuple):
    """Requests with the same kind of response.

    workload: NO_WORKLOAD if no pod was chosen. kind: the class of the status (`2xx`), `none` without one, as when the
    client disconnected, or `grpc` and the status if that is a failure. flags: Envoy's response flags. of_service: False
    if the series names no service, so that the requests may have been to any.
    """

    workload: Workload
    kind: str
    flags: str
    of_service: bool = True

    @property
    def failed(self) -> bool:
        return self.kind in ("5xx", "none") or self.kind.startswith("grpc") or NOT_ROUTED in self.flags

    @property
    def without_endpoint(self) -> bool:
        """Whether no endpoint of the service was chosen, so that no endpoint counted the requests."""
        return self.of_service and self.workload == NO_WORKLOAD and not NO_ENDPOINT.isdisjoint(self.flags.split(","))

    @property
    def unattributed(self) -> bool:
        """Whether they failed at the service, but at no version of it."""
        return self.of_service and self.failed and self.workload == NO_WORKLOAD


class Bucket(NamedTuple):
    """Requests to a workload that took at most `edge` milliseconds."""

    workload: Workload
    edge: float


Series: TypeAlias = "Answers | Bucket"
Counters = Mapping[Series, int]
Hosts = tuple[str, ...]  # of one service: several where its versions are Services


def stats_path(hosts: Hosts) -> str:
    """The admin path of one service's series. The filter sees a name with all its labels."""
    any_host = "|".join(map(re.escape, hosts))
    any_host = f"({any_host})" if len(hosts) > 1 else any_host
    return f"/stats/prometheus?{urlencode({'filter': f'istio.request(s.total|.duration).*{any_host}'})}"


def parse(text: bytes, hosts: Hosts, reporter: str = "source") -> Counters:
    """The counters of the service with these hosts (fully qualified) in a proxy's answer to stats_path."""
    found: defaultdict[Series, int] = defaultdict(int)
    for host in hosts:
        for labels, value in _lines(text, host):
            series = _series(labels, hosts, reporter)
            if series:
                found[series] += int(float(value))
    return dict(found)


def series_of(name: str, labels: Mapping[str, str], hosts: Hosts, reporter: str = "source") -> Series | None:
    """What a series counts; None unless it is of this service, or of failures that name no service."""
    service, code = labels.get("destination_service", ""), labels.get("response_code", "")
    of_service = service in hosts
    if labels.get("reporter") != reporter or not (of_service or service in ABSENT):
        return None
    workload = _workload(labels) if of_service else NO_WORKLOAD
    if name.endswith(BUCKETS):
        return Bucket(workload, float(labels["le"])) if workload != NO_WORKLOAD and "le" in labels else None
    if not code:
        return None  # a series that counts the same requests by class of status
    kind = _kind(code, labels.get("grpc_response_status", ""))
    answers = Answers(workload, kind, labels.get("response_flags", "-"), of_service)
    return answers if of_service or answers.failed else None


def _workload(labels: Mapping[str, str]) -> Workload:
    """The workload that answered. Istio writes the revision `latest` even where it knows no workload."""

    def value_of(label: str) -> str:
        value = labels.get(label, "")
        return "" if value in ABSENT else value

    name = value_of("destination_workload")
    if not name and "destination_workload" in labels:
        return NO_WORKLOAD
    revision = value_of("destination_canonical_revision") or value_of("destination_version")
    return Workload(name, value_of("destination_workload_namespace"), revision)


def _lines(text: bytes, host: str) -> Iterator[tuple[bytes, bytes]]:
    """Name with labels, and value, of each line of this service. A busy gateway has many lines of other services."""
    label = b'destination_service="%s"' % host.encode()
    end = 0
    while (found := text.find(label, end)) >= 0:
        end = text.find(b"\n", found)
        end = end if end >= 0 else len(text)
        line = _LINE.fullmatch(text, text.rfind(b"\n", 0, found) + 1, end)
        if line:
            yield line[1], line[2]


@lru_cache(maxsize=20_000)  # every read has the same series
def _series(line: bytes, hosts: Hosts, reporter: str) -> Series | None:
    name, _brace, labels = line.decode(errors="replace").partition("{")
    return series_of(name, dict(LABEL.findall(labels)), hosts, reporter)


def _kind(code: str, grpc: str) -> str:
    if grpc in _GRPC_FAILURES:
        return f"grpc {grpc}"
    return f"{code[0]}xx" if len(code) == 3 and code[0] in "12345" else "none"
