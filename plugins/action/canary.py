# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a canary, step by step where it is promoted, and shows each step as it happens."""

from __future__ import annotations

import importlib
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.utils.display import Display
from ansible_collections.progressive.istio.plugins.module_utils._canary.call import CanaryTask, answer
from ansible_collections.progressive.istio.plugins.module_utils._canary.options import SPEC, for_rollback
from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import process_here
from ansible_collections.progressive.istio.plugins.module_utils._report.together import together
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction
from ansible_collections.progressive.istio.plugins.plugin_utils._progress import FEW, teller
from ansible_collections.progressive.istio.plugins.plugin_utils._readers import read_by_people
from ansible_collections.progressive.istio.plugins.plugin_utils._settings import mistakes_in_role

STEPWISE = ("advanced", "promoted")
ONCE = ("confirm", "adopt")  # they count for the first step only
GLANCE = 0.2  # seconds between two reads of what the module has written
# What a step imports. Ansible forks a process for each host and task from the one that loads this file, so it is
# imported here once. What is missing is reported by the task that needs it.
OWN = "ansible_collections.progressive.istio.plugins.module_utils"
PRELOADED = (
    *("urllib3", "websocket"),
    *(f"{OWN}.{name}" for name in ("_rollout.cleanup", "_rollout.reach", "_watch.judge", "_watch.soak")),
)
for _name in PRELOADED:
    with suppress(ImportError):
        importlib.import_module(_name)

display = Display()


class ActionModule(InProcessAction):
    """The controller's part of `canary`."""

    MODULE = "progressive.istio.canary"
    SPEC = SPEC

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of one call of the module, or of one for each step."""
        super(InProcessAction, self).run(tmp, task_vars)
        arguments, variables = dict(self._task.args), task_vars or {}
        state = arguments.get("state")
        if state == "rolled_back":
            arguments, wrong = for_rollback(arguments)
            for each in wrong:
                display.warning(f"{each}: the rollback is made with the default")
        else:
            weight = {"weight": arguments["weight"]} if "weight" in arguments else {}
            mistakes = mistakes_in_role(self, variables, **weight)
            if mistakes:
                return {"changed": False, "failed": True, "msg": printable(mistakes)}
        if state not in STEPWISE:
            with self._stepping(arguments, variables) as step:
                return step()
        if state == "promoted" and self._task.async_val:
            raise AnsibleActionFail("state: promoted takes several steps, which an async task cannot: leave async out")
        controller = os.getppid()
        process = {"host": socket.gethostname(), "pid": controller, **process_here(controller)}
        arguments["run"] = {"id": secrets.token_hex(8), **process}
        if state == "promoted":
            arguments.pop("watch", None)  # the release is watched between two steps
        with self._stepping(arguments, variables) as step:
            result = step()
            while state == "promoted" and _has_next_step(result) and not self._task.check_mode:
                if os.getppid() != controller:
                    raise AnsibleError("the play that this task belongs to has ended: no further step is taken")
                for name in ONCE:
                    arguments.pop(name, None)
                result = together(result, step())
        return result

    @contextmanager
    def _stepping(self, arguments: dict[str, Any], variables: dict[str, Any]) -> Iterator[Callable[[], dict[str, Any]]]:
        """What takes one step with these arguments, and shows it: while it is taken, or else afterwards."""
        people = read_by_people()
        if not self.why_not_here(variables):
            hosts = list(variables.get("ansible_play_batch") or [])
            tell = teller(hosts, Path(C.DEFAULT_LOCAL_TMP), display.display) if people else None
            with CanaryTask(tell, findings=len(hosts) <= FEW) as task:
                yield lambda: self.called(arguments, variables, task.answer)
        elif "run" not in arguments:
            yield lambda: self.called(arguments, variables, self.answer)
        elif people and self._connection.transport == "local" and self._connection.become is None:
            with _shown() as file:
                arguments["run"]["progress"] = str(file)
                yield lambda: self.called(arguments, variables, self.answer)
        else:
            yield lambda: self._said(self.called(arguments, variables, self.answer), people)

    def _said(self, result: dict[str, Any], people: bool) -> dict[str, Any]:
        """The result, once it is shown."""
        if people and result.get("changed") and not self._task.check_mode:
            display.display(printable(result["msg"]))
        return result

    def answer(self, call: Call) -> dict[str, Any]:
        return answer(call)


@contextmanager
def _shown() -> Iterator[Path]:
    """A file on this machine; its lines are shown as they are written."""
    with tempfile.TemporaryDirectory(prefix="canary-", dir=C.DEFAULT_LOCAL_TMP) as folder:
        file = Path(folder, "progress")
        file.touch()
        over = threading.Event()
        thread = threading.Thread(target=_show, args=(file, over), daemon=True)
        thread.start()
        try:
            yield file
        finally:
            over.set()
            thread.join()


def _show(file: Path, over: threading.Event) -> None:
    with file.open(encoding="utf-8") as lines:
        last = False
        while not last:
            last = over.wait(GLANCE)
            for line in lines:
                display.display(printable(line.rstrip("\n")))


def _has_next_step(result: Mapping[str, Any]) -> bool:
    return not result.get("failed") and result.get("next_weight") is not None
