"""A step under watch where what it watches goes, and where the line to the proxies is bad."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from load import Load
from molecule_helpers import module
from pace import Pace
from relay import Relay
from watched import FRAIL, SHOP

STEP = {"namespace": SHOP.namespace, "stable": "blue", "state": "advanced", "steps": [20, 50, 100]}

# Before the write of a step, or before the n-th request after it, and so many seconds after it.
AROUND_WRITE = (0, 1, 2, 3, 4)
AFTER_WRITE = (0.0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.3, 0.4, 0.6, 1.0, 2.0)
MOMENTS = [
    *(("pods-go-around-write", str(each)) for each in AROUND_WRITE),
    *(("pods-go-after-write", str(each)) for each in AFTER_WRITE),
]

# Seconds that an answer of a port-forward takes, and between two cuts of all of them: a new one takes two answers.
LINES = ((0.2, 5.0), (0.7, 5.0), (2.0, 8.0))
ANSWERS = 12  # as many are awaited from the write on, at most: a proof and two looks over new connections, or cut ones


def at(result: dict[str, Any], event: str) -> float:
    """When the write of this event was decided (Unix time)."""
    (found,) = [each["at"] for each in result["transitions"] if each["event"] == event]
    return datetime.fromisoformat(found).timestamp()


def shares(virtual_service: str) -> dict[str, int]:
    route = SHOP.kube.get("virtualservice", virtual_service)["spec"]["http"][0]["route"]
    return {each["destination"]["subset"]: each.get("weight", 0) for each in route}


def death(version: str, moment: tuple[str, str], folder: Path) -> tuple[str, float]:
    """One step during which all pods of the canary go: what is wrong, and after how many seconds it was rolled back."""
    SHOP.kube.run("scale", "deployment", f"checkout-{version}", "--replicas=1")
    SHOP.kube.await_pods(f"checkout-{version}")
    file = folder / "-".join((version, *moment))
    fault = (*moment, f"{SHOP.namespace}/checkout-{version}", f"{SHOP.label}={version}", str(file))
    options = {**STEP, "name": version, "canary": version, "interval": 90, "proof_timeout": 60}
    result = module("canary", fault=fault, **options, confirm=True)
    ended = result["msg"] if shares(version) != {"blue": 100, version: 0} or "transitions" not in result else ""
    return ended, 0.0 if ended else at(result, "failed") - float(file.read_text())


def test_a_canary_whose_last_pod_goes_at_any_of_twenty_moments_is_rolled_back(tmp_path: Path) -> None:
    """Between the last look and the write, before and after the proof, before the watch, and just after it began."""

    def deaths(number: int) -> list[tuple[tuple[str, str], str, float]]:
        return [(each, *death(FRAIL[number], each, tmp_path)) for each in MOMENTS[number :: len(FRAIL)]]

    with Pace() as pace, ThreadPoolExecutor(len(FRAIL)) as pool:
        found = [each for several in pool.map(deaths, range(len(FRAIL))) for each in several]
    for moment, wrong, seconds in found:
        print(*moment, f"{seconds:.2f} s", wrong, file=sys.stderr)
    print(f"slowdown {pace.slowdown:.2f}", file=sys.stderr)
    assert len(found) == 20
    assert not [each for each in found if each[1]]
    promised = 3 if pace.slowdown < 1.5 else 6  # seconds; a busy machine is not as slow all the time
    assert max(seconds for _moment, _wrong, seconds in found) < promised * pace.slowdown


@pytest.fixture
def api_server() -> Iterator[int]:
    """A port on loopback where the API server speaks without TLS, so that port-forwards can be told from the rest."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(["kubectl", "proxy", f"--port={port}"], stdout=subprocess.PIPE) as proxy:
        assert proxy.stdout
        assert b"Starting to serve" in proxy.stdout.readline()
        yield port
        proxy.terminate()


def broken_step(ingress: str, port: int, folder: Path) -> tuple[float, dict[str, int]]:
    """Seconds from the write of a broken canary's step until the write that takes it back, and what users got."""
    cluster = {"name": "line", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "line", "context": {"cluster": "line", "user": "line"}}
    config = {"clusters": [cluster], "contexts": [context], "users": [{"name": "line", "user": {}}]}
    kubeconfig = folder / f"kubeconfig-{port}"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "line", **config}))
    load = Load(f"http://{ingress}/version", SHOP.public, 100, folder / f"load-{port}.json")
    try:
        options = {**STEP, "name": "checkout-routes", "canary": "broken", "interval": 90, "confirm": True}
        result = module("canary", kubeconfig=str(kubeconfig), **options, analysis={"latency": False})
        assert result["phase"] == "rolled_back", result["msg"]
        time.sleep(0.5)
    finally:
        answers = load.stop()
    return at(result, "failed") - at(result, "advanced"), answers


def test_a_bad_canary_is_rolled_back_over_a_bad_line(ingress: str, api_server: int, tmp_path: Path) -> None:
    with Relay("127.0.0.1", api_server) as line:
        usual, answers = broken_step(ingress, line.port, tmp_path)
    print(f"good line: {usual:.1f} s, {answers}", file=sys.stderr)
    for delay, cut in LINES:
        with Relay("127.0.0.1", api_server, delay=delay, cut=cut, only=b"/portforward") as line:
            seconds, answers = broken_step(ingress, line.port, tmp_path)
        print(f"{delay:g} s late, cut every {cut:g} s: {seconds:.1f} s, {answers}", file=sys.stderr)
        assert seconds < 2 * usual + ANSWERS * delay
