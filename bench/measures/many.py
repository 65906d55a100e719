"""Sixty services behind one gateway, each moved by one step and proven by one task of `canaries`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import median

from bench import commands, estate
from bench.context import Bench
from bench.findings import Findings, Row
from bench.playbooks import ENVIRONMENT, named, tasks_of
from bench.service import NAMESPACE
from lab.progress import LabError

SERVICES = 60
STEPS = [10, 20, 30, 40, 50, 60, 70, 100]
ENOUGH = len(STEPS) - 1
NAMES = [f"many-{number:02}" for number in range(1, SERVICES + 1)]
PLAY = Path(__file__).resolve().parent.parent / "plays" / "many.yml"


def measure(bench: Bench) -> Findings:
    """Move all of them, again and again; raise LabError unless each took its step and was proven each time."""
    with estate.services(bench, NAMES):
        runs = [_moved() for _ in range(min(bench.rounds, ENOUGH) + 1)][1:]  # the first fills caches
    return findings_of([ended for ended, _requests in runs], [requests for _ended, requests in runs])


def findings_of(runs: list[commands.Ended], requests: list[int]) -> Findings:
    """Medians; the peak of memory is that of the worst run. Pure."""
    seconds, cpu = median(each.seconds for each in runs), median(each.cpu_seconds for each in runs)
    memory, each = max(run.memory_mb for run in runs), median(requests) / SERVICES
    what = f"one playbook with one task, median of {len(runs)}"
    return Findings(
        f"{SERVICES} services in one call",
        (
            Row(what, f"{seconds:.1f} s", aim="<= 8 s", reached=seconds <= 8),
            Row("its CPU time, median", f"{cpu:.1f} s"),
            Row("its peak of memory", f"{memory:.0f} MB", aim="<= 150 MB", reached=memory <= 150),
            Row("API requests for each service, median", f"{each:.2g}", aim="<= 3", reached=each <= 3),
        ),
        {
            "fleet_60_seconds": round(seconds, 2),
            "fleet_60_cpu_seconds": round(cpu, 2),
            "fleet_60_mib": round(memory),
            "fleet_api_requests_per_service": round(each, 2),
        },
    )


def _moved() -> tuple[commands.Ended, int]:
    """One run, and how many requests it sent to the API server."""
    fixed = {"namespace": NAMESPACE, "stable": "v1", "canary": "v2", "steps": STEPS, "interval": 0}
    canaries = json.dumps({"canaries": [{"name": name, **fixed} for name in NAMES]})
    program = os.environ.get("LAB_ANSIBLE_PLAYBOOK", "ansible-playbook")
    ended = commands.run([program, PLAY, "-e", canaries], env=ENVIRONMENT).succeeded()
    (task,) = named(list(tasks_of(ended.output)), "Move all of them")
    live = sum(bool(each["changed"] and each["live"]) for each in task.result["results"])
    if live != SERVICES:
        raise LabError(f"{live} of {SERVICES} services took a step and were proven, so the time of all is not known")
    return ended, int(task.result["api_requests"])
