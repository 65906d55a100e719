"""The cost of one step: `canary`, which reads, checks, writes and proves, against bare writes.

As tasks of one playbook, and as processes of the files that Ansible makes of the modules. All take turns, so that other
work on the machine affects all of them alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench import commands, payloads, playbooks, turns
from bench.context import Bench
from bench.findings import Findings, Row
from bench.service import NAMESPACE
from bench.turns import BY_KUBECTL, TASKS
from lab.progress import LabError

WEIGHTS = (10, 20)

Seconds = Mapping[str, list[float]]


def measure(bench: Bench) -> Findings:
    """Compare them; raise LabError unless each wrote each time."""
    tasks = _tasks(bench.rounds)
    requests, streams = _requests(tasks)
    as_tasks = {key: [task.seconds for task in playbooks.named(tasks, name)] for key, name in TASKS.items()}
    bare = _processes(bench.rounds)
    return findings_of(as_tasks, bare, requests, streams)


def findings_of(as_tasks: Seconds, bare: Seconds, requests: float, streams: float) -> Findings:
    """Medians and ratios. Pure."""
    task = {key: median(seconds) for key, seconds in as_tasks.items()}
    process = {key: median(seconds) for key, seconds in bare.items()}
    ratio, bare_ratio = task["canary"] / task["core"], process["canary"] / process["core"]
    rounds = len(as_tasks["canary"])
    return Findings(
        "Step cost",
        (
            _row(f"as an Ansible task, median of {rounds}", task, ratio, 0.55),
            _row("as a bare process, median", process, bare_ratio, 1),
            Row("API requests", f"{requests:g} + {streams:g} stream", aim="<= 8 + 1", reached=requests <= 8),
        ),
        {
            "step_vs_kubernetes_core": round(ratio, 3),
            "step_seconds": round(task["canary"], 3),
            "kubernetes_core_seconds": round(task["core"], 3),
            "kubectl_seconds": round(task["kubectl"], 3),
            "step_process_vs_kubernetes_core": round(bare_ratio, 3),
            "step_process_seconds": round(process["canary"], 3),
            "kubernetes_core_process_seconds": round(process["core"], 3),
            "kubectl_process_seconds": round(process["kubectl"], 3),
            "api_requests_per_step": requests,
            "proxy_streams_per_step": streams,
            "rounds": rounds,
        },
    )


def _row(what: str, seconds: Mapping[str, float], ratio: float, most: float) -> Row:
    ours, core, kubectl = (f"{seconds[key]:.3f} s" for key in TASKS)
    return Row(what, f"{ours} (x {ratio:.2f})", core, kubectl, f"<= x {most:g} of kubernetes.core", ratio <= most)


def _tasks(rounds: int) -> list[playbooks.Task]:
    """Run one playbook with all rounds and one more before them, for caches that must be filled."""
    weights = [WEIGHTS[number % 2] for number in range(rounds + 1)]
    tasks = turns.taken(weights)
    measured = []
    for name in TASKS.values():
        found = playbooks.named(tasks, name)
        if len(found) != rounds + 1 or not all(task.result.get("changed") for task in found):
            raise LabError(f"'{name}' did not write in each of {rounds + 1} rounds, so its cost is not known")
        measured += found[1:]
    return measured


def _requests(tasks: list[playbooks.Task]) -> tuple[float, float]:
    """Return the requests to the API server and, separate from them, the streams to proxies of one step."""
    results = [task.result for task in playbooks.named(tasks, TASKS["canary"])]
    return median(each["api_requests"] for each in results), median(len(each["live"]) for each in results)


def _processes(rounds: int) -> Seconds:
    found: dict[str, list[float]] = {key: [] for key in TASKS}
    with payloads.made(WEIGHTS) as files:
        for number in range(rounds + 1):
            weight = WEIGHTS[number % 2]
            turn = {
                "canary": _payload(files["canary", weight]),
                "core": _payload(files["core", weight]),
                "kubectl": _kubectl(weight),
            }
            for key, seconds in turn.items():
                found[key] += [seconds] if number else []
    return found


def _payload(file: Path) -> float:
    ended = payloads.execute(file)
    if not json.loads(ended.output).get("changed"):
        raise LabError(f"the bare process of {file.name} wrote nothing, so its cost is not known: {ended.output}")
    return ended.seconds


def _kubectl(weight: int) -> float:
    patch = [
        {"op": "replace", "path": f"/spec/http/0/route/{index}/weight", "value": value}
        for index, value in enumerate((100 - weight, weight))
    ]
    command = ["kubectl", "-n", NAMESPACE, "patch", "virtualservice", BY_KUBECTL, "--type=json", "-p"]
    ended = commands.run([*command, json.dumps(patch)]).succeeded()
    if "(no change)" in ended.output:
        raise LabError("the bare process of kubectl wrote nothing, so its cost is not known")
    return ended.seconds
