# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import Range
from ansible_collections.progressive.istio.plugins.module_utils._traffic.probe import ProbeAnswer
from ansible_collections.progressive.istio.plugins.module_utils._traffic.split import (
    SplitCriteria,
    VersionShare,
    is_success,
    problems,
    split_of,
    summary,
    table,
)
from ansible_collections.progressive.istio.plugins.module_utils._traffic.versions import version_pattern

WEIGHTS = {"v1": 80.0, "v2": 20.0}
QUESTION = SplitCriteria(version_pattern(WEIGHTS), versions_required=True, weights=WEIGHTS)
ANY = SplitCriteria(version_pattern([]))


def answers(**counts: int) -> list[ProbeAnswer]:
    return [ProbeAnswer(0.001 * n, 200, version) for version, number in counts.items() for n in range(1, number + 1)]


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("v1", "v1"),
        ("v2\n", "v2"),
        ("version=v1", "v1"),
        ('{"version": "v2", "pod": "pong-v1-5c4d"}', "v2"),
        ("This is v1.", "v1"),
        ("v1 v1", "v1"),
        ("<b>v2</b>", "v2"),
        ("v1.2", None),
        ("v12", None),
        ("app-v1", None),
        ("v1-beta", None),
        ("1.v1", None),
        ("pong", None),
        ("v1 or v2", None),
    ],
)
def test_version_is_found_as_a_whole_word(body: str, version: str | None) -> None:
    split = split_of(QUESTION, [ProbeAnswer(0.1, 200, body)], 1)
    assert [share.version for share in split.shares if share.requests] == ([version] if version else [])
    assert split.error_count == (0 if version else 1)


@pytest.mark.parametrize(
    ("pattern", "version"),
    [
        (r'"build":\s*"(?P<version>[^"]+)"', "b7"),
        (r'"build":\s*"([^"]+)"', "b7"),
        (r"b\d", "b7"),
        (r'"(name)": "x"|b\d', None),
    ],
)
def test_version_of_a_pattern(pattern: str, version: str | None) -> None:
    split = split_of(SplitCriteria(re.compile(pattern), True), [ProbeAnswer(0.1, 200, '{"build": "b7"}')], 1)
    assert [share.version for share in split.shares] == ([version] if version else [])
    assert split.errors == ({} if version else {"no_version": 1})


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (ProbeAnswer(1, error="timeout", detail="timed out"), "timeout"),
        (ProbeAnswer(1, 503, "v1"), "http_503"),
        (ProbeAnswer(1, 200, "pong"), "no_version"),
        (ProbeAnswer(1, 200, "v1 v2"), "several_versions"),
        (ProbeAnswer(1, 200, "v1"), None),
    ],
)
def test_kinds_of_errors(outcome: ProbeAnswer, error: str | None) -> None:
    assert split_of(QUESTION, [outcome], 1).errors == ({error: 1} if error else {})
    assert is_success(QUESTION, outcome) == (error is None)


def test_an_answer_needs_no_version_when_none_is_asked_for() -> None:
    split = split_of(ANY, [ProbeAnswer(1, 200, "pong"), ProbeAnswer(1, 200, "v1"), ProbeAnswer(1, 200, "v1 v2")], 3)
    assert split.errors == {}
    assert split.shares == (VersionShare("v1", 1, 1.0),)


def test_where_versions_are_unknown_no_share_is_judged() -> None:
    """One version may name itself and the other may not."""
    question = replace(QUESTION, versions_required=False)
    split = split_of(question, [*answers(v1=50), *[ProbeAnswer(1, 200, "pong")] * 10, ProbeAnswer(1, 200, "v1 v2")], 61)
    assert (split.unknown, split.errors, problems(question, split)) == (11, {}, [])
    assert [(share.weight, share.expected, share.ok) for share in split.shares] == [
        (0.8, None, True),
        (0.2, None, True),
    ]
    assert "unknown" in table(question, split)
    assert "WRONG" not in table(question, split)
    nothing = split_of(question, [ProbeAnswer(1, 200, "pong")] * 5, 5)
    assert (problems(question, nothing), nothing.unknown) == ([], 5)
    assert problems(question, split_of(question, [ProbeAnswer(1, 503, "pong")], 1))


def test_statuses_that_are_no_errors() -> None:
    question = replace(QUESTION, statuses=frozenset({200, 404}))
    split = split_of(question, [ProbeAnswer(1, 404, "v1"), ProbeAnswer(1, 500, "v1"), ProbeAnswer(1, 200, "v1")], 3)
    assert split.statuses == {200: 1, 404: 1, 500: 1}
    assert split.errors == {"http_500": 1}


def test_shares_are_of_the_answers_that_name_a_version() -> None:
    split = split_of(QUESTION, [*answers(v1=41, v2=9), ProbeAnswer(1, 503)], 51)
    v1, v2 = split.shares
    assert (v1.requests, v1.share, v1.weight, v1.expected, v1.ok) == (41, 0.82, 0.8, Range(30, 48), True)
    assert (v2.requests, v2.share, v2.weight, v2.expected, v2.ok) == (9, 0.18, 0.2, Range(2, 20), True)


def test_weights_are_relative() -> None:
    split = split_of(replace(QUESTION, weights={"v1": 4.0, "v2": 1.0}), answers(v1=41, v2=9), 50)
    assert [share.expected for share in split.shares] == [Range(30, 48), Range(2, 20)]


@pytest.mark.parametrize(
    ("counts", "wrong"),
    [
        ({"v1": 40, "v2": 10}, []),
        ({"v1": 48, "v2": 2}, []),
        ({"v1": 30, "v2": 20}, []),
        ({"v1": 49, "v2": 1}, ["v1", "v2"]),
        ({"v1": 29, "v2": 21}, ["v1", "v2"]),
        ({"v1": 40, "v2": 9, "v3": 1}, ["v3"]),
    ],
)
def test_problem_shares(counts: dict[str, int], wrong: list[str]) -> None:
    question = replace(QUESTION, pattern=version_pattern([]))
    found = problems(question, split_of(question, answers(**counts), 50))
    assert [problem.split()[0] for problem in found] == wrong


def test_problem_share_in_words() -> None:
    (_v1, v2) = problems(QUESTION, split_of(QUESTION, answers(v1=19, v2=31), 50))
    assert v2 == "v2 answered 31 of 50 (62.0 %), outside 2-20, the exact 99.9 % range for its weight of 20.0 %"


def test_problem_errors_in_words() -> None:
    outcomes = [
        *answers(v1=40, v2=10),
        ProbeAnswer(1, 503, "no healthy\n upstream"),
        ProbeAnswer(1, 503),
        ProbeAnswer(1, error="timeout"),
    ]
    split = split_of(QUESTION, outcomes, 54)
    assert problems(QUESTION, split) == [
        "4 errors (2 http_503, 1 timeout, 1 unfinished; the first: http_503: no healthy upstream) with max_errors 0"
    ]
    assert problems(replace(QUESTION, max_errors=4), split) == []
    assert len(problems(replace(QUESTION, max_errors=3), split)) == 1


def test_no_answer_is_no_success() -> None:
    question = replace(QUESTION, max_errors=10)
    split = split_of(question, [ProbeAnswer(1, error="refused")] * 10, 10)
    assert problems(question, split) == ["no answer named a version"]
    assert [(share.expected, share.ok) for share in split.shares] == [(None, False)] * 2


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [1, 1, 1, 1]), (20, [10, 19, 20, 20]), (100, [50, 95, 99, 100]), (101, [51, 96, 100, 101])],
)
def test_latency_is_by_nearest_rank(count: int, expected: list[int]) -> None:
    outcomes = [ProbeAnswer(n, 200, "v1") for n in range(count, 0, -1)]
    latency = split_of(QUESTION, [*outcomes, ProbeAnswer(999, error="timeout")], count + 1).latency
    assert list(latency.items()) == list(zip(("p50", "p95", "p99", "max"), expected, strict=True))


def test_reconnects_are_counted() -> None:
    assert (
        split_of(QUESTION, [ProbeAnswer(1, 200, "v1", reconnected=True), ProbeAnswer(1, 200, "v1")], 2).reconnects == 1
    )


def test_table() -> None:
    split = split_of(QUESTION, [*answers(v1=430, v2=70), ProbeAnswer(1, 503), ProbeAnswer(1, error="timeout")], 502)
    assert table(QUESTION, split).splitlines() == [
        "version  requests   share  expected  99.9 % range",
        "v1            430  86.0 %    80.0 %       370-428  WRONG",
        "v2             70  14.0 %    20.0 %        72-130  WRONG",
        "errors   2  http_503 1  timeout 1",
        "latency  p50 180.0 ms  p95 405.0 ms  p99 425.0 ms  max 430.0 ms",
    ]


def test_table_without_expectation() -> None:
    split = split_of(ANY, answers(v1=3, v10=1), 4)
    assert table(ANY, split).splitlines()[:3] == [
        "version  requests   share",
        "v1              3  75.0 %",
        "v10             1  25.0 %",
    ]
    assert table(ANY, split_of(ANY, [ProbeAnswer(1, error="refused")], 1)) == "errors   1  refused 1"


def test_table_without_answers() -> None:
    split = split_of(QUESTION, [ProbeAnswer(1, error="refused")], 1)
    assert table(QUESTION, split).splitlines()[1] == "v1              0  0.0 %    80.0 %             -  WRONG"


def test_summary() -> None:
    assert (
        summary(split_of(QUESTION, [*answers(v1=4, v2=1), ProbeAnswer(1, 503)], 6))
        == "v1 4 (80.0 %), v2 1 (20.0 %), 1 error"
    )
    assert summary(split_of(ANY, [ProbeAnswer(1, 200, "pong")], 1)) == "0 errors"


def test_answers_of_further_destinations_are_theirs_and_no_errors() -> None:
    question = SplitCriteria(version_pattern(["v1", "v2"]), True, {"v1": 40, "v2": 40, "ads": 20}, other="ads")
    nameless = [ProbeAnswer(0.1, 200, "an advertisement"), ProbeAnswer(0.1, 404, "nothing here")] * 10
    split = split_of(question, [*answers(v1=40, v2=40), *nameless, ProbeAnswer(1, 503, "no healthy upstream")], 101)
    assert {share.version: share.requests for share in split.shares} == {"v1": 40, "v2": 40, "ads": 20}
    assert all(share.ok for share in split.shares)
    assert split.errors == {"http_503": 1}
    assert summary(split) == "ads 20 (20.0 %), v1 40 (40.0 %), v2 40 (40.0 %), 1 error"


def test_a_version_with_another_status_stays_an_error() -> None:
    question = SplitCriteria(version_pattern(["v1"]), True, {"v1": 80, "ads": 20}, other="ads")
    assert split_of(question, [ProbeAnswer(1, 404, "v1")], 1).errors == {"http_404": 1}
