# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio's standard metrics in Prometheus: the queries, and the increase that the samples show. Pure.

The queries ask for the samples as scraped, not for `increase()`, which extrapolates to the ends of its window: it gives
4.3 requests where there were 3, and reaches back to before the weight was live.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .increase import Increase, add
from .istio_metrics import BUCKETS, REQUESTS, Hosts, Series, series_of

_POD_LABELS = ("pod", "kubernetes_pod_name", "pod_name")


class Samples(NamedTuple):
    """One counter: its labels, and its values with the time of each scrape (seconds since 1970)."""

    labels: Mapping[str, str]
    values: Sequence[tuple[float, int]]


class ScrapeTarget(NamedTuple):
    """What Prometheus scrapes. A pod may be scraped by several jobs."""

    pod: str
    job: str
    instance: str


def queries(hosts: Hosts, seconds: float, reporter: str, gateways: Iterable[str] = ()) -> list[str]:
    """The queries for all samples about a service in the last so many seconds.

    gateways: the workloads whose requests that name no service count as failures, for the reporter `source`.
    """
    window = f"[{max(1, round(seconds * 1000))}ms]"
    service = f'reporter="{reporter}",destination_service{_among(hosts)}'
    found = [f"{REQUESTS}{{{service}}}{window}", f"{BUCKETS}{{{service}}}{window}"]
    names = "|".join(sorted(map(re.escape, gateways)))
    if names and reporter == "source":
        lost = f'reporter="source",destination_service=~"|-|unknown",source_workload=~{_quoted(names)}'
        found.append(f"{REQUESTS}{{{lost}}}{window}")
    return found


def increase_of(answers: Iterable[Samples], hosts: Hosts, reporter: str) -> Increase:
    """The increase from the first scrape in these samples to the last.

    A pod that several jobs scrape counts once, by the job that has most of its series.
    """
    scrapes: dict[ScrapeTarget, dict[float, dict[Series, int]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    for labels, values in answers:
        series = series_of(labels.get("__name__", ""), labels, hosts, reporter)
        if series:
            for moment, value in values:
                scrapes[_target(labels)][moment][series] += value
    chosen: dict[str, ScrapeTarget] = {}
    for target in sorted(scrapes, key=lambda each: (len(_all_series(scrapes[each].values())), each)):
        chosen[target.pod] = target
    found = Increase()
    for moment, scraped in sorted((moment, target) for target in chosen.values() for moment in scrapes[target]):
        found = add(found, {scraped: scrapes[scraped][moment]})
    return found


def _all_series(scrapes: Iterable[Mapping[Series, int]]) -> set[Series]:
    return {series for scrape in scrapes for series in scrape}


def _target(labels: Mapping[str, str]) -> ScrapeTarget:
    instance, job = labels.get("instance", ""), labels.get("job", "")
    pod = next((labels[name] for name in _POD_LABELS if name in labels), "")
    place = f"{labels.get('namespace', '')}/{pod}" if pod else instance.rpartition(":")[0] or instance
    return ScrapeTarget(place, job, instance)


def _among(values: Sequence[str]) -> str:
    """A matcher of a label with any of these values."""
    if len(values) == 1:
        return f"={_quoted(values[0])}"
    return f"=~{_quoted('|'.join(map(re.escape, values)))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
