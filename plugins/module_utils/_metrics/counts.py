# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What was counted per version since the canary's weight is live. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """Requests, and how many of them were bad in one respect: 0 <= bad <= requests (ValueError otherwise)."""

    requests: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.requests:
            raise ValueError(f"{self.bad} of {self.requests} requests cannot be bad")

    @property
    def share(self) -> float:
        """The part that was bad, 0 to 1; 0 without requests."""
        return self.bad / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class VersionCounts:
    """One version.

    answers: its requests, and those that failed.
    buckets: how many requests took at most so many milliseconds, by upper edge; infinity holds all of them. Envoy
        renews its histograms only every 5 s, so these requests may be fewer than those of `answers`.
    """

    name: str
    answers: Sample = Sample()
    buckets: Mapping[float, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """Both versions over the same time.

    stable: None if it has no weight, so that there is nothing to compare with.
    unattributed: failures in this time that belong to no version, such as those of a subset that is not there.
    before: the requests that were counted before this time, and how many of them were such failures.
    without_service: failures at these proxies that name no service at all, so that they may be anybody's.
    cut_off: by version, where it had healthy endpoints and has none any more, as a half sentence.
    unrouted: which proxies have lost the route, as a half sentence.
    untimed: why latencies may be unknown, as a half sentence with a remedy.
    share: the canary's part of all requests, above 0 and up to 1, where they are ours, sent to see how they are
        answered; else None.
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
    """How many of the proxies are read, of how many. gaps: who is not, for how long and why; nothing if all are."""

    read: int
    of: int
    gaps: str = ""

    def __str__(self) -> str:
        return f"counted in {self.read} of {self.of} proxies: {self.gaps}" if self.gaps else ""
