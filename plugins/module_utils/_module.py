# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The door by which everything leaves a module: results, errors and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ._printable import for_people, printable
from ._secrets import concealed, leaves, mappings, password_in, secrets_in
from ._values import show

# Results whose line ends are ours; whoever makes them escapes their lines.
LINES = frozenset({"report", "table", "before", "after"})


class Module(AnsibleModule):  # type: ignore[misc]  # Ansible is not typed
    """A module that prints no control character of the cluster, and masks secrets and nothing else."""

    no_log_values: set[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except Exception as error:  # Ansible's own reading of options does not expect everything that a play can hold
            wrong = unfit(self.argument_spec, self.params)
            self.fail_json("; ".join(wrong) or f"the options cannot be read: {type(error).__name__}: {error}")
        secret = list(mappings(self.argument_spec, self.params))
        beside = {text for each in secret for text in leaves(each)}
        inside = {text for each in secret for text in secrets_in(each)} | password_in(self.params.get("proxy") or "")
        self.no_log_values = (self.no_log_values - beside) | inside
        kubeconfig = self.params.get("kubeconfig")
        if isinstance(kubeconfig, str):  # messages name it: its path is no secret, only its contents are
            self.no_log_values.discard(kubeconfig)

    def exit_json(self, **kwargs: Any) -> NoReturn:  # type: ignore[misc]
        super().exit_json(**self._shown(kwargs))

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:  # type: ignore[misc]
        super().fail_json(printable(msg), **self._shown(kwargs))

    def warn(self, warning: str, **kwargs: Any) -> None:
        super().warn(printable(warning), **kwargs)

    def _shown(self, result: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = for_people(result, LINES)
        if isinstance(getattr(self, "params", None), dict):
            shown["invocation"] = {"module_args": concealed(self.argument_spec, self.params)}
        return shown


def unfit(spec: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The options with options of their own that are given as something else."""
    for name, option in spec.items():
        value, place = given.get(name), f"{path}{name}"
        if not option.get("options") or value is None or isinstance(value, (str, list)):
            continue
        if isinstance(value, Mapping):
            yield from unfit(option["options"], value, f"{place}.")
        else:
            yield f"{place} is {show(value)}: it must be a mapping with {', '.join(option['options'])}"
