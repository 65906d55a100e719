# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides for the roles what to write, restart or remove, and refuses to touch what is not theirs. It reads nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.plugin_utils import _settings
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import (
    app_version,
    cleanup,
    destination_rule,
    gateway,
    injection,
    restart,
    settings,
    site,
    teardown,
    virtual_service,
)
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import NotOurs

CHECKS: dict[str, Callable[..., list[str]]] = {
    "settings": settings.mistakes,
    "sidecars": restart.problems,
    "site": site.problems,
}
PLANS: dict[str, Callable[..., dict[str, Any]]] = {
    "app_version": app_version.plan,
    "cleanup": cleanup.plan,
    "destination_rule": destination_rule.plan,
    "gateway": gateway.plan,
    "injection": injection.plan,
    "restart": restart.plan,
    "teardown": teardown.plan,
    "virtual_service": virtual_service.plan,
}
ARGUMENTS = {
    "of": {"type": "str", "required": True, "choices": [*CHECKS, *PLANS]},
    "given": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """All of `plan`: it needs no host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What was planned, or in one sentence for each problem why nothing was."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        name, given = arguments["of"], arguments["given"]
        if name == "settings":
            given = _settings.given(self, task_vars or {}, given)
        try:
            problems, planned = (CHECKS[name](**given), {}) if name in CHECKS else ([], PLANS[name](**given))
        except NotOurs as refused:
            problems, planned = [str(refused)], {}
        if problems:
            return {"changed": False, "failed": True, "msg": printable("; ".join(problems))}
        return {"changed": False, **planned}
