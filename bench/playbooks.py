"""Run a playbook and read the time and result of each task from Ansible's JSON output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import commands
from lab.progress import LabError

ENVIRONMENT = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    "ANSIBLE_LOCALHOST_WARNING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
}


@dataclass(frozen=True)
class Task:
    """A finished task: its name, seconds, and the result on its host."""

    name: str
    seconds: float
    result: Mapping[str, Any]


def run(playbook: str | Path, *, env: Mapping[str, str] | None = None, **variables: Any) -> list[Task]:
    """Run a playbook by its file or FQCN and return its tasks; raise LabError with the task's message if one failed."""
    program = os.environ.get("LAB_ANSIBLE_PLAYBOOK", "ansible-playbook")
    ended = commands.run(
        [program, playbook, "-e", json.dumps(variables)],
        env={**ENVIRONMENT, **(env or {})},
    )
    tasks = list(tasks_of(ended.output))
    if ended.code:
        said = next((failure(task) for task in reversed(tasks) if task.result.get("failed")), "")
        ended = ended if not said else commands.Ended(str(playbook), ended.code, "", said, ended.seconds, 0, 0)
    ended.succeeded()
    return tasks


def named(tasks: list[Task], name: str) -> list[Task]:
    """Return the tasks with this name; raise LabError if none ran."""
    found = [task for task in tasks if task.name.rpartition(" : ")[2] == name and not task.result.get("skipped")]
    if not found:
        raise LabError(f"no task '{name}' ran, so it could not be measured")
    return found


def tasks_of(output: str) -> Iterator[Task]:
    """Read the tasks from the JSON that the callback prints last. Pure."""
    start = output.find("{")
    if start < 0:
        return
    try:
        plays = json.loads(output[start:])["plays"]
    except (ValueError, KeyError):
        return
    for play in plays:
        for entry in play["tasks"]:
            task = entry["task"]
            for result in entry["hosts"].values():
                yield Task(task["name"], _seconds(task["duration"]), result)


def failure(task: Task) -> str:
    """Return why a task failed, in one sentence. Pure."""
    results = [each for each in task.result.get("results", []) if each.get("failed")] or [task.result]
    return f"task '{task.name}': {'; '.join(str(each.get('msg', 'no message')) for each in results)}"


def _seconds(duration: Mapping[str, str]) -> float:
    begin, end = (datetime.fromisoformat(duration[key]) for key in ("start", "end"))
    return (end - begin).total_seconds()
