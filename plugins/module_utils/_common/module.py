# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of all modules: every result, error and warning passes it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .printable import printable, printable_values
from .secrets import concealed, leaves, mappings, password_in, secrets_in
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
            wrong = unfit(self.argument_spec, self.params)
            self.fail_json("; ".join(wrong) or f"the options cannot be read: {type(error).__name__}: {error}")
        secret = list(mappings(self.argument_spec, self.params))
        values = {text for each in secret for text in leaves(each)}
        secrets = {text for each in secret for text in secrets_in(each)} | password_in(self.params.get("proxy") or "")
        self.no_log_values = (self.no_log_values - values) | secrets
        kubeconfig = self.params.get("kubeconfig")
        if isinstance(kubeconfig, str):  # messages name its path; only its contents are secret
            self.no_log_values.discard(kubeconfig)
        Module.current = self

    def exit_json(self, **kwargs: Any) -> NoReturn:  # type: ignore[misc]
        super().exit_json(**self._shown(kwargs))

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:  # type: ignore[misc]
        if Module.current is not self and getattr(self, "validation_result", None):
            # Ansible has checked the options and reports the first mistake only.
            msg = "; ".join([msg, *self.validation_result.error_messages[1:]])
        super().fail_json(printable(msg), **self._shown(kwargs))

    def warn(self, warning: str, **kwargs: Any) -> None:
        super().warn(printable(warning), **kwargs)

    def fail_unexpected(self, error: Exception) -> NoReturn:
        """Fail with one sentence; Ansible shows the traceback only on request."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.fail_json(
            f"{type(error).__name__} ({error}) at {Path(frame.filename).name}:{frame.lineno}, an unexpected error: "
            "nothing more was done; see the state by the playbook progressive.istio.status, and report this",
            exception="".join(traceback.format_exception(error)),
        )

    def _shown(self, result: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = printable_values(result, LINES)
        if isinstance(getattr(self, "params", None), dict):
            shown["invocation"] = {"module_args": concealed(self.argument_spec, self.params)}
        return shown


def answering(main: Callable[[], None]) -> Callable[[], None]:
    """Decorate the main function of a module: an unexpected error becomes one sentence."""

    @wraps(main)
    def run() -> None:
        Module.current = None
        try:
            main()
        except Exception as error:
            if Module.current is None:
                raise
            Module.current.fail_unexpected(error)

    return run


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
