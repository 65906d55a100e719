# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name step by step, and shows each step as it happens."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import process_here
from ansible_collections.progressive.istio.plugins.plugin_utils._readers import read_by_people
from ansible_collections.progressive.istio.plugins.plugin_utils._results import together

MODULE = "progressive.istio.canary"
STEPWISE = ("advanced", "promoted")
ONCE = ("confirm", "adopt")  # they count for the first step only
# What a rollback ignores, and what it can do without: a mistake in either keeps no requests on the canary.
NOT_FOR_ROLLBACK = (
    *("weight", "steps", "step_weight", "max_weight", "interval", "on_failure", "confirm", "adopt", "watch", "drain"),
    *("skip_checks", "analysis"),
)
OPTIONAL_FOR_ROLLBACK = ("min_ready", "wait_timeout", "proof", "proof_timeout", "force")
GLANCE = 0.2  # seconds between two reads of what the module has written

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """The controller's part of `canary`."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """One module call, or one for each step."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        state = arguments.get("state")
        if state == "rolled_back":
            return self._execute(_for_rollback(arguments), task_vars)
        if state not in STEPWISE:
            return self._execute(arguments, task_vars)
        controller = os.getppid()
        process = {"host": socket.gethostname(), "pid": controller, **process_here(controller)}
        arguments["run"] = {"id": secrets.token_hex(8), **process}
        if state == "promoted":
            arguments.pop("watch", None)  # the release is watched between two steps
        with self._shown() as progress:
            arguments["run"]["progress"] = progress
            result = self._execute(arguments, task_vars)
            self._say(result, progress)
            while state == "promoted" and _has_next_step(result) and not self._task.check_mode:
                if os.getppid() != controller:
                    raise AnsibleError("the play that this task belongs to has ended: no further step is taken")
                for name in ONCE:
                    arguments.pop(name, None)
                following = self._execute(arguments, task_vars)
                self._say(following, progress)
                result = together(result, following)
        return result

    def _execute(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return dict(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars))

    @contextmanager
    def _shown(self) -> Iterator[str | None]:
        """A file whose lines are shown as they are written; None where the module could not write to it."""
        elsewhere = self._connection.transport != "local" or self._connection.become is not None
        if elsewhere or not read_by_people():
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="canary-", dir=C.DEFAULT_LOCAL_TMP) as folder:
            file = Path(folder, "progress")
            file.touch()
            over = threading.Event()
            thread = threading.Thread(target=_show, args=(file, over), daemon=True)
            thread.start()
            try:
                yield str(file)
            finally:
                over.set()
                thread.join()

    def _say(self, result: Mapping[str, Any], progress: str | None) -> None:
        """Where the module cannot show a step itself, show it afterwards."""
        if not progress and read_by_people() and result.get("changed") and not self._task.check_mode:
            display.display(printable(result["msg"]))


def _for_rollback(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without those that a rollback does not need and those that are wrong and have a default."""
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible_collections.progressive.istio.plugins.modules.canary import ARGUMENTS

    kept = {name: value for name, value in arguments.items() if name not in NOT_FOR_ROLLBACK}
    for name in ARGUMENTS.keys() & kept.keys() & set(OPTIONAL_FOR_ROLLBACK):
        checked = ArgumentSpecValidator({name: ARGUMENTS[name]}).validate({name: kept[name]})
        if checked.error_messages:
            display.warning(f"{'; '.join(checked.error_messages)}: the rollback is made with the default")
            del kept[name]
    return kept


def _show(file: Path, over: threading.Event) -> None:
    with file.open(encoding="utf-8") as lines:
        last = False
        while not last:
            last = over.wait(GLANCE)
            for line in lines:
                display.display(printable(line.rstrip("\n")))


def _has_next_step(result: Mapping[str, Any]) -> bool:
    return not result.get("failed") and result.get("next_weight") is not None
