"""What `kiali.yml` shows of a Kiali in the cluster, and of one at a URL."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from documented import mismatches, read, strangers, unlike
from molecule_helpers import module

INSIDE = {"canary_namespace": "kiali", "observability_kiali_namespace": "kiali"}
EDGES = [
    "istio-system/istio-ingressgateway latest  service pong-server-service  10.00 req/s  100.0 %   1.1 %      -",
    "service pong-server-service               pong-server v1                7.88 req/s   78.8 %   0.0 %   4 ms",
    "service pong-server-service               pong-server v2                2.12 req/s   21.2 %   5.2 %  95 ms",
]


@pytest.fixture(scope="module")
def shown(play):
    run = play("kiali", **INSIDE).succeeded()
    assert run.changed == 0
    return run.output


@pytest.fixture(scope="module")
def opened(shown, eventually):
    """Run the command that it prints, and return the URL that it prints."""
    command = re.search(r"While this runs: (.+)", shown).group(1)
    url = re.search(r"Open the graph: (http.+)", shown).group(1)
    with subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL) as process:

        def answers() -> bool:
            try:
                with urlopen(
                    f"http://localhost:20001{urlsplit(url).path.partition('/console')[0]}/api/auth/info"
                ) as answer:
                    return json.load(answer)["strategy"] == "anonymous"
            except URLError:
                return False

        eventually(answers, 20)
        yield url
        process.terminate()


def test_every_edge_is_shown(shown):
    assert "Kiali of Service kiali/kiali saw 3 edges of namespace kiali in the last 60 s" in shown
    for edge in EDGES:
        assert edge in shown.splitlines()


def test_results_are_as_documented():
    result = module("kiali_graph_info", namespace="kiali", service_namespace="kiali")
    returned = read("kiali_graph_info").returned
    assert strangers(returned, result, failed=False) == []
    for key, about in returned.items():
        assert mismatches(about, about.get("sample")) == [], key
        assert unlike(about.get("sample"), [result[key]]) == [], key


def test_the_way_that_is_printed_leads_there_and_its_url_is_taken(play, opened):
    run = play("kiali", canary_namespace="kiali", canary_kiali_url=opened).succeeded()
    assert "Kiali at http://localhost:20001/kiali saw 3 edges of namespace kiali" in run.output
    assert "While this runs" not in run.output
    for edge in EDGES:
        assert edge in run.output.splitlines()


def test_one_that_does_not_answer_is_told_and_a_person_may_still_look(play):
    run = play("kiali", canary_kiali_url="http://127.0.0.1:9/kiali", canary_kiali_token="hunter2")
    assert run.code != 0
    assert "Kiali at http://127.0.0.1:9/kiali cannot be asked: " in run.output
    assert (
        "Open the graph: http://127.0.0.1:9/kiali/console/graph/namespaces?namespaces=default,istio-system"
        in run.output
    )
    assert "hunter2" not in run.output


def test_without_one_it_says_what_to_do(play):
    run = play("kiali", observability_kiali_namespace="default")
    assert run.code != 0
    assert "Service default/kiali in context " in run.output
    assert "-e observability_install=true" in run.output
