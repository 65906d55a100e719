"""Twenty services, each advanced by one step in one run of `advance.yml` with five forks."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench import commands, estate
from bench.context import Bench
from bench.findings import Findings, Row
from bench.playbooks import ENVIRONMENT, tasks_of
from bench.service import APP, NAMESPACE
from lab.progress import LabError

SERVICES, FORKS = 20, 5
STEPS = [10, 20, 30, 40, 50, 60, 70, 100]
ENOUGH = len(STEPS) - 1
NAMES = [f"pong-{number:02}" for number in range(1, SERVICES + 1)]


def measure(bench: Bench) -> Findings:
    """Advance all of them, again and again; raise LabError unless each took its step each time."""
    with tempfile.TemporaryDirectory(dir=commands.BUILD) as folder, estate.services(bench, NAMES):
        inventory = Path(folder, "services.json")
        inventory.write_text(json.dumps({"canaries": {"hosts": dict(map(_host, NAMES))}}), encoding="utf-8")
        runs = [_advanced(inventory) for _ in range(min(bench.rounds, ENOUGH) + 1)][1:]  # the first fills caches
    return findings_of([each.seconds for each in runs], [each.cpu_seconds for each in runs])


def findings_of(seconds: list[float], cpu: list[float]) -> Findings:
    """Medians. Pure."""
    wall, used = median(seconds), median(cpu)
    what = f"advance.yml, {FORKS} forks, median of {len(seconds)}"
    return Findings(
        "Twenty services",
        (
            Row(what, f"{wall:.1f} s", aim="<= 8 s", reached=wall <= 8),
            Row("its CPU time, median", f"{used:.1f} s", aim="<= 6 s", reached=used <= 6),
        ),
        {"twenty_services_seconds": round(wall, 2), "twenty_services_cpu_seconds": round(used, 2)},
    )


def _advanced(inventory: Path) -> commands.Ended:
    program = os.environ.get("LAB_ANSIBLE_PLAYBOOK", "ansible-playbook")
    command: list[str | Path] = [program, "-i", inventory, "-f", str(FORKS), "progressive.istio.advance"]
    ended = commands.run(command, env=ENVIRONMENT).succeeded()
    moved = sum("live" in task.result and bool(task.result.get("changed")) for task in tasks_of(ended.output))
    if moved != SERVICES:
        raise LabError(f"{moved} of {SERVICES} services took a step, so the time of a step of all is not known")
    return ended


def _host(name: str) -> tuple[str, dict[str, Any]]:
    """A service as an inventory host; a step is neither waited for nor watched."""
    settings = {
        "canary_app": APP,
        "canary_namespace": NAMESPACE,
        "canary_service": name,
        "canary_destination_rule": name,
        "canary_virtual_service": name,
        "canary_gateway": f"{APP}-gateway",
        "canary_steps": STEPS,
        "canary_interval": 0,
        "canary_watch": 0,
        "ansible_connection": "local",
    }
    return name, settings
