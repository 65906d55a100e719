# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the objects that a role needs."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import objects_info
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `objects_info`."""

    MODULE = "progressive.istio.objects_info"
    SPEC = objects_info.SPEC

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What was found, as objects."""
        result = super().run(tmp, task_vars)
        return result if "found" not in result else {**result, "found": json.loads(result["found"])}

    def answer(self, call: Call) -> dict[str, Any]:
        return objects_info.answer(call)
