"""What can befall a module in mid-run: `kill-after N` requests, `kill-after-write N` or `before-patch COMMAND`.

Or let the canary's pods go, as `NAMESPACE/DEPLOYMENT LABEL=VALUE FILE`, where FILE is told the time (Unix):
`pods-go-around-write N ...` before the N-th request from the first write on, which is number 0, and
`pods-go-after-write SECONDS ...` after the first write.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import DEPLOYMENT, POD, Cluster

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


class Pods:
    """All of a Deployment, which go at once and do not come back. Nothing tells of them any more from then on."""

    def __init__(self, deployment: str, labels: str, file: str) -> None:
        self._namespace, self._name = deployment.split("/")
        self._labels, self._file = labels, Path(file)

    def go(self, cluster: Cluster) -> None:
        patch(
            cluster, DEPLOYMENT, self._name, self._namespace, [{"op": "replace", "path": "/spec/replicas", "value": 0}]
        )
        for pod in cluster.list(POD, self._namespace, self._labels):
            place = POD.path(self._namespace, pod["metadata"]["name"])
            with suppress(ClusterError):  # its ReplicaSet was faster
                send(cluster, "DELETE", place, "DELETE Pod", {"gracePeriodSeconds": "0"}, None, 15)
        self._file.write_text(str(time.time()))


def gone_around_write(number: int, pods: Pods) -> None:
    requests = itertools.count()

    def late(self: Cluster, method: str, *arguments: Any, **options: Any) -> Any:
        if method == "PATCH" or begun:
            begun.append(method)
            if next(requests) == number:
                Cluster._send = send
                pods.go(self)
        return send(self, method, *arguments, **options)

    begun: list[str] = []
    Cluster._send = late


def gone_after_write(seconds: float, pods: Pods) -> None:
    def then(self: Cluster, *arguments: Any, **options: Any) -> Any:
        Cluster.patch = patch
        written = patch(self, *arguments, **options)
        threading.Timer(seconds, pods.go, [self]).start()
        return written

    Cluster.patch = then


def hurt(fault: str, argument: str, *others: str) -> None:
    """Prepare this process for the fault."""
    if fault == "kill-after":
        Cluster._send = killed_after(int(argument), send)
    elif fault == "kill-after-write":
        Cluster.patch = killed_after(int(argument), patch)
    elif fault == "before-patch":
        interfered_with(argument)
    elif fault == "pods-go-around-write":
        gone_around_write(int(argument), Pods(*others))
    elif fault == "pods-go-after-write":
        gone_after_write(float(argument), Pods(*others))
    else:
        raise ValueError(f"there is no fault '{fault}'")
