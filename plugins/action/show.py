# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints lines as they are, in colour if Ansible uses colour: on terminals, and by its settings."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.plugin_utils._readers import read_by_people

# Ansible's own colours, so that the settings of the user apply.
SETTINGS = {"ok": "COLOR_OK", "warning": "COLOR_WARN", "error": "COLOR_ERROR", "command": "COLOR_HIGHLIGHT"}
LINE = {
    "text": {"type": "str", "required": True},
    "tone": {"type": "str", "choices": [*SETTINGS, "plain"], "default": "plain"},
}
ARGUMENTS = {
    "lines": {"type": "list", "elements": "dict", "default": [], "options": LINE},
    "text": {"type": "str", "default": ""},
    "fail": {"type": "str", "default": ""},
}

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """All of `show`: it needs no host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print each line, and return all of them for programs."""
        super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(ARGUMENTS)
        lines = [{"text": text, "tone": "plain"} for text in given["text"].splitlines()] + given["lines"]
        if read_by_people():
            for line in lines:
                setting = SETTINGS.get(line["tone"])
                display.display(printable(line["text"]), color=getattr(C, setting) if setting else None)
        result = {"changed": False, "lines": [printable(line["text"]) for line in lines]}
        if given["fail"]:
            return {"changed": False, "failed": True, "msg": printable(given["fail"])}
        return result | {"_ansible_verbose_override": True}  # with -v they are not printed again
