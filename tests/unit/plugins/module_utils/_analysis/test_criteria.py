# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria are what was meant, or a list of everything that is wrong with them."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import (
    Comparison,
    Criteria,
    InvalidCriteria,
    Latency,
    Limit,
    ProbeOptions,
    Query,
    Unattributed,
    validate,
)
from ansible_collections.progressive.istio.plugins.module_utils._metrics.prometheus import PrometheusOptions
from hypothesis import given
from hypothesis import strategies as st

URL = "http://prometheus.istio-system:9090"
NONE = {"success": False, "worse_than_stable": False, "latency": False, "unattributed": False}
RATE = "it must be a share between 0 and 1, such as 0.01, or percent, such as 1%"


def mistakes(analysis: object) -> tuple[str, ...]:
    with pytest.raises(InvalidCriteria) as caught:
        validate(analysis)
    assert str(caught.value) == "; ".join(caught.value.mistakes)
    return caught.value.mistakes


def test_an_empty_mapping_gives_the_defaults() -> None:
    assert validate({}) == Criteria(
        source="envoy",
        success=Limit(good=0.01, bad=0.05, alpha=0.01, beta=0.05),
        worse_than_stable=Comparison(max_ratio=1.5, alpha=0.01),
        latency=Latency(500, Limit(good=0.01, bad=0.05, alpha=0.01, beta=0.05)),
        unattributed=Unattributed(),
        minimum_requests=100,
        deadline=600,
        on_inconclusive="hold",
    )


@pytest.mark.parametrize(
    ("analysis", "expected"),
    [
        ({"success": False}, Criteria(success=None)),
        ({"success": True, "latency": {}}, Criteria()),
        ({"success": "no", "latency": "yes"}, Criteria(success=None)),
        (
            {"success": {"max_error": "0.5 %", "bad_error": "2%", "alpha": 0.001, "beta": "0.1", "dry_run": "yes"}},
            Criteria(success=Limit(0.005, 0.02, 0.001, 0.1, dry_run=True)),
        ),
        ({"worse_than_stable": {"max_ratio": "2"}}, Criteria(worse_than_stable=Comparison(2))),
        (
            {"latency": {"threshold_ms": "250", "max_slow": 0.1, "bad_slow": 0.2}},
            Criteria(latency=Latency(250, Limit(0.1, 0.2))),
        ),
        ({"unattributed": {"dry_run": True}}, Criteria(unattributed=Unattributed(dry_run=True))),
        ({"minimum_requests": "20", "deadline": 0}, Criteria(minimum_requests=20, deadline=0)),
        ({"source": "envoy", "on_inconclusive": "rollback"}, Criteria(on_inconclusive="rollback")),
        (
            {**NONE, "queries": [{"name": "lag", "query": "max(lag)", "max": "5"}], "prometheus": {"url": f"{URL}/"}},
            Criteria(
                success=None,
                worse_than_stable=None,
                latency=None,
                unattributed=None,
                queries=(Query("lag", "max(lag)", -inf, 5),),
                prometheus=PrometheusOptions(URL),
            ),
        ),
        (
            {
                "source": "prometheus",
                "prometheus": {
                    "url": "https://p/prefix",
                    "reporter": "destination",
                    "headers": {"X-Scope-OrgID": 1},
                    "bearer_token": "abc\n",
                    "ca_cert": "/ca.pem",
                    "validate_certs": False,
                    "timeout": 2,
                },
            },
            Criteria(
                source="prometheus",
                prometheus=PrometheusOptions(
                    "https://p/prefix", "destination", {"X-Scope-OrgID": "1"}, "abc", "/ca.pem", False, 2
                ),
            ),
        ),
        (
            {"source": "probe", "probe": {"url": "http://gateway/version?deep=1"}},
            Criteria(source="probe", probe=ProbeOptions("http://gateway/version?deep=1")),
        ),
        (
            {
                "source": "probe",
                "probe": {
                    "url": "https://gateway/",
                    "headers": {"Host": "shop"},
                    "version_header": "X-Version",
                    "version_pattern": "v[0-9]+",
                    "per_second": "50",
                    "ca_cert": "/ca.pem",
                    "validate_certs": False,
                    "timeout": 2,
                },
            },
            Criteria(
                source="probe",
                probe=ProbeOptions(
                    "https://gateway/", {"Host": "shop"}, "X-Version", "v[0-9]+", 50, "/ca.pem", False, 2
                ),
            ),
        ),
    ],
)
def test_what_is_meant(analysis: object, expected: Criteria) -> None:
    assert validate(analysis) == expected


def at(path: str, value: Any) -> dict[str, Any]:
    """One option by its path."""
    first, _dot, rest = path.partition(".")
    return {first: at(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("analysis", "sentence"),
    [
        ("yes", "analysis is 'yes': it must be a mapping"),
        (
            {"sucess": {}},
            "analysis has sucess: it has only source, success, worse_than_stable, latency, unattributed, "
            "minimum_requests, deadline, on_inconclusive, queries, prometheus, probe",
        ),
        (at("success", 5), "analysis.success is 5: it must be a mapping, or false"),
        (
            at("success.max_eror", 1),
            "analysis.success has max_eror: it has only max_error, bad_error, alpha, beta, dry_run",
        ),
        (at("success.max_error", 1), f"analysis.success.max_error is 1: {RATE}"),
        (at("success.max_error", 0), f"analysis.success.max_error is 0: {RATE}"),
        (at("success.max_error", "1 percent"), f"analysis.success.max_error is '1 percent': {RATE}"),
        (at("success.max_error", float("nan")), f"analysis.success.max_error is nan: {RATE}"),
        (at("success.max_error", True), f"analysis.success.max_error is True: {RATE}"),
        (
            at("success.max_error", "5%"),
            "analysis.success.max_error is 0.05 and bad_error is 0.05: bad_error must be "
            "higher, to distinguish the two",
        ),
        (at("success.alpha", 0.5), f"analysis.success.alpha is 0.5: {RATE}, and below 0.5"),
        (at("success.dry_run", "perhaps"), "analysis.success.dry_run is 'perhaps': it must be true or false"),
        (
            at("worse_than_stable.max_ratio", 0.5),
            "analysis.worse_than_stable.max_ratio is 0.5: it must be a number of 1 or more",
        ),
        (
            at("worse_than_stable.max_ratio", "inf"),
            "analysis.worse_than_stable.max_ratio is 'inf': it must be a number of 1 or more",
        ),
        (
            at("latency.threshold_ms", 300),
            "analysis.latency.threshold_ms is 300: Envoy counts latencies at fixed edges "
            "only, take one of the nearest, 250 and 500",
        ),
        (
            at("latency.threshold_ms", 0.1),
            "analysis.latency.threshold_ms is 0.1: Envoy counts latencies at fixed edges "
            "only, take one of the nearest, 0.5",
        ),
        (
            at("latency.threshold_ms", 9e6),
            "analysis.latency.threshold_ms is 9000000: Envoy counts latencies at fixed "
            "edges only, take one of the nearest, 3600000",
        ),
        (
            at("latency.threshold_ms", "fast"),
            "analysis.latency.threshold_ms is 'fast': it must be a number of 0 or more",
        ),
        (at("latency.max_slow", 2), f"analysis.latency.max_slow is 2: {RATE}"),
        (at("unattributed.flags", "NR"), "analysis.unattributed has flags: it has only dry_run"),
        (at("minimum_requests", 0), "analysis.minimum_requests is 0: it must be a whole number from 1 to 1000000"),
        (at("deadline", "5m"), "analysis.deadline is '5m': it must be a number of seconds from 0 to 31536000"),
        (at("on_inconclusive", "panic"), "analysis.on_inconclusive is 'panic': it must be one of hold, rollback"),
        (at("source", ["envoy"]), "analysis.source is ['envoy']: it must be one of envoy, prometheus, probe"),
        (NONE, "analysis has every part switched off: leave one on, or leave analysis out"),
        (
            at("source", "prometheus"),
            "analysis.prometheus is missing: source is prometheus, so give its url, such as "
            "http://prometheus.istio-system:9090",
        ),
        (
            {"queries": [{"name": "a", "query": "b", "min": 1}]},
            "analysis.prometheus is missing: queries are given, so "
            "give its url, such as http://prometheus.istio-system:9090",
        ),
        (
            at("source", "probe"),
            "analysis.probe is missing: source is probe, so give its url, such as http://192.0.2.1/version, "
            "whose answers name their version",
        ),
        (
            {"probe": {"url": "gateway/version"}},
            "analysis.probe.url is 'gateway/version': it must be a URL, such as http://192.0.2.1/version, "
            "whose answers name their version",
        ),
        (
            {"probe": {"url": URL, "version_header": "x version"}},
            "analysis.probe.version_header is 'x version': it must be the name of a header",
        ),
        (
            {"probe": {"url": URL, "version_pattern": "v["}},
            "analysis.probe.version_pattern is no regular expression: unterminated character set at position 1",
        ),
        (
            {"probe": {"url": URL, "per_second": 500}},
            "analysis.probe.per_second is 500: it must be a whole number from 1 to 100",
        ),
        (at("queries", "up"), "analysis.queries is 'up': it must be a list"),
    ],
)
def test_mistake(analysis: object, sentence: str) -> None:
    assert mistakes(analysis) == (sentence,)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("up", "analysis.queries[0] is 'up': it must be a mapping"),
        ({"query": "up", "min": 1}, "analysis.queries[0].name is missing: it must be a name for messages"),
        (
            {"name": "a", "query": " ", "min": 1},
            "analysis.queries[0].query is ' ': it must be PromQL that gives one number",
        ),
        (
            {"name": "a", "query": "up"},
            "analysis.queries[0] has neither min nor max: give one, or set dry_run: true to have it reported only",
        ),
        (
            {"name": "a", "query": "up", "min": 2, "max": 1},
            "analysis.queries[0].min is 2 and max is 1: nothing lies between them",
        ),
        ({"name": "a", "query": "up", "max": "inf"}, "analysis.queries[0].max is 'inf': it must be a number"),
        ({"name": "a", "query": "up", "max": "nan"}, "analysis.queries[0].max is 'nan': it must be a number"),
        (
            {"name": "a", "query": "up", "max": 1, "limit": 2},
            "analysis.queries[0] has limit: it has only name, query, min, max, dry_run",
        ),
    ],
)
def test_mistake_in_a_query(query: object, sentence: str) -> None:
    assert sentence in mistakes({"queries": [query], "prometheus": {"url": URL}})


def test_two_queries_need_two_names() -> None:
    query = {"name": "a", "query": "up", "max": 1}
    assert mistakes({"queries": [query, query], "prometheus": {"url": URL}}) == (
        "analysis.queries[1].name is 'a', as that of another query: each needs its own",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "url is missing: it must be a URL, such as http://prometheus.istio-system:9090"),
        (
            {"url": "prometheus:9090"},
            "url is 'prometheus:9090': it must be a URL, such as http://prometheus.istio-system:9090",
        ),
        (
            {"url": "http://p/?a=b"},
            "url is 'http://p/?a=b': it must be a URL, such as http://prometheus.istio-system:9090",
        ),
        ({"url": "http://[p"}, "url cannot be read: it must be a URL, such as http://prometheus.istio-system:9090"),
        (
            {"url": "http://me:hush@p"},
            "url holds a user: give credentials by headers or bearer_token, which are never shown",
        ),
        ({"url": URL, "headers": "hush"}, "headers is no mapping: it must be one of header names to values"),
        ({"url": URL, "headers": {"a b": "hush"}}, "headers has 'a b': that is no name of a header"),
        (
            {"url": URL, "headers": {"X-A": "hush\r\nX-B: 1"}},
            "headers.X-A has characters that a header cannot carry, such as a line break",
        ),
        ({"url": URL, "bearer_token": "hush\nhush"}, "bearer_token is no token: it must be text without line breaks"),
        (
            {"url": URL, "bearer_token": "hush", "headers": {"authorization": "hush"}},
            "headers has Authorization, and bearer_token is given too: give one of them",
        ),
        ({"url": URL, "timeout": 0}, "timeout is 0: it must be a number of seconds from 0.1 to 60"),
        ({"url": URL, "reporter": "both"}, "reporter is 'both': it must be one of source, destination"),
    ],
)
def test_mistake_about_prometheus_shows_no_secret(options: dict[str, Any], sentence: str) -> None:
    found = mistakes({"prometheus": options})
    assert found == (f"analysis.prometheus.{sentence}",)
    assert "hush" not in found[0]


def test_secrets_are_not_in_the_text_of_criteria() -> None:
    options = {"url": URL, "bearer_token": "hush", "headers": {"X-Key": "hush"}}
    assert "hush" not in repr(validate({"prometheus": options}))


def test_all_mistakes_at_once() -> None:
    found = mistakes({"source": 1, "success": {"max_error": 2, "beta": 2}, "latency": {"threshold_ms": 7}, "x": 1})
    assert [sentence.split()[0] for sentence in found] == [
        "analysis.source",
        "analysis.success.max_error",
        "analysis.success.beta",
        "analysis.latency.threshold_ms",
        "analysis",
    ]


RAW = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.floats() | st.sampled_from(["1%", "envoy", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["success", "latency", "queries", "prometheus", "max_error", "threshold_ms", "url", "name", "min"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(RAW)
def test_every_input_is_sound_criteria_or_mistakes(analysis: object) -> None:
    try:
        criteria = validate(analysis)
    except InvalidCriteria:
        return
    for limit in (criteria.success, criteria.latency and criteria.latency.limit):
        assert limit is None or (0 < limit.good < limit.bad < 1 and limit.passes_at < 0 < limit.fails_at)
