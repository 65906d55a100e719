# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a host as the tasks of a role see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ._in_process import plain
from ._plan import settings

ROLE = "progressive.istio.canary"


def given(action: ActionBase, variables: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What `settings.mistakes` takes: all settings of the host, those of the other roles in `more`, all names."""
    template = action._templar.template
    others = template(settings.of_roles(variables, more.get("roles") or []))
    own = {name: value for name, value in more.items() if name != "roles"}
    found = template(settings.of_host(variables))
    return {"settings": {**found, **own}, "names": list(variables), "others": plain(others)}


def mistakes_in_role(action: ActionBase, variables: Mapping[str, Any], **more: Any) -> str:
    """All mistakes in the settings where the task is one of the role; a task of its own saves no host a line."""
    role = getattr(action._task, "_role", None)
    if role is None or role.get_name() != ROLE:
        return ""
    return "; ".join(settings.mistakes(**given(action, variables, more)))
