"""Run the canary module and hurt it: `kill-after N` requests, `kill-after-write N` or `before-patch COMMAND`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._cluster import Cluster
from ansible_collections.progressive.istio.plugins.modules import canary

KILLED = 137

send, patch = Cluster._send, Cluster.patch


def killed_after(count: int, method: Callable[..., Any]) -> Callable[..., Any]:
    answered = 0

    def dying(self: Cluster, *arguments: Any, **options: Any) -> Any:
        nonlocal answered
        answer = method(self, *arguments, **options)
        answered += 1
        if answered == count:
            os._exit(KILLED)
        return answer

    return dying


def interfered_with(command: str) -> None:
    commands = [command]

    def late(self: Cluster, *arguments: Any, **options: Any) -> Any:
        while commands:
            subprocess.run(commands.pop(), shell=True, check=True, stdout=sys.stderr)
        return patch(self, *arguments, **options)

    Cluster.patch = late


fault, argument = sys.argv[1:3]
del sys.argv[1:]
if fault == "kill-after":
    Cluster._send = killed_after(int(argument), send)
elif fault == "kill-after-write":
    Cluster.patch = killed_after(int(argument), patch)
elif fault == "before-patch":
    interfered_with(argument)
else:
    sys.exit(f"there is no fault '{fault}'")
canary.main()
