# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""How the requests of a probe split over versions, and whether the wanted weights explain that split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from .._common.printable import printable
from .._common.text import plural
from .binomial import Range, acceptance_range, p_value
from .probe import ProbeAnswer

# What looks like a version when nobody says which versions to look for.
_ANY_VERSION = r"v\d+(?:\.\d+)*"
_SAMPLES = 5
_SAMPLE_LENGTH = 120
_REMARK = 5  # the column after the numbers


@dataclass(frozen=True)
class SplitCriteria:
    """What is asked of the answers: whose version counts, which shares are wanted, and what is an error.

    An answer must name exactly one version if versions_required; else one without a version is as good.
    other: what to call whoever answers without naming a version, and with no failure of a server: the further
    destinations of a route. Its part of the weights is among `weights`.
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
    """One version's part of all answers that named a version. Nothing is expected of it without wanted weights, and
    no range can be said without any answer.
    """

    version: str
    requests: int
    share: float
    weight: float | None = None
    expected: Range | None = None
    p_value: float | None = None

    @property
    def ok(self) -> bool:
        return self.weight is None or (self.expected is not None and self.requests in self.expected)


@dataclass(frozen=True)
class Split:
    """What came of a probe. Latencies are seconds, of the answers that are no errors."""

    asked: int
    shares: tuple[VersionShare, ...]
    statuses: Mapping[int, int]
    errors: Mapping[str, int]
    samples: tuple[str, ...]
    latency: Mapping[str, float]
    reconnects: int

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())


def version_pattern(versions: Iterable[str]) -> re.Pattern[str]:
    """Finds the versions as whole words, in plain text as in JSON; v1 is found neither in v1.2 nor in app-v1."""
    words = "|".join(map(re.escape, versions)) or _ANY_VERSION
    return re.compile(rf"(?<![\w-])(?<!\w\.)(?:{words})(?![\w-])(?!\.\w)")


def good(question: SplitCriteria, outcome: ProbeAnswer) -> bool:
    """Whether the outcome is an answer and no error."""
    return not _judge(question, outcome)[1]


def measure(question: SplitCriteria, outcomes: Sequence[ProbeAnswer], asked: int) -> Split:
    """Count the outcomes of a probe; requests that have none were not finished in time."""
    judged = [(outcome, *_judge(question, outcome)) for outcome in outcomes]
    errors = Counter(error for _outcome, _version, error in judged if error)
    if asked > len(outcomes):
        errors["unfinished"] = asked - len(outcomes)
    counts = Counter(version for _outcome, version, _error in judged if version)
    samples = dict.fromkeys(_sample(outcome, error) for outcome, _version, error in judged if error)
    return Split(
        asked=asked,
        shares=tuple(
            _share(question, version, counts[version], counts.total())
            for version in sorted({*counts, *question.weights})
        ),
        statuses=dict(sorted(Counter(outcome.status for outcome in outcomes if outcome.status).items())),
        errors=dict(errors.most_common()),
        samples=tuple(samples)[:_SAMPLES],
        latency=_latency(sorted(outcome.seconds for outcome, _version, error in judged if not error)),
        reconnects=sum(outcome.reconnected for outcome in outcomes),
    )


def problems(question: SplitCriteria, split: Split) -> list[str]:
    """What is wrong with the split, with its numbers; nothing when the weights explain it and its errors may be."""
    judged = sum(share.requests for share in split.shares)
    found = [
        f"{share.version} answered {share.requests} of {judged} ({_percent(share.share)}), outside {share.expected}, "
        f"the exact {_level(question)} range for its weight of {_percent(share.weight)}"
        for share in split.shares
        if share.weight is not None and share.expected is not None and not share.ok
    ]
    if question.weights and not judged:
        found.append("no answer named a version")
    if split.error_count > question.max_errors:
        kinds = ", ".join(f"{number} {kind}" for kind, number in split.errors.items())
        first = f"; the first: {split.samples[0]}" if split.samples else ""
        found.append(f"{plural(split.error_count, 'error')} ({kinds}{first}) with max_errors {question.max_errors}")
    return found


def summary(split: Split) -> str:
    """The split in half a sentence."""
    shares = [f"{share.version} {share.requests} ({_percent(share.share)})" for share in split.shares]
    return ", ".join([*shares, plural(split.error_count, "error")])


def table(question: SplitCriteria, split: Split) -> str:
    """The split as text for a terminal."""
    rows = [["version", "requests", "share"]]
    if question.weights:
        rows[0] += ["expected", f"{_level(question)} range"]
    for share in split.shares:
        row = [printable(share.version), str(share.requests), _percent(share.share)]
        if share.weight is not None:
            row += [_percent(share.weight), str(share.expected or "-"), "ok" if share.ok else "WRONG"]
        rows.append(row)
    lines = _aligned(rows) if split.shares else []
    lines.append("  ".join([f"errors   {split.error_count}", *(f"{kind} {n}" for kind, n in split.errors.items())]))
    if split.latency:
        lines.append(
            "  ".join(["latency", *(f"{name} {seconds * 1000:.1f} ms" for name, seconds in split.latency.items())])
        )
    return "\n".join(lines)


def _judge(question: SplitCriteria, outcome: ProbeAnswer) -> tuple[str, str]:
    """The version that answered, or the kind of error; neither for a good answer that need not name a version."""
    if outcome.error:
        return "", outcome.error
    named = names(question.pattern, outcome.body)
    if question.other and not named and outcome.status < 500:
        return question.other, ""
    if outcome.status not in question.statuses:
        return "", f"http_{outcome.status}"
    if len(named) == 1:
        return named.pop(), ""
    if not question.versions_required:
        return "", ""
    return "", "several_versions" if named else "no_version"


def names(pattern: re.Pattern[str], text: str) -> set[str]:
    """The versions that a text names."""
    return {_named(match) for match in pattern.finditer(text)} - {""}


def _named(match: re.Match[str]) -> str:
    """The version a match names: its group `version`, else its first group, else all of it."""
    group: int | str = "version" if "version" in match.re.groupindex else min(1, match.re.groups)
    return match.group(group) or ""


def _sample(outcome: ProbeAnswer, error: str) -> str:
    said = " ".join((outcome.detail or outcome.body).split())[:_SAMPLE_LENGTH]
    return f"{error}: {said}" if said else error


def _share(question: SplitCriteria, version: str, requests: int, judged: int) -> VersionShare:
    share = requests / judged if judged else 0.0
    if not question.weights:
        return VersionShare(version, requests, share)
    weight = question.weights.get(version, 0.0) / sum(question.weights.values())
    if not judged:
        return VersionShare(version, requests, share, weight)
    expected = acceptance_range(judged, weight, question.confidence)
    return VersionShare(version, requests, share, weight, expected, p_value(requests, judged, weight))


def _latency(seconds: Sequence[float]) -> dict[str, float]:
    """Nearest-rank percentiles: each is a latency that was measured."""
    if not seconds:
        return {}
    ranks = {f"p{percent}": seconds[-(-percent * len(seconds) // 100) - 1] for percent in (50, 95, 99)}
    return {**ranks, "max": seconds[-1]}


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width: names to the left, numbers to the right, remarks as they are."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, _REMARK) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _level(question: SplitCriteria) -> str:
    return f"{question.confidence * 100:.10g} %"
