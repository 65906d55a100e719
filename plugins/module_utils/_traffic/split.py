# SPDX-License-Identifier: GPL-3.0-or-later
"""How the requests of a probe split over versions, and whether the expected weights explain that split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._common.printable import printable
from .._common.text import aligned, excerpt, plural
from .binomial import Range, acceptance_range, p_value
from .probe import ProbeAnswer
from .versions import versions_in

_SAMPLES = 5
_SAMPLE_LENGTH = 120
_NUMBERS = range(1, 5)  # the columns


@dataclass(frozen=True)
class SplitCriteria:
    """Which version an answer counts for, which weights are expected, and what is an error.

    versions_required: an answer without exactly one version is an error; else its version is unknown.
    other: the name of the further destinations of a route, for which an answer counts that names no version and is no
    server error. Their weight is one of `weights`.
    """

    pattern: re.Pattern[str]
    versions_required: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 0.999
    statuses: frozenset[int] = frozenset({200})
    max_errors: int = 0
    other: str = ""


@dataclass(frozen=True)
class VersionShare:
    """A version's share of all answers that named a version, 0 to 1.

    weight: the expected share; None without weights. expected: the counts that it explains; None without answers, and
    where the versions of some are unknown.
    """

    version: str
    requests: int
    share: float
    weight: float | None = None
    expected: Range | None = None
    p_value: float | None = None
    judged: bool = True

    @property
    def ok(self) -> bool:
        if self.weight is None or not self.judged:
            return True
        return self.expected is not None and self.requests in self.expected


@dataclass(frozen=True)
class Split:
    """The result of a probe.

    latency: seconds, of the answers that are no errors. unknown: how many of these name no version, or several.
    """

    asked: int
    shares: tuple[VersionShare, ...]
    statuses: Mapping[int, int]
    errors: Mapping[str, int]
    samples: tuple[str, ...]
    latency: Mapping[str, float]
    reconnects: int
    unknown: int = 0

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())


def is_success(criteria: SplitCriteria, answer: ProbeAnswer) -> bool:
    """Whether there was an answer, and no error."""
    return not _classify(criteria, answer)[1]


def split_of(criteria: SplitCriteria, answers: Sequence[ProbeAnswer], asked: int) -> Split:
    """Count the answers of a probe; requests without an answer were not finished in time."""
    classified = [(answer, *_classify(criteria, answer)) for answer in answers]
    errors = Counter(error for _answer, _version, error in classified if error)
    if asked > len(answers):
        errors["unfinished"] = asked - len(answers)
    counts = Counter(version for _answer, version, _error in classified if version)
    unknown = sum(not version and not error for _answer, version, error in classified) if criteria.weights else 0
    samples = dict.fromkeys(_sample(answer, error) for answer, _version, error in classified if error)
    return Split(
        asked=asked,
        shares=tuple(
            _share(criteria, version, counts[version], counts.total(), not unknown)
            for version in sorted({*counts, *criteria.weights})
        ),
        statuses=dict(sorted(Counter(answer.status for answer in answers if answer.status).items())),
        errors=dict(errors.most_common()),
        samples=tuple(samples)[:_SAMPLES],
        latency=_latency(sorted(answer.seconds for answer, _version, error in classified if not error)),
        reconnects=sum(answer.reconnected for answer in answers),
        unknown=unknown,
    )


def problems(criteria: SplitCriteria, split: Split) -> list[str]:
    """Why the weights do not explain the split, and whether there are too many errors; with numbers."""
    total = sum(share.requests for share in split.shares)
    found = [
        f"{share.version} answered {share.requests} of {total} ({_percent(share.share)}), outside {share.expected}, "
        f"the exact {_level(criteria)} range for its weight of {_percent(share.weight)}"
        for share in split.shares
        if share.weight is not None and share.expected is not None and not share.ok
    ]
    if criteria.weights and not total and not split.unknown:
        found.append("no answer named a version")
    if split.error_count > criteria.max_errors:
        kinds = ", ".join(f"{number} {kind}" for kind, number in split.errors.items())
        first = f"; the first: {split.samples[0]}" if split.samples else ""
        found.append(f"{plural(split.error_count, 'error')} ({kinds}{first}) with max_errors {criteria.max_errors}")
    return found


def summary(split: Split) -> str:
    """Counts, shares and errors in one line."""
    shares = [f"{share.version} {share.requests} ({_percent(share.share)})" for share in split.shares]
    unknown = [f"{split.unknown} of an unknown version"] if split.unknown else []
    return ", ".join([*shares, *unknown, plural(split.error_count, "error")])


def table(criteria: SplitCriteria, split: Split) -> str:
    """The split as a table for a terminal."""
    rows = [["version", "requests", "share"]]
    if criteria.weights:
        rows[0] += ["expected", f"{_level(criteria)} range"]
    for share in split.shares:
        row = [printable(share.version), str(share.requests), _percent(share.share)]
        if share.weight is not None:
            mark = "" if not share.judged else "ok" if share.ok else "WRONG"
            row += [_percent(share.weight), str(share.expected or "-"), mark]
        rows.append(row)
    if split.unknown:
        rows.append(["unknown", str(split.unknown)])
    lines = aligned(rows, _NUMBERS) if split.shares else []
    lines.append("  ".join([f"errors   {split.error_count}", *(f"{kind} {n}" for kind, n in split.errors.items())]))
    if split.latency:
        lines.append("  ".join(["latency", *(f"{name} {each * 1000:.1f} ms" for name, each in split.latency.items())]))
    return "\n".join(lines)


def _classify(criteria: SplitCriteria, answer: ProbeAnswer) -> tuple[str, str]:
    """The version that answered, or the kind of error; neither for a good answer that needs no version."""
    if answer.error:
        return "", answer.error
    named = versions_in(criteria.pattern, answer.body)
    if criteria.other and not named and answer.status < 500:
        return criteria.other, ""
    if answer.status not in criteria.statuses:
        return "", f"http_{answer.status}"
    if len(named) == 1:
        return named.pop(), ""
    missing = "several_versions" if named else "no_version"
    return "", missing if criteria.versions_required else ""


def _sample(answer: ProbeAnswer, error: str) -> str:
    said = excerpt(answer.detail or answer.body, _SAMPLE_LENGTH)
    return f"{error}: {said}" if said else error


def _share(criteria: SplitCriteria, version: str, requests: int, total: int, judged: bool) -> VersionShare:
    share = requests / total if total else 0.0
    if not criteria.weights:
        return VersionShare(version, requests, share)
    weight = criteria.weights.get(version, 0.0) / sum(criteria.weights.values())
    if not total or not judged:
        return VersionShare(version, requests, share, weight, judged=judged)
    expected = acceptance_range(total, weight, criteria.confidence)
    return VersionShare(version, requests, share, weight, expected, p_value(requests, total, weight))


def _latency(seconds: Sequence[float]) -> dict[str, float]:
    """Nearest-rank percentiles: each is a latency that was measured."""
    if not seconds:
        return {}
    ranks = {f"p{percent}": seconds[-(-percent * len(seconds) // 100) - 1] for percent in (50, 95, 99)}
    return {**ranks, "max": seconds[-1]}


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _level(criteria: SplitCriteria) -> str:
    return f"{criteria.confidence * 100:.10g} %"
