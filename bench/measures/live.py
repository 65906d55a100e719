"""The delay of the proof: when `canary` reports a weight as live, against when every gateway applied it.

Two gateways, asked over port-forwards of our own. Envoy notes when it took on a route configuration, by the clock of
its node, which is this machine's; that is the fact.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from molecule_helpers import COLLECTIONS, Kube

from bench import commands
from bench.context import FOLDER, Bench
from bench.envoy import updated
from bench.findings import Findings, Row
from bench.forward import forwarded
from bench.service import NAMESPACE, VIRTUAL_SERVICE
from lab.progress import LabError

WEIGHTS = (60, 70)
GATEWAYS = 2
ADMIN_PORT = 15000
QUIET = 0.3  # seconds between two steps, so that istiod has finished the first
AIM_MS = 20
SYSTEM, INGRESS = "istio-system", "istio-ingressgateway"


@dataclass(frozen=True)
class Times:
    """When a weight was written, applied by every gateway, seen and proven; seconds of the epoch."""

    written: float
    fact: float
    seen: float
    proven: float


def measure(bench: Bench) -> Findings:
    """Take each step, then ask the gateways."""
    with _gateways(GATEWAYS) as admins:
        _step(WEIGHTS[-1])
        return findings_of([_timed(WEIGHTS[number % 2], admins) for number in range(bench.rounds)])


def findings_of(times: Sequence[Times]) -> Findings:
    """Medians and the worst. Pure."""
    lags = [1000 * (each.proven - each.fact) for each in times]
    sights = [1000 * (each.seen - each.fact) for each in times]
    live = median(1000 * (each.fact - each.written) for each in times)
    worst = max(lags)
    return Findings(
        "Time to live",
        (
            Row(f"written to live in {GATEWAYS} gateways, median of {len(times)}", f"{live:.0f} ms"),
            Row("live to seen, median / most", f"{median(sights):.1f} / {max(sights):.1f} ms"),
            Row(
                "live to proven, median / most",
                f"{median(lags):.1f} / {worst:.1f} ms",
                aim=f"<= {AIM_MS} ms",
                reached=worst <= AIM_MS,
            ),
        ),
        {
            "proof_lag_ms": round(median(lags), 1),
            "proof_lag_ms_max": round(worst, 1),
            "seen_lag_ms": round(median(sights), 1),
            "seen_lag_ms_max": round(max(sights), 1),
            "live_after_ms": round(live),
            "gateways": GATEWAYS,
        },
    )


@contextmanager
def _gateways(number: int) -> Iterator[list[str]]:
    """Yield the admin interfaces of so many gateways; restore their number afterwards."""
    kube = Kube(SYSTEM)
    before = kube.get("deployment", INGRESS)["spec"]["replicas"]
    with ExitStack() as cleanup:
        cleanup.callback(_scale, kube, before)
        _scale(kube, number)
        pods = [pod["metadata"]["name"] for pod in kube.list("pods", f"istio={INGRESS.removeprefix('istio-')}")]
        if len(pods) != number:
            raise LabError(f"there are {len(pods)} gateways instead of {number}: {', '.join(pods)}")
        yield [cleanup.enter_context(forwarded(SYSTEM, f"pod/{pod}", ADMIN_PORT)) for pod in pods]


def _scale(kube: Kube, number: int) -> None:
    kube.run("scale", "deployment", INGRESS, f"--replicas={number}")
    kube.run("rollout", "status", "deployment", INGRESS, "--timeout=60s")


def _timed(weight: int, admins: Sequence[str]) -> Times:
    time.sleep(QUIET)
    before = [_updated(admin) for admin in admins]
    stamps = _step(weight)
    facts = [_updated(admin) for admin in admins]
    if any(fact == old for fact, old in zip(facts, before, strict=True)):
        raise LabError(f"a gateway does not say when it took {weight} % on, so the delay of the proof is unknown")
    return Times(stamps["written"], max(facts), stamps["seen"], stamps["proven"])


def _step(weight: int) -> dict[str, float]:
    """Set a weight by the module itself, and return when it was written and proven."""
    options = {"name": VIRTUAL_SERVICE, "namespace": NAMESPACE, "stable": "v1", "canary": "v2", "weight": weight}
    ended = commands.run(
        [sys.executable, "-P", FOLDER / "stopwatch.py"],
        env={"PYTHONPATH": str(COLLECTIONS)},
        stdin=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
    ).succeeded()
    stamps: dict[str, float] = json.loads(ended.errors.splitlines()[-1])
    if not stamps.keys() >= {"written", "seen", "proven"}:
        raise LabError(f"canary did not write and prove {weight} %: {ended.output.strip()}")
    return stamps


def _updated(admin: str) -> float:
    with urllib.request.urlopen(f"{admin}/config_dump?resource=dynamic_route_configs", timeout=10) as answer:
        return updated(answer.read(), f"{NAMESPACE}/{VIRTUAL_SERVICE}")
