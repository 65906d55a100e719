# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a run, as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.filter.run_page import FilterModule

run_page = FilterModule().filters()["run_page"]

V1 = {"requests": 1648, "failed": 2, "timed": 1640, "slow": 4, "p50": 2.1, "p95": 4.8, "p99": 9.6}
V2 = {"requests": 412, "failed": 0, "timed": 410, "slow": 0, "p50": 2.2, "p95": 4.9, "p99": 1250.0}
CURVE = {"requests": 40, "failed": 1, "p50": 2.0, "p99": 8.0}
JUDGED: dict[str, Any] = {
    "weights": {"v1": 80, "v2": 20},
    "since": "2026-01-31T12:00:00.118Z",
    "until": "2026-01-31T12:01:00.118Z",
    "seconds": 60.0,
    "result": "pass",
    "why": "0 of 412 requests to v2 (0 %) failed, 1 % may",
    "source": "envoy",
    "checks": [{"name": "errors", "result": "pass", "why": "0 of 412 requests to v2 failed", "dry_run": False}],
    "limits": {"minimum_requests": 100, "max_error": 0.01, "threshold_ms": 500, "max_slow": 0.01},
    "versions": {"v1": V1, "v2": V2},
    "unattributed": 0,
    "samples": [
        {"at": "2026-01-31T12:00:10Z", "versions": {"v1": CURVE, "v2": CURVE}},
        {"at": "2026-01-31T12:01:00.118Z", "versions": {"v1": V1, "v2": V2}},
    ],
}
RESULT: dict[str, Any] = {
    "name": "pong",
    "namespace": "shop",
    "stable": "v1",
    "canary": "v2",
    "run": {
        "id": "r1",
        "who": "ci",
        "host": "runner-7",
        "began": "2026-01-31T11:59:59Z",
        "ended": "2026-01-31T12:01:01Z",
    },
    "changed": True,
    "msg": "VirtualService shop/pong, HTTP route primary: v2: step 2 of 3: from 20 to 50 %; now v1 50 %, v2 50 %",
    "weights": {"before": {"v1": 100, "v2": 0}, "after": {"v1": 50, "v2": 50}},
    "phase": "progressing",
    "step": 2,
    "steps": [20, 50, 100],
    "routes": ["primary"],
    "destination_host": "pong.shop.svc.cluster.local",
    "context": "kind-test",
    "live": [{"proxy": "gateway istio-system/istio-ingressgateway-6fd7dfc8db-r5zj4", "after": 118}],
    "judged": [JUDGED],
    "transitions": [
        {
            "at": "2026-01-31T12:00:00Z",
            "event": "advanced",
            "weights": {"v1": 80, "v2": 20},
            "why": "v2: step 1 of 3: from 0 to 20 %",
            "by": "ci",
            "live": 118,
        },
        {
            "at": "2026-01-31T12:01:00.900Z",
            "event": "advanced",
            "weights": {"v1": 50, "v2": 50},
            "why": "v2: step 2 of 3: from 20 to 50 %",
            "by": "ci",
            "live": None,
        },
    ],
}
ABOUT = {key: RESULT[key] for key in ("name", "namespace", "stable", "canary", "run")}
STATUS: dict[str, Any] = {
    "exists": True,
    "name": "pong",
    "namespace": "shop",
    "stable": "v1",
    "canary": "v2",
    "weights": {"v1": 80, "v2": 20},
    "phase": "held",
    "step": 1,
    "steps": [20, 100],
    "destination_host": "pong",
    "summary": "shop/pong: v1 80 %, v2 20 %, held",
    "verdict": {"result": "inconclusive", "why": "too few requests", "at": "2026-01-31T12:05:00Z"},
    "problems": ["v2 has no ready pod"],
    "history": [
        {"at": "2026-01-30T12:00:00Z", "event": "advanced", "canary": "v2", "weight": 20, "why": "first", "by": "ann"},
        {"at": "2026-01-30T13:00:00Z", "event": "failed", "canary": "v2", "weight": 0, "why": "bad", "by": "ann"},
        {"at": "2026-01-31T12:00:00Z", "event": "advanced", "canary": "v2", "weight": 20, "why": "again", "by": "bob"},
        {"at": "2026-01-31T12:05:00Z", "event": "held", "canary": "v2", "weight": 20, "why": "unsure", "by": "bob"},
    ],
}


class Read(HTMLParser):
    """A page: its text, its machine-readable numbers, and whether its elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []
        self.text = " ".join(self.text.replace("\N{NARROW NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data}"

    @property
    def numbers(self) -> list[float]:
        return [float(attributes["value"] or "nan") for tag, attributes in self.tags if tag == "data"]


def test_it_shows_where_it_stands_who_when_and_all_numbers() -> None:
    page = Read(run_page(RESULT, "pong-server"))
    assert page.text.startswith("pong-server: v1 → v2, in progress")
    for text in (
        "● in progress v1 has 50 %, v2 has 50 % · 31 Jan 2026, 12:01:01 UTC, after 1 min 2 s",
        "Last verdict, v2 at 20 %: pass. 0 of 412 requests to v2 (0 %) failed, 1 % may",
        "Send all requests to stable ansible-playbook progressive.istio.rollback",
        "Measured while v2 had 20 %",
        "Counted by the proxies over 1 min.",
        "Requests 1 648 412 ≥ 100",
        "Success 99.9 % 100 % ≥ 99 %",
        "p99 9.6 ms 1.25 s",
        "> 500 ms 0.244 % 0 % ≤ 1 %",
        "v1 80 %, v2 20 % · live in 118 ms · by ci",
        "Run by ci on runner-7",
        "shop/pong, HTTP route primary",
        "When some weights were live",
    ):
        assert text in page.text
    assert {1648, 412, 2, 9.6, 1250.0, 118, 60.0, 412 / 2060, 412 / 60.0} <= set(page.numbers)


@pytest.mark.parametrize("place", ["why", "by", "event"])
def test_nothing_that_others_wrote_becomes_markup(place: str) -> None:
    evil = "</title><script>alert(1)</script>&\"'"
    transitions = [{**RESULT["transitions"][0], place: evil}]
    found = run_page(
        {**RESULT, "transitions": transitions, "name": evil, "warnings": [evil], "canary": evil}, evil, evil
    )
    assert "<script" not in found
    assert "&lt;script&gt;alert(1)" in found
    Read(found)


def test_it_needs_no_script_and_nothing_from_elsewhere() -> None:
    page = Read(run_page(RESULT))
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _attributes in page.tags}
    assert not any({"src", "href", "onload"} & set(attributes) for _tag, attributes in page.tags)
    assert not re.search(r"url\(|@import", run_page(RESULT))


@pytest.mark.parametrize(
    ("change", "title", "text"),
    [
        ({"phase": "promoted"}, "v1 → v2, promoted", "progressive.istio.cleanup"),
        ({"phase": "rolled_back", "failed": True}, "v1 → v2, rolled back", "progressive.istio.doctor"),
        ({"phase": "paused"}, "v1 → v2, waits for confirmation", "advance -e canary_confirm=true"),
        ({"phase": "weighted", "judged": []}, "v1 → v2, set manually", "nothing was counted"),
        ({"failed": True}, "v1 → v2, in progress, stopped", "✗ in progress, stopped"),
        (
            {"judged": [{**JUDGED, "versions": {}, "samples": []}]},
            "v1 → v2, in progress",
            "counts at the end could not be read",
        ),
        ({"judged": [{**JUDGED, "unattributed": 7}]}, "v1 → v2, in progress", "7 failures belong to no version"),
        ({"transitions": [], "judged": []}, "v1 → v2, in progress", RESULT["msg"]),
        ({"warnings": ["mind the gap"]}, "v1 → v2, in progress", "Warnings mind the gap"),
    ],
)
def test_every_end_has_its_word_and_what_to_type_next(change: dict[str, Any], title: str, text: str) -> None:
    page = Read(run_page({**RESULT, **change}, "pong"))
    assert page.text.startswith(f"pong: {title}")
    assert text in page.text


def test_a_refusal_says_why_and_that_nothing_is_known() -> None:
    page = Read(
        run_page(
            {**ABOUT, "failed": True, "msg": "2 things stand against it", "mistakes": []}, "pong", "--limit shop-1"
        )
    )
    for text in ("pong: v1 → v2, refused", "2 things stand against it", "doctor --limit shop-1", "Nothing was written"):
        assert text in page.text


def test_a_refusal_after_a_step_shows_the_step_and_the_reason() -> None:
    first = {**RESULT, "transitions": RESULT["transitions"][:1]}
    page = Read(run_page([first, {**ABOUT, "failed": True, "msg": "v2 cannot take 50 % yet"}], "pong"))
    for text in ("pong: v1 → v2, stopped", "v2 cannot take 50 % yet", "v2 at 20 %", "from 0 to 20 %"):
        assert text in page.text


def test_several_results_are_one_page() -> None:
    first = {**RESULT, "transitions": RESULT["transitions"][:1]}
    then = {**RESULT, "transitions": RESULT["transitions"][1:], "judged": [{**JUDGED, "weights": {"v1": 50, "v2": 50}}]}
    page = Read(run_page([first, then]))
    assert "v2 at 20 %" in page.text
    assert "v2 at 50 %" in page.text
    assert run_page([RESULT]) == run_page(RESULT)


def test_a_status_is_shown_as_far_as_it_goes() -> None:
    page = Read(run_page(STATUS, "pong"))
    for text in (
        "pong: v1 → v2, held",
        "inconclusive: too few requests",
        "again",
        "unsure",
        "Warnings v2 has no",
    ):
        assert text in page.text
    for text in ("first", "ann"):
        assert f" {text} " not in page.text, "an attempt that is over"
    assert "nothing was counted" in page.text
    assert "the cluster keeps when and why" in page.text
    keys = ("weights", "since", "until", "seconds", "source", "versions", "samples")
    counted = Read(run_page({**STATUS, "counted": [{key: JUDGED[key] for key in keys}]}))
    assert "v2 at 20 % not judged here" in counted.text
    assert 1648 in counted.numbers


def test_of_a_version_that_returns_its_earlier_release_is_not_shown() -> None:
    earlier = [
        {
            "at": f"2026-01-{day:02d}T12:00:00Z",
            "event": event,
            "canary": canary,
            "weight": weight,
            "why": why,
            "by": "ann",
        }
        for day, event, canary, weight, why in (
            (1, "advanced", "v2", 20, "long ago"),
            (2, "promoted", "v2", 100, "long ago"),
            (15, "promoted", "v3", 100, "then"),
        )
    ]
    status = {**STATUS, "stable": "v3", "weights": {"v3": 80, "v2": 20}, "history": [*earlier, *STATUS["history"][2:]]}
    page = Read(run_page(status, "pong"))
    assert "again" in page.text
    for text in ("long ago", "then", "v3 0 %"):
        assert text not in page.text


def test_the_weights_of_now_and_those_that_were_measured_are_two_pictures() -> None:
    now, measured = Read(run_page(RESULT)).text.split("Measured while v2 had 20 %")
    assert "Where requests go Now" in now
    assert "v1 · 50 % v2 · 50 % The weights that are set." in now.replace(" source pong Service v1 50 %, v2 50 %", "")
    assert "v1 · 80 % seen 80 %" in measured
    assert "Measured" not in Read(run_page({**RESULT, "judged": []})).text


def test_a_version_shows_its_pods_deployments_and_images() -> None:
    v1 = {"ready": 2, "total": 2, "deployments": ["pong-v1"], "images": ["shop/pong:1", "shop/log:1"]}
    v2 = {"ready": 1, "total": 3, "deployments": [], "images": []}
    text = Read(run_page({**RESULT, "versions": {"v2": v2, "v1": v1}})).text
    assert "v1 ready pods 2 of 2 Deployment pong-v1 image shop/pong:1 shop/log:1" in text
    assert "v2 ready pods 1 of 3 Deployment \N{EN DASH} image \N{EN DASH}" in text
    assert "v2 · 50 % 1 of 3 pods ready" in text


def test_a_refusal_names_the_objects() -> None:
    named = {"routes": ["number 1"], "destination_host": "pong.shop.svc.cluster.local", "gateways": ["edge", "mesh"]}
    text = Read(run_page({**ABOUT, **named, "failed": True, "msg": "no", "context": "kind-test"})).text
    for fact in (
        "VirtualService shop/pong, HTTP route number 1",
        "Service pong.shop.svc.cluster.local",
        "Gateways edge, mesh",
        "Cluster kind-test",
    ):
        assert fact in text


def test_a_canary_that_does_not_exist_is_a_page_too() -> None:
    page = Read(run_page({"exists": False, "name": "x", "namespace": "y", "summary": "y/x: there is none"}, "pong"))
    assert "y/x: there is none" in page.text


def test_a_sample_of_the_sidecars_is_told_in_numbers() -> None:
    asked = {"gateways": 1, "sidecars": 400, "sidecars_asked": 50, "sidecars_left_out": 0, "unanswered": []}
    text = Read(run_page({**RESULT, "proxies": asked})).text
    assert "live in all proxies asked (50 of 400 sidecars)" in text
    assert "live in all proxies asked" not in Read(run_page(RESULT)).text


def test_links_lead_to_what_is_elsewhere_and_run_no_script() -> None:
    page = run_page(RESULT, links={"Board": "https://grafana.test/d?a=1&b=2", "Job": "", "Odd": "javascript:alert(1)"})
    assert re.findall(r'href="([^"]+)"', page) == ["https://grafana.test/d?a=1&amp;b=2"]
    assert "Odd: javascript:alert(1)" in Read(page).text
    assert "Job" not in Read(page).text


def test_a_step_shows_both_limits_of_a_check() -> None:
    limits = {**JUDGED["limits"], "bad_error": 0.05, "bad_slow": 0.03}
    text = Read(run_page({**RESULT, "judged": [{**JUDGED, "limits": limits}]})).text
    assert "≥ 99 %, fails at 95 %" in text
    assert "≤ 1 %, fails at 3 %" in text
