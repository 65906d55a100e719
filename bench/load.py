"""The load during a release: through the gateway from this machine, and from a pod in the mesh."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from molecule_helpers import Kube, sidecar

from bench.fortio import Answers, Fortio
from bench.forward import forwarded
from lab.images import FORTIO_IMAGE
from lab.progress import LabError

RATE = 220.0  # requests per second of each load, so that at least 200 arrive
LEAST = 200.0
CONNECTIONS = 8
LONGEST = 240.0  # seconds that a load lasts at most
BEFORE, AFTER = 1.0, 3.0  # seconds of load before and after
PORT = 8080
PATH = "/version"
SERVER = ("-grpc-port=disabled", "-tcp-port=disabled", "-udp-port=disabled", "-redirect-port=disabled", "-data-dir=")


@dataclass(frozen=True)
class Both:
    """The answers to the two loads."""

    gateway: Answers
    mesh: Answers

    @property
    def sent(self) -> int:
        return self.gateway.sent + self.mesh.sent

    @property
    def lost(self) -> int:
        return self.gateway.lost + self.mesh.lost


@dataclass(frozen=True)
class Site:
    """The target of requests: a host behind the gateway, and the same service by its name in the mesh."""

    gateway: str
    host: str
    mesh: str


class Under:
    """Both loads on one service."""

    def __init__(self, outside: Fortio, inside: Fortio, site: Site) -> None:
        self._outside, self._inside, self._site = outside, inside, site
        self.answers: Both | None = None

    @contextmanager
    def load(self) -> Iterator[None]:
        """Keep up the load while the block runs; its result is in `answers` afterwards."""
        self.answers, begin = None, time.monotonic()
        outside = self._outside.start(f"{self._site.gateway}{PATH}", self._site.host, RATE, CONNECTIONS, LONGEST)
        inside = self._inside.start(f"{self._site.mesh}{PATH}", "", RATE, CONNECTIONS, LONGEST)
        try:
            time.sleep(BEFORE)
            yield
            time.sleep(AFTER)
            if time.monotonic() - begin > LONGEST:
                raise LabError(f"what was to be done under load took longer than the load's {LONGEST:g} s")
        finally:
            both = Both(outside.stop(), inside.stop())
        for where, answers in (("through the gateway", both.gateway), ("in the mesh", both.mesh)):
            if answers.rate < LEAST:
                raise LabError(f"only {answers.rate:.0f} requests per second went {where}, {LEAST:g} are needed")
        self.answers = both


@contextmanager
def outside() -> Iterator[Fortio]:
    """Yield a fortio of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["fortio", "server", f"-http-port={address}", *SERVER]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        try:
            fortio = Fortio(f"http://{address}")
            fortio.wait()
            yield fortio
        finally:
            process.terminate()


@contextmanager
def inside(namespace: str) -> Iterator[Fortio]:
    """Yield a fortio in a pod of this namespace, which has a sidecar."""
    kube = Kube(namespace)
    kube.apply(_pod())
    kube.run("wait", "--for=condition=Ready", "pod/fortio", "--timeout=60s")
    if not sidecar(kube.get("pod", "fortio")):
        raise LabError(f"pod {namespace}/fortio has no sidecar, so it is not in the mesh")
    with forwarded(namespace, "pod/fortio", PORT) as server:
        fortio = Fortio(server)
        fortio.wait()
        yield fortio


def _pod() -> dict[str, object]:
    container = {
        "name": "fortio",
        "image": FORTIO_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["server", f"-http-port={PORT}", *SERVER],
        "readinessProbe": {"httpGet": {"path": "/fortio/rest/status", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "fortio", "labels": {"app": "fortio"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
