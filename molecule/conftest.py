"""What all tests share: the cluster as kubectl sees it, playbooks as a person runs them, real requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent

# --import-mode=importlib leaves out the folders of the tests, where their own helpers are.
sys.path[:0] = [str(HERE), str(HERE.parent / "build" / "collections"), *map(str, HERE.glob("*/tests"))]

from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import acceptance_range  # noqa: E402 - needs the path
from molecule_helpers import Kube, Run  # noqa: E402


@pytest.fixture(scope="session")
def kube() -> Callable[[str], Kube]:
    return Kube


@pytest.fixture(scope="session")
def play() -> Callable[..., Run]:
    """Run a playbook of the collection with `-e` for each variable, as a person would."""

    def run(name: str, *options: str, **variables: Any) -> Run:
        extra = ["-e", json.dumps(variables)] if variables else []
        process = subprocess.run(
            ["ansible-playbook", f"progressive.istio.{name}", *extra, *options],
            cwd="/",
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "False"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        return Run(process.returncode, process.stdout + process.stderr)

    return run


@pytest.fixture(scope="session")
def ingress() -> str:
    """The address that the tutorial's own command prints."""
    path = "{.status.loadBalancer.ingress[0].ip}"
    return Kube("istio-system").run("get", "svc", "istio-ingressgateway", "-o", f"jsonpath={path}")


@pytest.fixture(scope="session")
def answers(ingress: str) -> Callable[..., Counter[str]]:
    """Send requests through a gateway, and count what came back: the body, or the status of an error."""

    def send(address: str, path: str, host: str, count: int) -> Counter[str]:
        connection = HTTPConnection(address, timeout=30)
        found: Counter[str] = Counter()
        for _ in range(count):
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            body = response.read().decode().strip()
            found[body if response.status == 200 else str(response.status)] += 1
        connection.close()
        return found

    def ask(path: str = "/version", host: str = "pong.test", count: int = 1, address: str = ingress) -> Counter[str]:
        workers = min(4, count)
        with ThreadPoolExecutor(workers) as pool:
            shares = [count // workers + (number < count % workers) for number in range(workers)]
            return sum(pool.map(lambda share: send(address, path, host, share), shares), Counter())

    return ask


@pytest.fixture(scope="session")
def split(answers: Callable[..., Counter[str]]) -> Callable[..., None]:
    """Assert that requests split as weights say: every one answered, the canary's share in the exact range.

    At once after a weight was reported as live: nothing is waited for.
    """

    def check(weight: int, stable: str = "v1", canary: str = "v2", count: int = 1000, **where: str) -> None:
        found = answers(count=count, **where)
        assert set(found) <= {stable, canary}, found
        accepted = acceptance_range(count, weight / 100)
        assert accepted.low <= found[canary] <= accepted.high, f"{found} at {weight} %, accepted {accepted} of {count}"

    return check


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; it is asked again until the deadline and its last failure is the test's."""

    def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"did not hold within {seconds} s"
            time.sleep(0.5)

    return wait
