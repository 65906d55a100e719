"""In the process of the action plugin or as a module, with another Python: the same comes of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service import OPTIONS

TOKEN = "t0k3n-0123456789"


@dataclass(frozen=True)
class Task:
    """A module, its options, and the keywords of the task."""

    module: str
    options: dict[str, Any]
    keywords: dict[str, Any] = field(default_factory=dict)


def canary(state: str, keywords: dict[str, Any] | None = None, **options: Any) -> Task:
    stepwise = {"steps": [10, 50, 100], "interval": 0} if state in ("advanced", "promoted") else {}
    return Task("canary", {**OPTIONS, "state": state, **stepwise, **options}, keywords or {})


THERE = {"name": OPTIONS["name"], "namespace": OPTIONS["namespace"]}
# One after the other: what changes, what does not, what waits, what fails; and each other module.
TASKS = [
    canary("weighted", weight=20),
    canary("weighted", weight="20"),
    canary("rolled_back", reason="enough"),
    canary("rolled_back"),
    canary("advanced", {"check_mode": True, "diff": True}, confirm=True),
    canary("advanced", confirm=True, watch=0),
    canary("advanced", interval=3600, watch=1),
    canary("held", reason="lunch"),
    canary("advanced"),
    canary("promoted", confirm=True),
    canary("promoted"),
    canary("cleaned", drain=3600),
    canary("rolled_back"),
    canary("weighted", weight=101, interval="10m", watch=-1),
    canary("weighted", wieght=20),
    canary("weighted", weight=20, analysis=7, api_key=TOKEN),
    canary("weighted", {"environment": {"K8S_AUTH_HOST": "http://127.0.0.1:1"}}, weight=20),
    Task("canary_info", THERE),
    Task("canary_doctor", THERE),
    Task("mesh_info", THERE),
    Task("ingress_info", {}),
    Task(
        "proxy_wait",
        {
            "gateways": ["pong-server-gateway"],
            "namespace": OPTIONS["namespace"],
            "destination_host": "pong-server-service",
            "subsets": ["v1", "v2"],
        },
    ),
    Task(
        "traffic_probe",
        {"url": "http://127.0.0.1:1", "requests": 1, "timeout": 0.1, "headers": {"Cookie": f"session={TOKEN}"}},
    ),
]
# What differs between two runs of one way, too.
MOMENTS = {
    *("at", "since", "began", "ended", "until", "live", "after", "before"),
    *("id", "pid", "start", "waited", "duration", "latency_ms", "api_requests", "requests"),
}


def played(folder: Path, python: str | Path, given: Sequence[Task] = TASKS) -> list[dict[str, Any]]:
    """The result of each task."""
    tasks = [
        {f"progressive.istio.{each.module}": each.options, "ignore_errors": True, **each.keywords} for each in given
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": str(python)},
        "tasks": tasks,
    }
    file = folder / "play.yml"
    file.write_text(json.dumps([play]))
    environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOCALHOST_WARNING": "False"}
    process = subprocess.run(
        ["ansible-playbook", file],
        cwd="/",
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    printed = json.loads(process.stdout[process.stdout.index("{\n") :])
    return [task["hosts"]["localhost"] for play in printed["plays"] for task in play["tasks"]]


def timeless(value: Any) -> Any:
    """A result without what two runs of one way differ in."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in MOMENTS or isinstance(each, dict)}
        return {key: timeless(each) for key, each in kept.items()}
    if isinstance(value, list):
        return [timeless(each) for each in value]
    return re.sub(r"\d+(\.\d+)? m?s\b|\d{4}-\d\d-\d\dT[\d:.]+Z?", "...", value) if isinstance(value, str) else value


def test_each_module_gives_the_same(release, another_python, tmp_path):
    here = played(tmp_path, sys.executable)
    release.reset()
    runs = another_python.parent / "runs"
    runs.unlink(missing_ok=True)
    there = played(tmp_path, another_python)
    ran = len(runs.read_text().splitlines())
    assert ran == len(TASKS) + 1  # a module for each task, and for each step
    for task, one, other in zip(TASKS, here, there, strict=True):
        assert timeless(one) == timeless(other), task
    assert TOKEN not in json.dumps(here)
    moved = [each.get("changed", False) for each in here[:4]]
    assert (moved, len([each for each in here if each.get("failed")])) == ([True, False, True, False], 6)


def test_the_timeout_of_a_task_ends_the_watch_and_releases_the_lease(release, tmp_path):
    task = canary("advanced", {"timeout": 8}, interval=3600)  # long enough to begin on a busy machine
    (result,) = played(tmp_path, sys.executable, [task])
    assert result["failed"]
    assert re.search("timed out|timeout|expected time frame", result["msg"], re.IGNORECASE), result["msg"]
    assert (release.weights["v2"], release.state["holder"]) == (10, None)
