# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of `canary`, which runs the real module here in its own process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.progressive.istio.plugins.action import canary as action
from ansible_collections.progressive.istio.plugins.module_utils._common.call import Answer
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import process_here
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import ApiServer
from pong_mesh import NAMESPACE, pod, state_of, weights_of

RunModule = Callable[..., dict[str, Any]]


class Task:
    """A task with this module, as a worker process has it. here: whether it may run in this process."""

    def __init__(self, server: ApiServer, run_module: RunModule, shown: list[str], here: bool) -> None:
        self.access = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}
        self.run_module = run_module
        self.shown = shown
        self.here = here
        self.calls: list[dict[str, Any]] = []
        self.transport = "local"
        self.become: object = None
        self.before_each: Callable[[], object] = lambda: None

    def run(self, check: bool = False, diff: bool = False, async_val: int = 0, **options: Any) -> dict[str, Any]:
        arguments = {
            **self.access,
            "stable": "v1",
            "canary": "v2",
            "interval": 0,
            "wait_timeout": 0,
            "proof": "none",
            **options,
        }
        task = SimpleNamespace(
            args=arguments, async_val=async_val, check_mode=check, diff=diff, delegate_to=None, environment=None
        )
        shell = SimpleNamespace(tmpdir=None, env_prefix=lambda **_variables: "")
        connection = SimpleNamespace(transport=self.transport, become=self.become, _shell=shell)
        plugin = action.ActionModule(task, connection, None, None, Templar(DataLoader()), None)
        called = plugin.called

        def counted(arguments: Mapping[str, Any], variables: dict[str, Any], answer: Answer) -> dict[str, Any]:
            self.before_each()
            self.calls.append(dict(arguments))
            return dict(called(arguments, variables, answer))

        def execute(module_name: str, module_args: dict[str, Any], task_vars: Any, wrap_async: int) -> dict[str, Any]:
            assert (module_name, wrap_async) == ("progressive.istio.canary", async_val)
            return self.run_module(canary.main, {**module_args, "_ansible_diff": diff}, check)

        plugin.called, plugin._execute_module = counted, execute
        python = sys.executable if self.here else "/usr/bin/another-python"
        return dict(plugin.run(task_vars={"ansible_python_interpreter": python}))


@pytest.fixture(params=["in process", "as a module"])
def task(
    request: pytest.FixtureRequest, server: ApiServer, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> Task:
    shown: list[str] = []
    monkeypatch.setattr(action.display, "display", lambda line, **_options: shown.append(line))
    return Task(server, run_module, shown, here=request.param == "in process")


def test_promoted_goes_all_steps_and_shows_each(server: ApiServer, task: Task) -> None:
    result = task.run(state="promoted", steps=[20, 50, 100])
    assert (result["finished"], result["changed"], len(task.calls)) == (True, True, 3)
    assert result["weights"] == {"before": {"v1": 100, "v2": 0}, "after": {"v1": 0, "v2": 100}}
    assert [each["event"] for each in result["transitions"]] == ["advanced", "advanced", "promoted"]
    assert result["api_requests"] == len(server.requests)
    assert result["run"]["began"] < result["transitions"][0]["at"] < result["transitions"][2]["at"]
    assert task.shown == [
        "shop/pong  [####................]  20 %  step 1 of 3  v2: 1 of 1 pod ready  progressing",
        "shop/pong  [##########..........]  50 %  step 2 of 3  v2: 1 of 1 pod ready  progressing",
        "shop/pong  [####################] 100 %  step 3 of 3  v2: 1 of 1 pod ready  promoted",
    ]
    assert state_of(server)["holder"] is None


def test_the_result_of_steps_and_of_a_refusal_is_at_most_two_kilobytes(task: Task) -> None:
    """Ansible prints all of it where the task fails."""
    for options in ({"state": "promoted", "steps": [5, 20, 50, 100]}, {"state": "weighted", "weight": "x"}):
        result = task.run(**options)
        result.pop("invocation", None)  # Ansible shows it with -vvv only
        assert len(json.dumps(result)) <= 2048, result


def test_the_second_time_nothing_changes(task: Task) -> None:
    task.run(state="promoted", steps=[100])
    result = task.run(state="promoted", steps=[100])
    assert (result["changed"], result["finished"], result["transitions"]) == (False, True, [])


def test_all_calls_are_one_run_of_this_controller(server: ApiServer, task: Task) -> None:
    holders: list[Any] = []
    task.before_each = lambda: holders.append(state_of(server).get("holder"))
    task.run(state="promoted", steps=[20, 100])
    assert len({call["run"]["id"] for call in task.calls}) == 1
    assert holders[0] is None
    assert holders[1].items() >= {"pid": os.getppid(), **process_here(os.getppid())}.items()


def test_a_person_confirms_the_first_step_only(server: ApiServer, task: Task) -> None:
    hold = {**task.access, "stable": "v1", "canary": "v2", "state": "held"}
    task.before_each = lambda: len(task.calls) == 1 and task.run_module(canary.main, hold)
    result = task.run(state="promoted", steps=[20, 50, 100], confirm=True)
    assert "v2 is held at 20 % since" in result["msg"]
    assert (result["failed"], weights_of(server)["v2"]) == (True, 20)


def test_between_two_steps_somebody_always_watches(server: ApiServer, task: Task) -> None:
    result = task.run(state="promoted", steps=[20, 100], interval=0.5, watch=0)
    assert (result["finished"], len(task.calls)) == (True, 2)


def test_it_stops_where_a_person_is_needed(server: ApiServer, task: Task) -> None:
    result = task.run(state="promoted", steps=[20, {"weight": 50, "pause": True}, 100])
    assert (result["phase"], result["finished"], weights_of(server)["v2"]) == ("paused", False, 50)
    assert not result.get("failed")


def test_it_stops_at_a_failure_and_tells_all(server: ApiServer, task: Task) -> None:
    task.before_each = lambda: len(task.calls) == 1 and server.put("pods", pod("v2", ready=False))
    result = task.run(state="promoted", steps=[20, 100], diff=True)
    assert result["failed"]
    assert result["changed"]
    assert [each["event"] for each in result["transitions"]] == ["advanced", "failed"]
    assert result["weights"]["before"] == {"v1": 100, "v2": 0}
    assert "v2 has no ready pod left" in result["msg"]
    assert weights_of(server) == {"v1": 100, "v2": 0}


def test_a_diff_goes_from_the_first_to_the_last(task: Task) -> None:
    diff = task.run(state="promoted", steps=[20, 100], diff=True)["diff"]
    assert ("v1: 100" in diff["before"], "v2: 100" in diff["after"]) == (True, True)


def test_check_mode_predicts_the_first_step(server: ApiServer, task: Task) -> None:
    result = task.run(check=True, state="promoted", steps=[20, 100])
    assert (result["changed"], len(task.calls), weights_of(server)["v2"]) == (True, 1, 0)
    assert task.shown == []


def test_other_states_are_one_call(task: Task) -> None:
    assert task.run(weight=30)["changed"]
    assert task.run(state="advanced", steps=[50, 100])["weights"]["after"] == {"v1": 50, "v2": 50}
    assert len(task.calls) == 2
    assert "run" not in task.calls[0]


def test_nothing_is_promoted_for_a_controller_that_has_ended(
    server: ApiServer, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = iter([os.getppid(), 1])
    monkeypatch.setattr(action.os, "getppid", lambda: next(parents))
    with pytest.raises(AnsibleError, match="the play that this task belongs to has ended"):
        task.run(state="promoted", steps=[20, 100])
    assert weights_of(server)["v2"] == 20


@pytest.mark.parametrize("callback", ["json", "ansible.posix.jsonl", "null"])
def test_machines_get_no_lines(task: Task, monkeypatch: pytest.MonkeyPatch, callback: str) -> None:
    monkeypatch.setattr(action.C, "DEFAULT_STDOUT_CALLBACK", callback)
    task.run(state="promoted", steps=[100])
    assert task.shown == []


def test_async_takes_one_step(task: Task) -> None:
    assert task.run(async_val=60, weight=30)["changed"]
    with pytest.raises(AnsibleActionFail, match="several steps"):
        task.run(async_val=60, state="promoted", steps=[20, 100])


@pytest.mark.parametrize(("transport", "become"), [("ssh", None), ("local", "sudo")])
def test_a_module_elsewhere_is_shown_when_it_has_ended(task: Task, transport: str, become: str | None) -> None:
    task.transport, task.become = transport, become
    task.run(state="promoted", steps=[20, 100])
    assert "progress" not in task.calls[0]["run"]
    assert [line.rpartition("; ")[2] for line in task.shown] == ["now v1 80 %, v2 20 %", "now v1 0 %, v2 100 %"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": "10m", "steps": [5, 1], "watch": "long", "confirm": "perhaps", "drain": "x", "skip_checks": 7},
        {"analysis": {"no_such_key": 1, "source": "nowhere", "minimum_requests": "few"}},
        {"wait_timeout": "2m", "proof": "some", "proof_timeout": "30s", "min_ready": "all"},
        {"virtual_services": [{"namespace": "shop"}]},
        {"virtual_services": 7},
    ],
    ids=["not needed", "analysis", "with a default", "followers", "no followers"],
)
def test_a_rollback_is_made_whatever_else_is_wrong(
    server: ApiServer, task: Task, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(action.display, "warning", lambda msg, **_options: warned.append(msg))
    task.run(state="weighted", weight=50)
    result = task.run(state="rolled_back", **{"proof_timeout": 0.1, **wrong})
    assert (result.get("failed", False), weights_of(server)) == (False, {"v1": 100, "v2": 0})
    defaulted = [each for each in warned if each.endswith(": the rollback is made with the default")]
    assert len(defaulted) == {"wait_timeout": 4, "virtual_services": 1}.get(next(iter(wrong)), 0)
