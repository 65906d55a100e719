"""Run the canary module and hurt it: `kill-after N` requests, or `before-patch COMMAND` by somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._cluster import Cluster
from ansible_collections.progressive.istio.plugins.modules import canary

KILLED = 137

send, patch = Cluster._send, Cluster.patch


def killed_after(count: int) -> None:
    answered = 0

    def dying(self: Cluster, *arguments: Any, **options: Any) -> Any:
        nonlocal answered
        answer = send(self, *arguments, **options)
        answered += 1
        if answered == count:
            os._exit(KILLED)
        return answer

    Cluster._send = dying


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
    killed_after(int(argument))
elif fault == "before-patch":
    interfered_with(argument)
else:
    sys.exit(f"there is no fault '{fault}'")
canary.main()
