# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.playbooks import failure, named, tasks_of
from lab.progress import LabError


def task(name: str, end: str = "2026-11-24T08:00:01.500000Z", **result: Any) -> dict[str, Any]:
    duration = {"start": "2026-11-24T08:00:01Z", "end": end}
    return {"task": {"name": name, "duration": duration}, "hosts": {"localhost": result}}


def output(*tasks: dict[str, Any]) -> str:
    return "a line before\n" + json.dumps({"plays": [{"play": {}, "tasks": list(tasks)}], "stats": {}})


def test_tasks_with_what_they_took_and_gave() -> None:
    (found,) = tasks_of(output(task("Step", changed=True)))
    assert (found.name, found.seconds, found.result) == ("Step", 0.5, {"changed": True})


@pytest.mark.parametrize("text", ["", "ERROR! no such playbook", "{broken", "{}"])
def test_output_without_tasks(text: str) -> None:
    assert list(tasks_of(text)) == []


def test_a_task_is_found_in_any_role_and_only_if_it_ran() -> None:
    tasks = list(tasks_of(output(task("progressive.istio.canary : Move"), task("Move", skipped=True), task("Moved"))))
    assert named(tasks, "Move") == tasks[:1]
    with pytest.raises(LabError, match="no task 'Rest' ran"):
        named(tasks, "Rest")


def test_a_failure_is_told_in_the_words_of_the_task() -> None:
    (plain, looped) = tasks_of(
        output(
            task("Move", failed=True, msg="not live"),
            task("Make", failed=True, msg="some failed", results=[{"msg": "a"}, {"failed": True, "msg": "b"}]),
        )
    )
    assert failure(plain) == "task 'Move': not live"
    assert failure(looped) == "task 'Make': b"
