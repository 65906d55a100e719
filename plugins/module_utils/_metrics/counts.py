# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests counted by version since the canary's weight went live. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._common.text import plural


@dataclass(frozen=True)
class Sample:
    """Requests, and how many of them failed or were slow: 0 <= bad <= requests, else ValueError."""

    requests: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.requests:
            raise ValueError(f"{self.bad} of {self.requests} requests cannot be bad")

    @property
    def share(self) -> float:
        """The bad share, 0 to 1; 0 without requests."""
        return self.bad / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class VersionCounts:
    """The requests to one version.

    answers: all, and those that failed.
    buckets: cumulative histogram of latencies, by upper edge in milliseconds; infinity holds all. Envoy updates its
        histograms only every 5 s, so they may lag behind `answers`.
    """

    name: str
    answers: Sample = Sample()
    buckets: Mapping[float, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """Both versions over the same period.

    stable: None if it has no weight, so there is nothing to compare with.
    unattributed: failures that belong to no version, such as those of a subset that does not exist.
    before: the requests counted before this period, and how many of them were such failures.
    without_service: failures at these proxies that name no service, so they may belong to any.
    cut_off: by version, the proxies that have no healthy endpoint of it any more, as a clause.
    unrouted: the proxies that have lost the route, as a clause.
    untimed: why latencies may be unknown, as a clause with a remedy.
    share: the canary's share of probe requests, above 0 and up to 1; None where requests are not probes.
    """

    canary: VersionCounts
    stable: VersionCounts | None
    unattributed: int = 0
    before: Sample = Sample()
    without_service: int = 0
    cut_off: Mapping[str, str] = field(default_factory=dict)
    unrouted: str = ""
    untimed: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Coverage:
    """How many of the proxies are read. gaps: which are not, for how long and why; empty if all are."""

    read: int
    of: int
    gaps: str = ""

    def __str__(self) -> str:
        return f"counted in {self.read} of {plural(self.of, 'proxy', 'proxies')}: {self.gaps}" if self.gaps else ""
