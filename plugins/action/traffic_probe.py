# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends requests and counts which versions answer."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import traffic_probe
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `traffic_probe`."""

    MODULE = "progressive.istio.traffic_probe"
    SPEC = traffic_probe.SPEC
    LIBRARIES = ()

    def answer(self, call: Call) -> dict[str, Any]:
        return traffic_probe.answer(call)
