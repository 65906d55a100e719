"""A port of a pod on a loopback port of this machine, by `kubectl port-forward`."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.progress import LabError

CONNECT_SECONDS = 15.0


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[str]:
    """Yield the URL of this port of `pod/NAME` or `deployment/NAME` until the block ends."""
    command = ["kubectl", "-n", namespace, "port-forward", "--address", "127.0.0.1", target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield f"http://{_address(process, f'port {port} of {target} in {namespace}')}"
        finally:
            process.terminate()


def _address(process: subprocess.Popen[bytes], place: str) -> str:
    """Read the loopback address that kubectl prints once it listens."""
    assert process.stdout
    said = ""
    deadline = time.monotonic() + CONNECT_SECONDS
    while (left := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left)[0]:
        line = process.stdout.readline().decode()
        if line.startswith("Forwarding from "):
            return line.split()[2]
        if not line:
            break
        said = line.strip()
    raise LabError(f"kubectl cannot forward {place}: {said or f'nothing within {CONNECT_SECONDS:g} s'}")
