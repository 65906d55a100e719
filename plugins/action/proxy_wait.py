# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until the proxies know subsets, or none does."""

from __future__ import annotations

from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.modules import proxy_wait
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `proxy_wait`."""

    MODULE = "progressive.istio.proxy_wait"
    SPEC = proxy_wait.SPEC

    def answer(self, call: Call) -> dict[str, Any]:
        return proxy_wait.answer(call)
