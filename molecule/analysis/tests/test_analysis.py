"""Real load, real proxies: what users see of a version that is worse than what it replaces."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest
from judged import RULE
from molecule_helpers import module
from pace import Pace

QUICK = {"latency": False, "deadline": 60}


def test_a_good_canary_passes_every_step(judged, load):
    judged.reset("v1", "v2")
    load(200)
    for weight in (20, 50, 100):
        result = judged.step("v2", QUICK, interval=1)
        assert not result.get("failed"), result["msg"]
        assert judged.weights == {"v1": 100 - weight, "v2": weight}
    assert result["finished"]


def test_a_canary_that_fails_a_tenth_at_a_small_weight(judged, load):
    judged.reset("v1", "flaky")
    requests = load(200)
    begin = time.monotonic()
    with Pace() as pace:
        result = judged.step("flaky", QUICK, steps=[5, 100], interval=60)
    seconds = time.monotonic() - begin
    answers = requests.stop()
    assert result["phase"] == "rolled_back", result["msg"]
    assert judged.weights == {"v1": 100, "flaky": 0}
    assert answers["500"] <= 25 * pace.slowdown, answers
    print(f"{answers['500']} bad answers in {seconds:.1f} s", file=sys.stderr)


def test_a_slow_canary_whose_answers_are_all_200(judged, load):
    judged.reset("v1", "slow")
    requests = load(100)
    result = judged.step("slow", {"latency": {"threshold_ms": 500}, "deadline": 60}, interval=40)
    assert result["phase"] == "rolled_back", result["msg"]
    assert "took longer than 500 ms" in result["msg"]
    assert judged.weights == {"v1": 100, "slow": 0}
    assert set(requests.stop()) == {"200"}


def test_a_canary_is_not_blamed_for_what_stable_does_too(judged, load):
    judged.reset("flaky", "twin")
    load(100)
    result = judged.step("twin", {**QUICK, "deadline": 10}, stable="flaky", interval=5)
    assert (result["failed"], result["phase"]) == (True, "held"), result["msg"]
    assert "the baseline is bad" in result["msg"]
    assert judged.weights == {"flaky": 80, "twin": 20}


def test_failures_that_only_the_gateway_sees(judged, load):
    """The subset goes while requests are sent to it: they fail in the gateway and belong to no version."""
    judged.reset("v1", "v2")
    load(100)
    subsets = judged.kube.get("destinationrule", RULE)["spec"]["subsets"]
    without = [{"op": "replace", "path": "/spec/subsets", "value": [each for each in subsets if each["name"] != "v2"]}]
    patch = f"kubectl -n analysis patch destinationrule {RULE} --type=json -p '{json.dumps(without)}'"
    with subprocess.Popen(f"sleep 2; {patch}", shell=True, stdout=subprocess.DEVNULL):
        result = judged.step("v2", QUICK, interval=40)
    restored = [{"op": "replace", "path": "/spec/subsets", "value": subsets}]
    judged.kube.run("patch", "destinationrule", RULE, "--type=json", "-p", json.dumps(restored))
    assert result["phase"] == "rolled_back", result["msg"]
    assert "no healthy endpoint of v2 is left in gateway" in result["msg"]
    assert judged.weights == {"v1": 100, "v2": 0}


def test_own_requests_are_evidence_where_nobody_else_sends_any(judged, play):
    """The playbook finds the ingress gateway by itself."""
    analysis = {"source": "probe", "probe": {"per_second": 50}, **QUICK}
    settings = {"canary_namespace": "analysis", "canary_gateway_hosts": ["analysis.test"], "canary_analysis": analysis}
    run = play("advance", **settings, canary_steps=[50, 100], canary_interval=2).succeeded()
    assert re.search(r"50 %  pass  0 of \d{3,} requests to v2 \(0 %\) failed, 1 % may", run.output), run.output
    assert judged.weights == {"v1": 50, "v2": 50}


def test_own_requests_find_a_bad_canary_out(judged, probe):
    judged.reset("v1", "bad")
    failed = judged.step("bad", {"source": "probe", "probe": probe})
    assert failed["phase"] == "rolled_back", failed["msg"]
    assert failed["live"], "the rollback was not proven"
    assert judged.weights == {"v1": 100, "bad": 0}


def test_own_requests_tell_by_the_split_whose_nameless_failures_are(judged, probe):
    """The subset goes in mid-soak: the gateway answers the canary's part itself, and names no version."""
    judged.reset("v1", "v2")
    subsets = judged.kube.get("destinationrule", RULE)["spec"]["subsets"]
    without = [{"op": "replace", "path": "/spec/subsets", "value": [each for each in subsets if each["name"] != "v2"]}]
    patch = f"kubectl -n analysis patch destinationrule {RULE} --type=json -p '{json.dumps(without)}'"
    with subprocess.Popen(f"sleep 2; {patch}", shell=True, stdout=subprocess.DEVNULL):
        result = judged.step("v2", {"source": "probe", "probe": probe, **QUICK}, steps=[50, 100], interval=60)
    restored = [{"op": "replace", "path": "/spec/subsets", "value": subsets}]
    judged.kube.run("patch", "destinationrule", RULE, "--type=json", "-p", json.dumps(restored))
    assert result["phase"] == "rolled_back", result["msg"]
    assert "where its share is 50 %" in result["msg"]
    assert judged.weights == {"v1": 100, "v2": 0}


def test_without_requests_nobody_knows(judged):
    result = judged.step("v2", {**QUICK, "deadline": 1}, interval=1)
    assert (result["failed"], result["phase"]) == (True, "held")
    assert "answered no request" in result["msg"]
    assert judged.weights == {"v1": 80, "v2": 20}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:1/nowhere"])
def test_a_prometheus_that_is_down_and_the_way_back(judged, url):
    asked = {"source": "prometheus", "prometheus": {"url": url, "timeout": 1}, "deadline": 1}
    result = judged.step("v2", asked, interval=1)
    assert (result["failed"], result["phase"]) == (True, "held"), result["msg"]
    assert f"Prometheus at {url} cannot be asked" in result["msg"]
    back = module(
        "canary",
        name="pong-server-virtual-service",
        namespace="analysis",
        stable="v1",
        canary="v2",
        state="rolled_back",
    )
    assert back["weights"]["after"] == {"v1": 100, "v2": 0}
