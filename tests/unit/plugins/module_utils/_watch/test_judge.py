# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured where some counts come too late: the reason that is reported is the true one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import Criteria
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Counts, Sample, VersionCounts
from ansible_collections.progressive.istio.plugins.module_utils._watch import judge, providers
from ansible_collections.progressive.istio.plugins.module_utils._watch.endpoints import Uncounted
from ansible_collections.progressive.istio.plugins.module_utils._watch.judge import BLIND, Judge

LATE = Uncounted("no proxy can be read: no answer within 0.5 s")


def counts(requests: int) -> Counts:
    return Counts(VersionCounts("v2", Sample(requests)), VersionCounts("v1", Sample(4 * requests)))


class Scripted(providers.Provider):
    """Gives these counts, or fails with these, one after the other."""

    pace = 0.1

    def __init__(self, *counts: Counts | Uncounted) -> None:
        self._counts: Iterator[Counts | Uncounted] = iter(counts)

    def counts(self) -> Counts:
        found = next(self._counts)
        if isinstance(found, Uncounted):
            raise found
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """seconds: what a monotonic clock shows."""
    shown = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(judge.time, "monotonic", lambda: shown.seconds)
    return shown


def judge_of_counts(*counts: Counts | Uncounted) -> Judge:
    def now() -> datetime:
        return datetime(2026, 1, 31, tzinfo=UTC)

    call: Any = SimpleNamespace(cluster=SimpleNamespace(now=now))
    snapshot: Any = SimpleNamespace(shares={"v1": 80, "v2": 20}, state=None)
    return Judge(call, Criteria(latency=None), snapshot, Scripted(*counts), None)


def test_a_late_answer_does_not_hide_that_there_are_too_few_requests(clock: SimpleNamespace) -> None:
    judge = judge_of_counts(counts(7), LATE)
    known = judge.measure()
    clock.seconds += 1
    late = judge.measure()
    assert "0 of 7 requests to v2 (0 %) failed, and 100 requests are needed" in late.judgement.why
    assert late.facts(samples=False)["versions"] == known.facts(samples=False)["versions"]


def test_a_late_answer_passes_nothing(clock: SimpleNamespace) -> None:
    judge = judge_of_counts(counts(1000), LATE, counts(1001))
    assert judge.measure().judgement.result == "pass"
    late = judge.measure()
    assert (late.judgement.result, late.judgement.why) == ("inconclusive", str(LATE))
    assert judge.measure().judgement.result == "pass"


def test_a_long_gap_is_reported_with_the_last_reason(clock: SimpleNamespace) -> None:
    judge = judge_of_counts(counts(7), LATE)
    judge.measure()
    clock.seconds += BLIND + 2
    why = judge.measure().judgement.why
    assert why.startswith(f"nothing could be counted for {BLIND + 2:.0f} s: {LATE}; before that: 0 of 7 requests")


def test_who_never_saw_anything_says_so(clock: SimpleNamespace) -> None:
    assert judge_of_counts(LATE).measure().judgement.why == str(LATE)
