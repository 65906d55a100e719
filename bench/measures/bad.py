"""How many bad answers users get from a canary that fails every request, until all requests are back on stable.

100 requests/s through the gateway's loopback port, first step 20 %, analysis with its defaults. Measured the same way
on this lab, users saw 380-421 with Flagger and 179-215 with Argo Rollouts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from molecule_helpers import module

from bench import load
from bench.context import Bench
from bench.findings import Findings, Row
from bench.fortio import Fortio
from bench.load import CONNECTIONS, PATH
from bench.service import APP, HOST, NAMESPACE, VIRTUAL_SERVICE, Service
from lab.progress import LabError

RATE = 100.0  # requests per second
LONGEST = 60.0  # seconds of load, at most
SETTLED = 2.0  # seconds of load before the step and after its end
MOST_TURNS = 5
AIM = 12
ERROR = 500
OPTIONS: dict[str, Any] = {"name": VIRTUAL_SERVICE, "namespace": NAMESPACE, "stable": "v1", "canary": "v2"}
STEP: dict[str, Any] = {"state": "advanced", "steps": [20, 50, 100], "interval": 60, "analysis": {}, "confirm": True}


@dataclass(frozen=True)
class Turn:
    """One bad canary. seconds: from the write of its weight until the way back was live in every gateway."""

    bad: int
    sent: int
    seconds: float


def measure(bench: Bench) -> Findings:
    """Take the first step of a bad canary repeatedly."""
    with _failing(bench.service), load.outside() as fortio:
        turns = [_turn(bench, fortio) for _ in range(min(bench.rounds, MOST_TURNS))]
    return findings_of(turns)


def findings_of(turns: Sequence[Turn]) -> Findings:
    """Medians and the worst. Pure."""
    bad, seconds = [turn.bad for turn in turns], [turn.seconds for turn in turns]
    return Findings(
        "A canary that fails every request",
        (
            Row(
                f"bad answers before the way back was live, median / most of {len(turns)}",
                f"{median(bad):g} / {max(bad)}",
                aim=f"<= {AIM}",
                reached=max(bad) <= AIM,
            ),
            Row("seconds exposed, median / most", f"{median(seconds):.2f} / {max(seconds):.2f} s"),
        ),
        {
            "bad_answers_before_rollback": median(bad),
            "bad_answers_before_rollback_max": max(bad),
            "seconds_exposed": round(median(seconds), 2),
            "seconds_exposed_max": round(max(seconds), 2),
        },
    )


@contextmanager
def _failing(service: Service) -> Iterator[None]:
    """Let v2 answer every request with 500 meanwhile."""
    service.kube.run("set", "env", f"deployment/{APP}-v2", "PONG_ERROR_RATE=1")
    try:
        _rolled_out(service)
        yield
    finally:
        module("canary", **OPTIONS, state="rolled_back")
        service.kube.run("annotate", "virtualservice", VIRTUAL_SERVICE, "progressive.istio/canary-")
        service.kube.run("set", "env", f"deployment/{APP}-v2", "PONG_ERROR_RATE-")
        _rolled_out(service)


def _rolled_out(service: Service) -> None:
    service.kube.run("rollout", "status", f"deployment/{APP}-v2", "--timeout=120s")


def _turn(bench: Bench, fortio: Fortio) -> Turn:
    module("canary", **OPTIONS, state="rolled_back")
    running = fortio.start(f"http://127.0.0.1:{bench.port}{PATH}", HOST, RATE, CONNECTIONS, LONGEST)
    try:
        time.sleep(SETTLED)
        result = module("canary", **OPTIONS, **STEP)
        time.sleep(SETTLED)
    finally:
        answers = running.stop()
    if result.get("phase") != "rolled_back" or not result.get("live"):
        raise LabError(f"the bad canary was not rolled back and proven: {result['msg']}")
    return Turn(answers.by_status[ERROR], answers.sent, _exposed(bench.service, result))


def _exposed(service: Service, result: dict[str, Any]) -> float:
    annotations = service.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"]["annotations"]
    times = {
        past["event"]: datetime.fromisoformat(past["at"])
        for past in json.loads(annotations["progressive.istio/canary"])["history"]
    }
    live: int = max(each["after"] for each in result["live"])
    return (times["failed"] - times["advanced"]).total_seconds() + live / 1000
