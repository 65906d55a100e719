"""What Prometheus says is what was sent: by version, code and flag, from the gateway and from a caller in the mesh."""

from __future__ import annotations

import json
import time
from collections import Counter
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import acceptance_range

HOST = "observability.test"
SERVICE = 'destination_service_name="pong-server-service",destination_service_namespace="observability"'
FROM_GATEWAY = f'reporter="source",source_workload="istio-ingressgateway",{SERVICE}'
PROXIES = 6  # the gateway, two pods of the other one, v1, v2, caller
SERIES_SECONDS = 90  # at most, on a busy machine: DNS, scrape, and Envoy's flush of histograms every 5 s


@pytest.fixture(scope="module")
def ours(kube):
    return kube("observability")


@pytest.fixture(scope="module")
def query(url):
    """Ask Prometheus, and return the values by one label."""

    def ask(expression: str, label: str = "destination_version") -> dict[str, float]:
        with urlopen(f"{url}/api/v1/query?{urlencode({'query': expression})}", timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        return {item["metric"].get(label, ""): float(item["value"][1]) for item in result}

    return ask


@pytest.fixture(scope="module")
def settled(query, eventually):
    """Wait until every proxy was read after this moment. Its counters are live."""

    def wait() -> None:
        moment = time.time()
        eventually(lambda: query(f"count(timestamp(up) > {moment})").get("", 0) >= PROXIES, SERIES_SECONDS)

    return wait


@pytest.fixture(scope="module")
def sent(play, answers, query, settled):
    """A thousand requests at 80/20: what callers saw of them, and what Prometheus has counted since."""
    play("canary", weight=20, canary_namespace="observability", canary_probe_requests=0).succeeded()
    requests = f"sum by (destination_version) (istio_requests_total{{{FROM_GATEWAY}}})"
    settled()
    before = query(requests)
    seen: Counter[str] = answers("/version", HOST, 1000)
    settled()
    return seen, {version: count - before.get(version, 0) for version, count in query(requests).items()}


def test_one_that_is_there_is_found_and_nothing_is_written(found):
    assert found.changed == 0
    assert "http://prometheus.observability-prometheus.svc" not in found.output


def test_every_request_is_counted_once_for_the_version_that_answered(sent):
    seen, counted = sent
    assert counted == seen


def test_the_share_of_a_version_is_its_weight(sent):
    _, counted = sent
    accepted = acceptance_range(1000, 0.2)
    assert accepted.low <= counted["v2"] <= accepted.high


def test_p99_of_a_version_is_where_its_slow_requests_are(sent, query, eventually):
    quantile = (
        "histogram_quantile(0.99, sum by (le, destination_version) "
        f"(istio_request_duration_milliseconds_bucket{{{FROM_GATEWAY}}}))"
    )
    total = sum(query(f"sum by (destination_version) (istio_requests_total{{{FROM_GATEWAY}}})").values())
    count = f"sum(istio_request_duration_milliseconds_count{{{FROM_GATEWAY}}})"
    eventually(lambda: query(count) == {"": total}, SERIES_SECONDS)
    p99 = query(quantile)
    # Five of a hundred requests to v2 take 1.5 s more, which a busy machine does not; buckets end at 1 and 2.5 s.
    assert p99["v1"] < 1000 < p99["v2"] < 2500, p99


def test_a_request_for_a_missing_subset_belongs_to_no_version(ours, answers, query, settled):
    """In a gateway that has no requests of others, for these bear no name of a service."""
    lost = 'istio_requests_total{source_workload="observability-ingress",response_flags="NC",response_code="503"}'
    gateway = ours.get("service", "observability-ingress")["status"]["loadBalancer"]["ingress"][0]["ip"]
    settled()
    before = sum(query(f"sum({lost})").values())
    assert answers("/version", "missing.test", 20, gateway) == {"503": 20}
    settled()
    assert sum(query(f"sum({lost})").values()) == before + 20
    assert set(query(f"sum by (destination_version) ({lost})")) <= {"", "unknown"}  # upstream's Envoy, and Istio's


def test_a_caller_in_the_mesh_is_counted_by_its_own_sidecar(ours, query, settled):
    counted = f'sum by (destination_workload) (istio_requests_total{{source_workload="caller",{SERVICE}}})'
    settled()
    before = sum(query(counted, "destination_workload").values())
    load = ("fortio", "load", "-quiet", "-c", "2", "-n", "100", "-qps", "0")
    ours.run("exec", "deploy/caller", "-c", "caller", "--", *load, "http://pong-server-service/version")
    settled()
    after = query(counted, "destination_workload")
    assert sum(after.values()) == before + 100
    assert set(after) == {"pong-server-deployment", "pong-server-v2"}


def test_doctor_finds_nothing_wrong(play):
    play("doctor", canary_namespace="observability", canary_gateway_hosts=[HOST]).succeeded()


def test_a_given_url_is_taken_and_a_wrong_one_is_refused_in_one_sentence(play, url):
    run = play("observability", observability_prometheus_url=f"{url}/").succeeded()
    assert run.changed == 0
    assert f"Prometheus answers at {url};" in run.output
    run = play(
        "observability",
        observability_prometheus_url="http://127.0.0.1:9",
        observability_prometheus_token="hunter2",
    )
    assert run.code != 0
    assert "http://127.0.0.1:9 does not answer as a Prometheus: " in run.output
    assert "Connection refused" in run.output
    assert "hunter2" not in run.output


def test_without_one_and_without_the_word_to_install_it_says_what_to_do(play):
    run = play("observability", observability_namespace="default")
    assert run.code != 0
    assert "There is no Service default/prometheus" in run.output
    assert "-e observability_install=true" in run.output


def test_somebody_elses_stays_as_it_is(play, kube, url):
    theirs = kube("observability-prometheus")
    note = ("annotate", "--overwrite", "service", "prometheus")
    theirs.run(*note, "meta.helm.sh/release-name=theirs")
    before = theirs.versions()
    run = play(
        "observability",
        observability_namespace="observability-prometheus",
        observability_install=True,
        observability_kiali=False,
        observability_scrape_interval=7,
    ).succeeded()
    assert theirs.versions() == before
    assert run.changed == 0
    assert f"Prometheus answers at {url};" in run.output
    theirs.run(*note, "meta.helm.sh/release-name=progressive-istio-prometheus")


def test_one_that_only_pods_reach_is_said_with_how_to_reach_it(play, kube):
    theirs = kube("observability-prometheus")
    theirs.run("patch", "service", "prometheus", "-p", '{"spec": {"type": "ClusterIP"}}')
    run = play("observability", observability_namespace="observability-prometheus").succeeded()
    theirs.run("patch", "service", "prometheus", "-p", '{"spec": {"type": "NodePort"}}')
    assert run.changed == 0
    said = " ".join(run.output.split())
    assert "http://prometheus.observability-prometheus.svc.cluster.local:9090 and is not reachable from here" in said
    assert "kubectl port-forward -n observability-prometheus service/prometheus 8080:9090" in said
