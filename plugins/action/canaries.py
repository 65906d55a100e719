# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves many canaries at once."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call
from ansible_collections.progressive.istio.plugins.module_utils._fleet.many import SPEC, answer
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import process_here
from ansible_collections.progressive.istio.plugins.plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    """The controller's part of `canaries`: it names the play as the run, after whose end no weight is raised."""

    MODULE = "progressive.istio.canaries"
    SPEC = SPEC

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the module."""
        super(InProcessAction, self).run(tmp, task_vars)
        controller = os.getppid()
        process = {"host": socket.gethostname(), "pid": controller, **process_here(controller)}
        arguments = {**self._task.args, "run": {"id": secrets.token_hex(8), **process}}
        return self.called(arguments, task_vars or {}, self.answer)

    def answer(self, call: Call) -> dict[str, Any]:
        return answer(call)
