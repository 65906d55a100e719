# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves a module is fit for a terminal, and masks secrets and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.progressive.istio.plugins.filter.status_table import status_table
from ansible_collections.progressive.istio.plugins.module_utils._report.progress import teller, weight_bar
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from ansible_collections.progressive.istio.plugins.modules import canary, canary_doctor, canary_info, mesh_info
from api_server import Answer, ApiServer
from pong_mesh import ANNOTATION, NAMESPACE, pod, state_of, virtual_service

EVIL = "\x1b[2J\r\nshop/other  v1  100 %\x07\x9b1m\u202e"
SEEN = "\\x1b[2J\\r\\nshop/other  v1  100 %\\x07\\x9b1m\\u202e"
# Newer Ansible asks for it with -vvv, and older always has it.
VERBOSE = {"_ansible_inject_invocation": True} if "inject_invocation" in Path(basic.__file__).read_text() else {}
TOKEN = "t0k3n-0123456789"

Run = Callable[..., dict[str, Any]]


def harmless(value: object) -> bool:
    """Whether no text in it, however deep, holds anything but what can be seen."""
    if isinstance(value, dict):
        return all(harmless(key) and harmless(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(harmless, value))
    return not isinstance(value, str) or value.isprintable()


@pytest.fixture
def hostile(server: ApiServer, run_module: Run) -> ApiServer:
    """A release in whose annotation, names and pods somebody has put what a terminal acts upon."""
    access = {"host": server.url, "api_key": TOKEN, "name": "pong", "namespace": NAMESPACE}
    target = {"stable": "v1", "canary": "v2", "state": "advanced", "steps": [10, 100], "watch": 0, "proof": "none"}
    run_module(canary.main, {**access, **target})
    state = state_of(server)
    for past in state["history"]:
        past |= {"why": EVIL, "by": EVIL}
    state["verdict"] = {"result": "fail", "why": EVIL, "at": state["since"]}
    state["holder"] = {"who": EVIL, "host": EVIL, "pid": 1, "since": state["since"], "until": "2030-01-01T00:00:00Z"}
    broken = virtual_service(90, 10)
    broken["metadata"]["annotations"] = {ANNOTATION: json.dumps(state)}
    broken["spec"]["http"][1]["name"] = f"route{EVIL}"
    server.put("virtualservices", broken)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": EVIL}}
    trouble = [{"name": "pong", "ready": False, "state": waiting}]
    server.put("pods", pod("v2", ready=False, containerStatuses=trouble))
    return server


@pytest.mark.parametrize(
    ("main", "options"),
    [
        (canary_info.main, {}),
        (canary.main, {"stable": "v1", "canary": "v2", "state": "rolled_back", "proof": "none"}),
        (canary.main, {"stable": "v1", "canary": "v2", "state": "advanced", "steps": [10, 100], "proof": "none"}),
        (canary_doctor.main, {"proof": "none"}),
    ],
)
def test_no_result_holds_what_a_terminal_acts_upon(
    hostile: ApiServer, run_module: Run, main: Callable[[], None], options: dict[str, Any]
) -> None:
    access = {"host": hostile.url, "api_key": TOKEN, "name": "pong", "namespace": NAMESPACE, "_ansible_diff": True}
    result = run_module(main, {**access, **options})
    diff = result.pop("diff", {})
    assert SEEN in json.dumps(result, ensure_ascii=False).replace("\\\\", "\\")
    assert harmless(result)
    assert all(harmless(line) for text in diff.values() for line in text.split("\n"))
    assert not any("\nshop/other" in text for text in diff.values())


def test_reports_have_lines_of_ours_only(hostile: ApiServer, run_module: Run) -> None:
    access = {"host": hostile.url, "api_key": TOKEN, "name": "pong", "namespace": NAMESPACE}
    result = run_module(mesh_info.main, access)
    assert "shop/other  v1" in result["report"]
    assert not [line for line in result["report"].split("\n") if not line.isprintable()]
    assert not [line for line in result["report"].split("\n") if line.startswith("shop/other")]


def test_a_status_has_no_forged_line(hostile: ApiServer, run_module: Run) -> None:
    access = {"host": hostile.url, "api_key": TOKEN, "name": "pong", "namespace": NAMESPACE}
    info = run_module(canary_info.main, access)
    raw = {**info, "problems": [EVIL], "next": EVIL, "phase": EVIL}  # also what was never a module's result
    for line in status_table([{"name": EVIL, "info": raw}]):
        assert harmless(line)


def test_an_error_of_the_api_server_is_one_line(server: ApiServer, run_module: Run) -> None:
    server.before = lambda number, request: Answer(403, "Forbidden", EVIL)
    result = run_module(canary_info.main, {"host": server.url, "api_key": TOKEN, "name": "pong"})
    assert SEEN in result["msg"]
    assert harmless(result)


def test_progress_is_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    route = virtual_service(80, 20)
    snapshot = Snapshot(Target("pong", "shop", "v1", "v2"), route, None, locate(route, ("v1", "v2")))
    teller(str(file))(snapshot, EVIL)
    assert file.read_text() == f"shop/pong  {weight_bar(20)}  {SEEN}\n"


def test_of_a_kubeconfig_given_as_a_dictionary_only_secrets_are_masked(server: ApiServer, run_module: Run) -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pong",
        "clusters": [{"name": "pong", "cluster": {"server": server.url}}],
        "users": [{"name": "v2", "user": {"token": TOKEN}}],
        "contexts": [{"name": "pong", "context": {"cluster": "pong", "user": "v2"}}],
    }
    options = {"kubeconfig": kubeconfig, "name": "pong", "namespace": NAMESPACE, **VERBOSE}
    result = run_module(canary_info.main, options)
    assert server.requests[-1].headers["Authorization"] == f"Bearer {TOKEN}"
    assert result["weights"] == {"v1": 100, "v2": 0}
    assert (result["name"], result["context"], result["server"]) == ("pong", "pong", server.url)
    assert TOKEN not in json.dumps(result)
    assert server.url not in json.dumps(result["invocation"]["module_args"]["kubeconfig"])


def test_the_path_of_a_kubeconfig_is_shown(run_module: Run) -> None:
    result = run_module(canary_info.main, {"kubeconfig": "/nowhere/config", "name": "pong"})
    assert "/nowhere/config does not exist" in result["msg"]


def test_the_values_of_headers_are_not_shown_and_mask_nothing_else(server: ApiServer, run_module: Run) -> None:
    probe = {"url": "http://127.0.0.1:9", "headers": {"X-Auth-Token": TOKEN, "X-Group": "pong", "X-Try": "internal"}}
    options = {"stable": "v1", "canary": "v2", "state": "advanced", "steps": [10, 100], "watch": 0, "proof": "none"}
    access = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, **VERBOSE}
    result = run_module(canary.main, {**access, **options, "analysis": {"source": "probe", "probe": probe}}, True)
    assert TOKEN not in json.dumps(result)
    assert "internal" not in json.dumps(result)
    assert result["name"] == "pong"
    assert set(result["invocation"]["module_args"]["analysis"]["probe"]["headers"]) == set(probe["headers"])


def test_what_nobody_foresaw_is_a_sentence_too(
    server: ApiServer, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary_info, "status_of", lambda *_arguments: {}["route"])
    result = run_module(
        canary_info.main, {"host": server.url, "api_key": TOKEN, "name": "pong", "namespace": NAMESPACE}
    )
    assert result["failed"]
    assert result["msg"].startswith("KeyError ('route') at test_module.py:")
    assert "nothing more was done" in result["msg"]


def test_options_that_ansible_itself_cannot_read_are_named(server: ApiServer, run_module: Run) -> None:
    access = {"host": server.url, "api_key": TOKEN, "name": "pong", "namespace": NAMESPACE}
    result = run_module(canary_info.main, {**access, "prometheus": True})
    assert result["msg"].startswith("prometheus is True: it must be a mapping with url, ")
