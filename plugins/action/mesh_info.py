# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the rules of the mesh."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import mesh_info
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `mesh_info`."""

    MODULE = "progressive.istio.mesh_info"
    SPEC = mesh_info.SPEC

    def answer(self, call: Call) -> dict[str, Any]:
        return mesh_info.answer(call)
