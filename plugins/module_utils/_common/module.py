# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module is run: every result, error and warning passes here."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .call import Answer, Call, Spec
from .printable import printable, printable_values
from .secrets import concealed, leaves, mappings, no_log, password_in, secrets_in
from .values import show

# Results with line ends of ours; the code that makes them escapes their lines.
LINES = frozenset({"report", "table", "before", "after", "exception"})

# What Ansible raises for options that it does not expect.
UNREADABLE = (TypeError, ValueError, AttributeError, KeyError, OverflowError)


class Module(AnsibleModule):  # type: ignore[misc]  # Ansible is not typed
    """A module that prints no control characters of the cluster, and masks secrets only."""

    no_log_values: set[str]
    current: ClassVar[Module | None] = None  # the one of this process

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except UNREADABLE as error:
            self.no_log_values = to_mask(self.argument_spec, self.params, no_log(self.argument_spec, self.params))
            self.fail_json(unreadable(self.argument_spec, self.params, error))
        self.no_log_values = to_mask(self.argument_spec, self.params, self.no_log_values)
        Module.current = self

    def exit_json(self, **kwargs: Any) -> NoReturn:  # type: ignore[misc]
        super().exit_json(**self._shown(kwargs))

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:  # type: ignore[misc]
        if Module.current is not self and getattr(self, "validation_result", None):
            # Ansible has checked the options and reports the first mistake only.
            msg = "; ".join([msg, *self.validation_result.error_messages[1:]])
            self.no_log_values = to_mask(self.argument_spec, self.params, self.no_log_values)
        super().fail_json(printable(msg), **self._shown(kwargs))

    def warn(self, warning: str, **kwargs: Any) -> None:
        super().warn(printable(warning), **kwargs)

    def _shown(self, result: dict[str, Any]) -> dict[str, Any]:
        return shown(self.argument_spec, getattr(self, "params", None), result)


def serve(answer: Answer, spec: Spec) -> None:
    """Run what answers a call as a module: read the options, print the result, exit."""
    module = Module(**spec, supports_check_mode=True)
    result = answered(answer, Call(module.params, module.check_mode, module._diff, module.warn))
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def answered(answer: Answer, call: Call) -> dict[str, Any]:
    """The result; an unexpected error becomes one sentence, and Ansible shows its traceback only on request."""
    try:
        return answer(call)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return {
            "failed": True,
            "msg": f"{type(error).__name__} ({error}) at {Path(frame.filename).name}:{frame.lineno}, an unexpected "
            "error: nothing more was done; see the state by the playbook progressive.istio.status, and report this",
            "exception": "".join(traceback.format_exception(error)),
        }


def shown(arguments: Mapping[str, Any], params: object, result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as it may be printed, with the options of the call, but without the secret mappings in these."""
    found: dict[str, Any] = printable_values(result, LINES)
    if isinstance(params, dict):
        found["invocation"] = {"module_args": concealed(arguments, params)}
    return found


def to_mask(arguments: Mapping[str, Any], params: Mapping[str, Any], values: Set[str]) -> set[str]:
    """What must not be printed. values: all of options that are `no_log`."""
    secret = list(mappings(arguments, params))
    harmless = {text for each in secret for text in leaves(each)}
    secrets = {text for each in secret for text in secrets_in(each)} | password_in(params.get("proxy") or "")
    kubeconfig = params.get("kubeconfig")  # messages name its path; only its contents are secret
    return {*(values - harmless), *secrets} - ({kubeconfig} if isinstance(kubeconfig, str) else set())


def unreadable(arguments: Mapping[str, Any], params: Mapping[str, Any], error: Exception) -> str:
    """Why options cannot be read at all."""
    wrong = unfit(arguments, params)
    return "; ".join(wrong) or f"the options cannot be read: {type(error).__name__}: {error}"


def unfit(spec: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Why options with suboptions that are no mappings cannot be read."""
    for name, option in spec.items():
        value, place = given.get(name), f"{path}{name}"
        if option.get("type") == "raw" or not option.get("options") or value is None or isinstance(value, (str, list)):
            continue
        if isinstance(value, Mapping):
            yield from unfit(option["options"], value, f"{place}.")
        else:
            yield f"{place} is {show(value)}: it must be a mapping with {', '.join(option['options'])}"
