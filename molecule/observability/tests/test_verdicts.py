"""Canaries judged by what a real Prometheus has scraped, and queries of one's own."""

from __future__ import annotations

import json
import subprocess

import pytest
from molecule_helpers import Kube, module

OPTIONS = {"name": "pong-server-virtual-service", "namespace": "observability", "stable": "v1", "canary": "v2"}
STEP = {"state": "advanced", "steps": [20, 50, 100], "interval": 4}


@pytest.fixture
def judged(url):
    """Take a step that Prometheus judges; a test begins with everything on v1 and ends there."""

    def step(**analysis):
        source = {"source": "prometheus", "prometheus": {"url": url}, "latency": False, "deadline": 60}
        return module("canary", **OPTIONS, **STEP, analysis={**source, **analysis}, confirm=True)

    module("canary", **OPTIONS, state="rolled_back")
    yield step
    module("canary", **OPTIONS, state="rolled_back")


@pytest.fixture
def load(ingress):
    """A hundred requests a second through the gateway while a test runs."""
    limits = ["-qps", "100", "-c", "4", "-t", "1800s", "-quiet", "-allow-initial-errors"]
    command = ["fortio", "load", *limits, "-H", "Host: observability.test", f"http://{ingress}/version"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


def weights():
    return Kube("observability").weights()


def test_a_good_canary_passes_and_a_query_of_ones_own_counts(judged, load):
    answered = 'sum(istio_requests_total{destination_version="v2",response_code="200"})'
    result = judged(queries=[{"name": "answered", "query": answered, "min": 1}])
    assert result["analysis"]["result"] == "pass", result["msg"]
    assert "answered is" in result["analysis"]["why"]
    assert weights() == {"v1": 80, "v2": 20}


def test_a_query_out_of_its_range_rolls_back(judged, load):
    result = judged(queries=[{"name": "answered", "query": "vector(7)", "max": 6}])
    assert result["phase"] == "rolled_back", result["msg"]
    assert "answered is 7, above its max of 6" in result["msg"]
    assert weights() == {"v1": 100, "v2": 0}


def test_failures_that_only_the_gateway_has_counted(judged, load):
    """The subset goes in mid-soak: what fails then names no service, so that the proxies are asked whose it is."""
    kube, rule = Kube("observability"), "pong-server-destination-rule"
    subsets = kube.get("destinationrule", rule)["spec"]["subsets"]
    without = [{"op": "replace", "path": "/spec/subsets", "value": [each for each in subsets if each["name"] != "v2"]}]
    patch = f"kubectl -n observability patch destinationrule {rule} --type=json -p '{json.dumps(without)}'"
    try:
        with subprocess.Popen(f"sleep 6; {patch}", shell=True, stdout=subprocess.DEVNULL):
            result = judged(minimum_requests=1000)  # it cannot pass before
    finally:
        restored = [{"op": "replace", "path": "/spec/subsets", "value": subsets}]
        kube.run("patch", "destinationrule", rule, "--type=json", "-p", json.dumps(restored))
    assert "no healthy endpoint of v2 is left in gateway" in result["msg"], result["msg"]
    assert result["phase"] == "rolled_back"


@pytest.mark.parametrize(
    ("query", "words"),
    [("sum(", "parse error"), ("up", "series where one is needed"), ("up[1m]", "gave a matrix where one number")],
)
def test_a_query_that_gives_no_number_is_refused_before_anything_is_written(judged, query, words):
    version = Kube("observability").get("virtualservice", OPTIONS["name"])["metadata"]["resourceVersion"]
    result = judged(queries=[{"name": "mine", "query": query, "max": 1}])
    assert result["failed"]
    assert words in result["msg"], result["msg"]
    assert len(result["mistakes"]) == 1
    assert Kube("observability").get("virtualservice", OPTIONS["name"])["metadata"]["resourceVersion"] == version


def test_a_schedule_without_a_watcher_is_judged_by_prometheus(judged, load, url, eventually):
    """Each call only looks: the first sets a weight, and one of those that follow judges it and goes on."""
    analysis = {"source": "prometheus", "prometheus": {"url": url}, "latency": False, "deadline": 60}
    tick = {**OPTIONS, **STEP, "watch": 0, "analysis": analysis}
    module("canary", **tick, confirm=True)
    assert weights() == {"v1": 80, "v2": 20}
    eventually(lambda: module("canary", **tick)["changed"], 60)
    assert weights() == {"v1": 50, "v2": 50}
