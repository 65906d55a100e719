# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever options, kubeconfigs, annotations and objects hold: a module ends with a sentence, not a traceback."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from ansible.module_utils.common import warnings
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._k8s import client
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError, load
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import decode, encode
from ansible_collections.progressive.istio.plugins.module_utils._release.state import State, Unreadable
from ansible_collections.progressive.istio.plugins.modules import (
    canary,
    canary_doctor,
    canary_info,
    ingress_info,
    kiali_graph_info,
    mesh_info,
    proxy_wait,
    traffic_probe,
)
from ansible_core import patch_module_args
from api_server import Answer, ApiServer
from fuzz import ANYTHING, altered, examples, mutated
from hypothesis import given
from hypothesis import strategies as st
from pong_mesh import NAMESPACE

Main = Callable[[], None]

KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "prod",
    "clusters": [
        {
            "name": "one",
            "cluster": {
                "server": "https://127.0.0.1:9",
                "certificate-authority-data": "Q0E=",
                "proxy-url": "http://a:1",
            },
        },
        {"name": "two", "cluster": {"server": "https://two", "insecure-skip-tls-verify": True, "tls-server-name": "x"}},
    ],
    "users": [
        {"name": "jane", "user": {"token": "t0k3n", "as": "root", "as-groups": ["ops"]}},
        {"name": "cert", "user": {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZ"}},
    ],
    "contexts": [
        {"name": "prod", "context": {"cluster": "one", "user": "jane"}},
        {"name": "cert", "context": {"cluster": "two", "user": "cert"}},
    ],
}
PROMETHEUS = {"url": "http://127.0.0.1:9", "timeout": 0.1, "headers": {"X-Try": "1"}}
ANALYSIS: dict[str, Any] = {
    "source": "prometheus",
    "success": {"max_error": 0.01},
    "latency": {"threshold_ms": 100},
    "worse_than_stable": {"max_ratio": 2},
    "minimum_requests": 100,
    "deadline": 10,
    "on_inconclusive": "hold",
    "unattributed": {"max_error": 0.5},
    "queries": [{"name": "a", "query": "up", "max": 1}],
    "probe": {"url": "http://127.0.0.1:9", "per_second": 1, "headers": {"Host": "a"}},
    "prometheus": PROMETHEUS,
}
ACCESS = {"api_key": "secret"}
RELEASE = {"stable": "v1", "canary": "v2", "interval": 0, "wait_timeout": 0, "watch": 0, "proof": "none"}
# By module, sound options beside the access. What would only make it wait is left out.
OPTIONS: dict[Main, list[dict[str, Any]]] = {
    canary.main: [
        {**RELEASE, "state": "weighted", "weight": 10},
        {**RELEASE, "state": "advanced", "steps": [10, {"weight": 50, "pause": True}, 100], "analysis": ANALYSIS},
        {**RELEASE, "state": "advanced", "step_weight": 10, "max_weight": 50, "on_failure": "hold", "min_ready": 1},
        {**RELEASE, "state": "rolled_back", "reason": "why", "route": "primary", "destination_host": "pong"},
        {**RELEASE, "state": "cleaned", "drain": 0, "skip_checks": ["mtls"], "run": {"id": "1", "who": "me"}},
    ],
    canary_info.main: [{"stable": "v1", "canary": "v2", "route": "primary", "prometheus": PROMETHEUS}],
    canary_doctor.main: [{"proof": "none", "playbook_options": "-e a=b", "skip_checks": []}],
    mesh_info.main: [{"skip_checks": []}],
    ingress_info.main: [{"name": "gateway", "port": "http2", "wait_timeout": 0}],
    proxy_wait.main: [
        {
            "gateways": ["gateway"],
            "destination_host": "pong",
            "subsets": ["v1"],
            "state": "present",
            "wait_timeout": 0,
        }
    ],
    kiali_graph_info.main: [
        {
            "source_namespaces": ["istio-system"],
            "duration": 60,
            "kiali_url": "http://127.0.0.1:9",
            "kiali_timeout": 0.1,
        },
        {"service": "kiali", "service_namespace": "istio-system", "service_port": "20001", "kiali_token": "t0k3n"},
    ],
    traffic_probe.main: [
        {
            "url": "http://127.0.0.1:9",
            "requests": 1,
            "headers": {"Host": "a"},
            "expect": {"v1": 1, "v2": 1},
            "version_pattern": "v.",
            "expect_status": [200],
            "confidence": 0.9,
            "ca_path": "/nowhere",
        }
    ],
}
NAMED = {"name": "pong", "namespace": NAMESPACE}
WITHOUT_NAME = {proxy_wait.main: {"namespace": NAMESPACE}, kiali_graph_info.main: {"namespace": NAMESPACE}}


def ends(main: Main, options: dict[str, Any], capsys: pytest.CaptureFixture[str], check: bool = True) -> dict[str, Any]:
    """What a module prints, which must be a result."""
    warnings._global_warnings.clear()
    with patch_module_args({**options, "_ansible_check_mode": check}), suppress(SystemExit):
        inspect.unwrap(main)()  # without what answers for all that was not foreseen
        pytest.fail("it has not ended as modules do")
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    told = result.get("msg", result.get("summary"))
    assert isinstance(told, str)
    assert printable(told) == told
    assert "Traceback" not in told
    return result


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.0)
    monkeypatch.setattr(client.Cluster.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 0.2)


@pytest.mark.parametrize("main", list(OPTIONS), ids=lambda main: main.__module__.rpartition(".")[2])
@pytest.mark.usefixtures("impatient")
def test_options(main: Main, server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    access = {} if main is traffic_probe.main else {**WITHOUT_NAME.get(main, NAMED), **ACCESS, "host": server.url}
    sound = [{**access, **options} for options in OPTIONS[main]]

    @examples(8)
    @given(st.one_of(*map(mutated, sound)))
    def run(options: dict[str, Any]) -> None:
        ends(main, json_able(options), capsys)

    run()


def json_able(options: dict[str, Any]) -> dict[str, Any]:
    """As they come over the wire."""
    found: dict[str, Any] = json.loads(json.dumps(options))
    return found


@examples(60)
@given(mutated(KUBECONFIG, 3), st.sampled_from(["prod", "cert", None]))
def test_kubeconfigs(config: Any, context: str | None) -> None:
    with suppress(ClusterError):
        client._pool(load({"kubeconfig": config, "context": context}))


@examples(60)
@given(st.data())
def test_annotations(data: st.DataObject) -> None:
    sound = json.loads(ANNOTATED)
    text = data.draw(st.one_of(mutated(sound, 3).map(json.dumps), ANYTHING.map(str)))
    found = decode(text)
    assert isinstance(found, (State, Unreadable))
    if isinstance(found, State):
        assert decode(encode(found)) == found


ANNOTATED = json.dumps(
    {
        "version": 1,
        "stable": "v1",
        "canary": "v2",
        "phase": "progressing",
        "step": 0,
        "weights": {"stable": 90, "canary": 10},
        "since": "2026-01-01T00:00:00Z",
        "interval": 60,
        "steps": [{"weight": 10, "pause": False}, {"weight": 100, "pause": False}],
        "verdict": {"result": "pass", "why": "", "at": "2026-01-01T00:00:00Z"},
        "before": {"v1": 100, "v2": 0},
        "run": "1",
        "holder": {
            "who": "jane",
            "host": "here",
            "pid": 1,
            "since": "2026-01-01T00:00:00Z",
            "until": "2026-01-01T00:01:00Z",
        },
        "history": [
            {"at": "2026-01-01T00:00:00Z", "event": "started", "canary": "v2", "weight": 10, "why": "", "by": "jane"}
        ],
    }
)
PLURALS = ["virtualservices", "destinationrules", "services", "pods", "namespaces"]
CALLS: list[tuple[Main, dict[str, Any]]] = [
    (canary_info.main, {}),
    (canary.main, OPTIONS[canary.main][0]),
    (canary.main, {**RELEASE, "state": "advanced", "steps": [10, 100]}),
    (canary.main, {**RELEASE, "state": "rolled_back"}),
    (canary_doctor.main, {"proof": "none"}),
    (mesh_info.main, {}),
]


@pytest.mark.usefixtures("impatient")
def test_objects(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    access = {"host": server.url, "api_key": "secret", **NAMED}
    ends(canary.main, {**access, **RELEASE, "state": "advanced", "steps": [10, 100]}, capsys, check=False)
    sound = {key: server.objects[key] for key in server.objects}

    @examples(30)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        main, options = data.draw(st.sampled_from(CALLS))
        key = data.draw(st.sampled_from(sorted(sound)))
        parts = {name: value for name, value in sound[key].items() if name not in ("kind", "apiVersion")}
        server.objects = {**sound, key: {**sound[key], **data.draw(altered(parts))}}
        ends(main, {**access, **options}, capsys)

    run()


BODIES = st.one_of(
    st.sampled_from(["", "null", "[]", "{", "[" * 20_000, "<html>\x1b[2J</html>", '{"kind": "Status"}', "\ufeff{}"]),
    mutated({"kind": "Status", "reason": "Forbidden", "message": "no", "code": 403}).map(json.dumps),
    mutated({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}).map(json.dumps),
)
STATUSES = st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 599])


@pytest.mark.usefixtures("impatient")
def test_answers(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    access = {"host": server.url, **ACCESS, **NAMED}

    @examples(30)
    @given(st.sampled_from(CALLS), st.integers(0, 5), STATUSES, BODIES, st.sampled_from(["", "soon", "0"]))
    def run(call: tuple[Main, dict[str, Any]], number: int, status: int, body: str, date: str) -> None:
        main, options = call
        first = len(server.requests) + 1
        answer = Answer(status, "", body, (("Date", date),))
        server.before = lambda at, request: answer if at - first >= number else None
        ends(main, {**access, **options}, capsys)

    run()
