# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the address of an ingress gateway."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import ingress_info
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `ingress_info`."""

    MODULE = "progressive.istio.ingress_info"
    SPEC = ingress_info.SPEC

    def answer(self, call: Call) -> dict[str, Any]:
        return ingress_info.answer(call)
