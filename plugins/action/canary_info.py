# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of a canary."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import canary_info
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `canary_info`."""

    MODULE = "progressive.istio.canary_info"
    SPEC = canary_info.SPEC

    def answer(self, call: Call) -> dict[str, Any]:
        return canary_info.answer(call)
