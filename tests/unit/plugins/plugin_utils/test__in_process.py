# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in the process of an action plugin gives what the module gives, and runs there only where it may."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.progressive.istio.plugins.action import canary_info as action
from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import load
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.modules import canary, canary_info, ingress_info, traffic_probe
from ansible_collections.progressive.istio.plugins.plugin_utils import _in_process
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import is_this_python, plain, run_here
from api_server import ApiServer
from pong_mesh import NAMESPACE

RunModule = Callable[..., dict[str, Any]]

TOKEN = "t0k3n-0123456789"
PONG = {"name": "pong", "namespace": NAMESPACE}
VERSIONS = {**PONG, "stable": "v1", "canary": "v2"}
KUBECONFIG = {
    "current-context": "one",
    "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    "clusters": [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "one", "user": {"token": TOKEN}}],
}
# Newer Ansible adds the options of the call with -vvv, and older always does.
VERBOSE = {"_ansible_inject_invocation": True} if "inject_invocation" in Path(basic.__file__).read_text() else {}
MOMENTS = ("at", "since", "began", "ended", "until", "id", "pid", "duration", "waited")
SECONDS = re.compile(r"\b\d+\.\d+ s\b")
CASES: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "a state": (canary_info, PONG),
    "no such VirtualService": (canary_info, {**PONG, "name": "none"}),
    "half of what belongs together": (canary_info, {**PONG, "stable": "v1"}),
    "no name": (canary_info, {"namespace": NAMESPACE}),
    "an unknown option": (canary_info, {**PONG, "nmae": "x", "namespac": "y"}),
    "an option and its alias": (canary_info, {**PONG, "ca_cert": "/none", "ssl_ca_cert": "/none"}),
    "a share": (canary, {**VERSIONS, "weight": 20, "proof": "none"}),
    "a share as text": (canary, {**VERSIONS, "weight": "20", "proof": "none", "confirm": "yes"}),
    "all steps": (canary, {**VERSIONS, "state": "advanced", "steps": "20,100", "interval": 0, "proof": "none"}),
    "nothing to roll back": (canary, {**VERSIONS, "state": "rolled_back", "proof": "none"}),
    "no weight": (canary, VERSIONS),
    "several mistakes": (canary, {**VERSIONS, "weight": 101, "interval": "10m", "skip_checks": ["x"], "watch": -1}),
    "several wrong types": (canary, {**VERSIONS, "weight": 1, "watch": "long", "proof": "some", "confirm": "perhaps"}),
    "suboptions that are none": (canary, {**VERSIONS, "weight": 1, "analysis": 7, "proxy_headers": 3}),
    "a wrong suboption": (canary, {**VERSIONS, "weight": 1, "analysis": {"no_such_key": 1, "minimum_requests": "few"}}),
    "text that a terminal acts upon": (canary, {**VERSIONS, "weight": "\x1b[2J\n5"}),
    "no cluster": (canary, {**VERSIONS, "weight": 1, "host": "http://127.0.0.1:1", "wait_timeout": 0}),
    "a secret kubeconfig": (canary_info, {**PONG, "kubeconfig": KUBECONFIG, "host": None}),
    "no gateway": (ingress_info, {"name": "none"}),
    "a wrong number": (ingress_info, {"wait_timeout": -1}),
    "no URL": (traffic_probe, {"url": "none", "requests": 0, "headers": {"Cookie": f"token={TOKEN}"}}),
    "no answer": (traffic_probe, {"url": "http://127.0.0.1:1", "requests": 1, "timeout": 0.1}),
}


def timeless(value: Any) -> Any:
    """The value without what differs between two runs."""
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in MOMENTS}
    if isinstance(value, str):
        return SECONDS.sub("some seconds", value)
    return [timeless(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("check", [False, True], ids=["", "check mode"])
@pytest.mark.parametrize("case", CASES)
def test_both_ways_give_the_same(
    server: ApiServer, run_module: RunModule, impatient: None, monkeypatch: pytest.MonkeyPatch, case: str, check: bool
) -> None:
    monkeypatch.setattr(canary_info, "connect", lambda params: Cluster(lambda: load(params), patience=0))
    module, options = CASES[case]
    name = f"progressive.istio.{module.__name__.rpartition('.')[2]}"
    if module is not traffic_probe:
        options = {"host": server.url, "api_key": TOKEN, **options}
    options = {key: value for key, value in options.items() if value is not None}
    before = deepcopy(server.objects)
    here = run_here(name, module.SPEC, options, module.answer, check_mode=check, diff=True)
    server.objects = before
    internal = {**VERBOSE, "_ansible_diff": True, "_ansible_module_name": name}
    module_result = run_module(module.main, {**options, **internal}, check)
    for result in (here, module_result):
        result.pop(
            "warnings", None
        )  # with the controller's code in the same process, a newer Ansible keeps the module's
    assert timeless(here) == timeless(module_result | {"changed": module_result.get("changed", False)})
    assert TOKEN not in str(here)


def test_warnings_are_in_the_result(server: ApiServer) -> None:
    options = {"host": server.url, **CASES["an option and its alias"][1]}
    result = run_here("x", canary_info.SPEC, options, canary_info.answer, check_mode=False, diff=False)
    assert result["warnings"] == ["Both option ca_cert and its alias ssl_ca_cert are set."]


class Action:
    """An action plugin, as a worker process has it."""

    def __init__(self, server: ApiServer | None = None) -> None:
        self.task = SimpleNamespace(
            args={**PONG, "host": server.url if server else "", "api_key": TOKEN},
            async_val=0,
            check_mode=False,
            diff=False,
            delegate_to=None,
            environment=None,
        )
        shell = SimpleNamespace(tmpdir=None, env_prefix=lambda **_variables: "")
        self.connection = SimpleNamespace(transport="local", become=None, _shell=shell)
        self.variables: dict[str, Any] = {"ansible_python_interpreter": sys.executable}

    @property
    def plugin(self) -> Any:
        return action.ActionModule(self.task, self.connection, None, None, Templar(DataLoader()), None)

    @property
    def why(self) -> str:
        return str(self.plugin.why_not_here(self.variables))


def test_it_runs_here_with_this_python_on_this_machine_as_this_user() -> None:
    assert Action().why == ""


def test_it_runs_here_where_no_interpreter_is_named() -> None:
    action = Action()
    action.variables = {"ansible_python_interpreter": "auto"}
    assert action.why == ""
    action.variables = {}
    assert action.why == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda action: setattr(action.connection, "transport", "ssh"), "since the connection is ssh"),
        (lambda action: setattr(action.connection, "become", "sudo"), "since the task is run by another user (become)"),
        (lambda action: setattr(action.task, "async_val", 60), "since the task is async"),
        (
            lambda action: action.variables.update(ansible_python_interpreter="/usr/bin/another"),
            f"since its interpreter is /usr/bin/another, and Ansible runs in {sys.executable}",
        ),
        (
            lambda action: action.task.__dict__.update(delegate_to="far"),
            f"since its interpreter is /opt/far, and Ansible runs in {sys.executable}",
        ),
    ],
    ids=["connection", "become", "async", "interpreter", "that of the host it is delegated to"],
)
def test_it_runs_as_a_module_elsewhere(change: Callable[[Action], object], why: str) -> None:
    action = Action()
    action.variables["ansible_delegated_vars"] = {"far": {"ansible_python_interpreter": "/opt/far"}}
    change(action)
    assert action.why == why


def test_it_runs_as_a_module_where_ansible_lacks_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_in_process.importlib.util, "find_spec", lambda name: None)
    assert Action().why == f"since {sys.executable}, in which Ansible runs, has no kubernetes"


def test_the_module_gets_what_the_task_has() -> None:
    action = Action()
    action.task.async_val = 30
    plugin = action.plugin
    plugin._execute_module = lambda **arguments: arguments
    assert plugin.run(task_vars=action.variables) == {
        "module_name": "progressive.istio.canary_info",
        "module_args": action.task.args,
        "task_vars": action.variables,
        "wrap_async": 30,
    }


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            "3 9",
            "progressive.istio.canary_info ran in Python 3.9 (/opt/python) and needs 3.11 or newer: "
            "install one there, and name it as ansible_python_interpreter",
        ),
        ("3 11", "MODULE FAILURE"),
        ("sh: /opt/python: not found", "MODULE FAILURE"),
        ("", "MODULE FAILURE"),
    ],
)
def test_a_python_that_is_too_old_for_the_module_is_one_sentence(version: str, expected: str) -> None:
    action = Action()
    action.task.async_val = 30
    plugin = action.plugin
    plugin._used_interpreter = "#!/opt/python"
    plugin._execute_module = lambda **_arguments: {"failed": True, "msg": "MODULE FAILURE", "module_stdout": ""}
    plugin._low_level_execute_command = lambda _command: {"stdout": f"{version}\n"}
    result = plugin.run(task_vars=action.variables)
    assert (result["failed"], result["msg"]) == (True, expected)


def test_the_environment_of_the_task_counts_and_is_gone_afterwards(server: ApiServer) -> None:
    action = Action()
    action.task.args = dict(PONG)
    action.task.environment = [{"K8S_AUTH_HOST": server.url}, {"K8S_AUTH_API_KEY": TOKEN}]
    before = dict(os.environ)
    result = action.plugin.run(task_vars=action.variables)
    assert (result["server"], result["exists"]) == (server.url, True)
    assert dict(os.environ) == before


def test_the_environment_is_gone_after_an_error_too(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    action = Action(server)
    action.task.environment = [{"PONG": "1"}]

    def interrupted(_call: Call) -> dict[str, Any]:
        raise KeyboardInterrupt(os.environ["PONG"])

    with pytest.raises(KeyboardInterrupt, match="1"):
        action.plugin.called(action.task.args, action.variables, interrupted)
    assert "PONG" not in os.environ


def test_an_unexpected_error_is_one_sentence(server: ApiServer) -> None:
    def flawed(_call: Call) -> dict[str, Any]:
        raise KeyError("route")

    action = Action(server)
    result = action.plugin.called(action.task.args, action.variables, flawed)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"].startswith("KeyError ('route') at test__in_process.py:")


def test_a_python_is_known_by_its_program_and_its_environment(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    assert not is_this_python(str(other))  # that of another environment may be the same program
    assert is_this_python(str(Path(sys.executable).parent / "python3"))
    assert not is_this_python("no-such-python")


class Text(str):
    """Text that Ansible knows more about."""


def test_options_are_plain_and_warnings_printable() -> None:
    seen: list[Any] = []

    def answer(call: Call) -> dict[str, Any]:
        seen.append(call.params["name"])
        call.warn("\x1b[2J")
        return {}

    options = {"name": Text("pong")}
    result = run_here("x", canary_info.SPEC, options, answer, check_mode=False, diff=False)
    assert [type(each) for each in seen] == [str]
    assert result["warnings"] == ["\\x1b[2J"]


@pytest.mark.parametrize("wanted", [True, False])
def test_options_are_in_the_result_where_ansible_wants_them(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    monkeypatch.setattr(_in_process.C.config, "get_configuration_definition", lambda name: {"name": name})
    values = {"INJECT_INVOCATION": wanted, "INTERPRETER_PYTHON": "auto"}
    monkeypatch.setattr(_in_process.C.config, "get_config_value", lambda name, **_options: values[name])
    assert ("invocation" in Action(server).plugin.run(task_vars={})) == wanted


def test_values_are_plain() -> None:
    given = {Text("a"): (Text("b"), {1}, 1.5), "c": None, "d": True, "e": 7}
    made = plain(given)
    assert made == {"a": ["b", [1], 1.5], "c": None, "d": True, "e": 7}
    assert {type(each) for each in (*made, *made["a"][:1])} == {str}
    assert (type(made["d"]), type(made["e"])) == (bool, int)
