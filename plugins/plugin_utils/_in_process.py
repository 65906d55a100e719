# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs what a module of this collection does in the process of its action plugin.

A module costs a third of a second of CPU before it begins: an archive of it is made, written, and imported by a Python
of its own. None of that is needed where the module would run on this machine, in this Python, as this user.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.progressive.istio.plugins.module_utils._common.call import Answer, Call, Spec
from ansible_collections.progressive.istio.plugins.module_utils._common.module import (
    UNREADABLE,
    answered,
    shown,
    to_mask,
    unreadable,
)
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._common.secrets import no_log

COLLECTION = "progressive.istio"
LIBRARY = "kubernetes"
OLDEST = (3, 11)  # the Python
VERSION = "import sys; print(*sys.version_info[:2])"
DISCOVERED = ("auto", "auto_legacy", "auto_silent", "auto_legacy_silent")  # no interpreter is named

display = Display()


class InProcessAction(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """The controller's part of a module: its work itself where it may run here, else the module.

    MODULE: its full name. SPEC: its options. LIBRARIES: what it imports that may be missing in Ansible's own Python.
    """

    MODULE: str
    SPEC: Spec
    LIBRARIES: tuple[str, ...] = (LIBRARY,)
    TRANSFERS_FILES = False
    _requires_connection = True
    _supports_async = True

    def answer(self, call: Call) -> dict[str, Any]:
        """What the module answers."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module."""
        super().run(tmp, task_vars)
        return self.called(self._task.args, task_vars or {}, self.answer)

    def called(self, arguments: Mapping[str, Any], task_vars: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """The result of one call with these options. answer: what answers it here."""
        why = self.why_not_here(task_vars)
        if why:
            display.vvv(f"{self.MODULE} runs as a module, {why}")
            result = self._execute_module(
                module_name=self.MODULE,
                module_args=dict(arguments),
                task_vars=task_vars,
                wrap_async=self._task.async_val,
            )
            too_old = self._too_old() if "module_stdout" in result else ""  # it printed no result
            return {"failed": True, "changed": False, "msg": too_old} if too_old else dict(result)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        task = self._task
        with _environment(environment):
            result = run_here(self.MODULE, self.SPEC, arguments, answer, check_mode=task.check_mode, diff=task.diff)
        if not _shows_invocation(task_vars):
            del result["invocation"]
        return result

    def why_not_here(self, task_vars: Mapping[str, Any]) -> str:
        """Why the module has to run in a process of its own; empty if it has not."""
        if self._task.async_val:
            return "since the task is async"
        if self._connection.transport != "local":
            return f"since the connection is {self._connection.transport}"
        if self._connection.become is not None:
            return "since the task is run by another user (become)"
        interpreter = self._interpreter(task_vars)
        if interpreter and not is_this_python(interpreter):
            return f"since its interpreter is {interpreter}, and Ansible runs in {sys.executable}"
        missing = [name for name in self.LIBRARIES if importlib.util.find_spec(name) is None]
        return f"since {sys.executable}, in which Ansible runs, has no {missing[0]}" if missing else ""

    def _too_old(self) -> str:
        """Why the Python that has run the module cannot; empty if it can."""
        python = (self._used_interpreter or "").removeprefix("#!")
        answer = self._low_level_execute_command(f"{python} -c {shlex.quote(VERSION)}")["stdout"].split()
        if len(answer) != 2 or not all(map(str.isdigit, answer)) or tuple(map(int, answer)) >= OLDEST:
            return ""
        return printable(
            f"{self.MODULE} ran in Python {'.'.join(answer)} ({python}) and needs {'.'.join(map(str, OLDEST))} or "
            "newer: install one there, and name it as ansible_python_interpreter"
        )

    def _interpreter(self, task_vars: Mapping[str, Any]) -> str:
        """The Python that modules are to run in; empty if none is named."""
        host = self._task.delegate_to
        variables = (task_vars.get("ansible_delegated_vars") or {}).get(host) or {} if host else task_vars
        named = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=dict(variables)) or "")
        return "" if named in DISCOVERED else str(named)


def is_this_python(interpreter: str) -> bool:
    """Whether a path is that of the Python that runs this: the same program in the same environment."""
    named, own = Path(shutil.which(interpreter) or interpreter), Path(sys.executable)
    try:
        return named.samefile(own) and named.parent.samefile(own.parent)
    except OSError:
        return False


def run_here(
    module: str, spec: Spec, arguments: Mapping[str, Any], answer: Answer, *, check_mode: bool, diff: bool
) -> dict[str, Any]:
    """What the module would print: its checked options, its result without secrets, its warnings."""
    given: dict[str, Any] = plain(arguments)
    options = spec["argument_spec"]
    rules = {name: rule for name, rule in spec.items() if name != "argument_spec"}
    warnings: list[str] = []
    try:
        checked = ArgumentSpecValidator(options, **rules).validate(given)
    except UNREADABLE as error:
        result = {"failed": True, "msg": unreadable(options, given, error)}
        return _printed(options, given, result, to_mask(options, given, no_log(options, given)))
    params = checked.validated_parameters
    if checked.error_messages:
        prefix = f"Unsupported parameters for ({module}) module: "
        first = prefix if isinstance(checked.errors[0], UnsupportedError) else ""
        result = {"failed": True, "msg": first + "; ".join(checked.error_messages)}
        return _printed(options, params, result, to_mask(options, params, checked._no_log_values))
    for each in checked._warnings:
        warnings.append(f"Both option {each['option']} and its alias {each['alias']} are set.")
    for each in checked._deprecations:
        display.deprecated(each["msg"], each.get("version"), date=each.get("date"), collection_name=COLLECTION)
    mask = to_mask(options, params, checked._no_log_values)
    result = answered(answer, Call(params, check_mode, diff, lambda text: warnings.append(printable(text))))
    if not result.get("failed"):
        result.pop("failed", None)
    return _printed(options, params, result | ({"warnings": warnings} if warnings else {}), mask)


def plain(value: Any) -> Any:
    """A value of a task as a module gets it, without what Ansible knows about it."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [plain(each) for each in value]
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return None if value is None else str(value)


def _shows_invocation(task_vars: Mapping[str, Any]) -> bool:
    """Whether results hold the options of the call; an older Ansible always has them, and shows them with -vvv only."""
    if not C.config.get_configuration_definition("INJECT_INVOCATION"):
        return True
    return bool(C.config.get_config_value("INJECT_INVOCATION", variables=dict(task_vars)))


@contextmanager
def _environment(variables: Mapping[str, Any]) -> Iterator[None]:
    """The `environment` of the task: this process runs nothing else meanwhile."""
    before = dict(os.environ)
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _printed(
    options: Mapping[str, Any], params: Mapping[str, Any], result: Mapping[str, Any], mask: Set[str]
) -> dict[str, Any]:
    """The result as it may be shown. None and truth values stay, even where they equal a secret."""
    found = shown(options, params, {"changed": False, **result})
    kept = {name: value for name, value in found.items() if value is None or isinstance(value, bool)}
    return {**remove_values(found, mask), **kept}
