# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Kiali's graph."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import kiali_graph_info
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `kiali_graph_info`."""

    MODULE = "progressive.istio.kiali_graph_info"
    SPEC = kiali_graph_info.SPEC

    def answer(self, call: Call) -> dict[str, Any]:
        return kiali_graph_info.answer(call)
