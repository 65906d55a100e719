# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX as code: every task is one that the module takes, and every question one that AWX and the playbook take."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from dateutil.rrule import rrulestr

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docs" / "examples").glob("awx*.yml"))
MODULES = "ansible_collections.awx.awx.plugins.modules"
QUESTIONS = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}

init_plugin_loader()


def calls(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each module that a playbook runs, with its options as they are sent: one for each turn of a loop."""
    loader = DataLoader()
    for play in loader.load_from_file(str(file), trusted_as_template=True):
        for task in play["tasks"]:
            (module,) = (key for key in task if key.startswith("awx.awx."))
            for item in task.get("loop", [None]):
                templar = Templar(loader, {"item": item, "canary_app": "cart"})
                yield module.removeprefix("awx.awx."), templar.template(task[module])


CALLS = [pytest.param(*call, id=f"{file.stem}: {call[0]} {call[1]['name']}") for file in FILES for call in calls(file)]


def options_of(documentation: dict[str, Any]) -> dict[str, Any]:
    """Documented options as an argument spec."""
    known = ("type", "elements", "choices", "required", "default", "aliases")
    return {
        name: {key: option[key] for key in known if key in option}
        | ({"options": options_of(option["suboptions"])} if "suboptions" in option else {})
        for name, option in documentation.items()
    }


def sent(module: str) -> dict[str, dict[str, Any]]:
    """What awx.yml sends to a module, by name."""
    return {options["name"]: options for name, options in calls(ROOT / "docs/examples/awx.yml") if name == module}


SURVEYS = {name: job["survey_spec"] for name, job in sent("job_template").items()}


@pytest.mark.parametrize(("module", "options"), CALLS)
def test_the_module_takes_it(module: str, options: dict[str, Any]) -> None:
    documentation = yaml.safe_load(import_module(f"{MODULES}.{module}").DOCUMENTATION)
    result = ArgumentSpecValidator(options_of(documentation["options"])).validate(options)
    assert result.error_messages == []


@pytest.mark.parametrize("name", SURVEYS)
def test_a_survey_asks_what_the_playbooks_take(name: str) -> None:
    known = yaml.safe_load((ROOT / "roles/canary/defaults/main.yml").read_text()).keys() | {"weight"}
    survey = SURVEYS[name]
    assert survey.keys() == {"name", "description", "spec"}
    for question in survey["spec"]:
        assert question["variable"] in known
        assert question["type"] in QUESTIONS
        assert question.keys() >= {"question_name", "required", "default"}
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"]
            assert all(isinstance(choice, str) for choice in question["choices"])
        if question["type"] == "integer":
            assert question["min"] <= question["default"] <= question["max"]


def test_jobs_run_playbooks_of_the_collection() -> None:
    assert {job["playbook"] for job in sent("job_template").values()} <= {
        file.name for file in (ROOT / "playbooks").glob("*.yml")
    }


def test_a_schedule_comes_every_ten_minutes_and_answers_the_survey() -> None:
    for schedule in sent("schedule").values():
        begin, rule = schedule["rrule"].split(" ")
        first, second = rrulestr("\n".join([begin.replace(";TZID=Europe/Berlin", ""), rule]))[:2]
        assert (second - first).total_seconds() == 600
        (question,) = SURVEYS[schedule["unified_job_template"]]["spec"]
        assert schedule["extra_data"][question["variable"]] in question["choices"]


def test_a_workflow_leads_from_node_to_node_and_runs_these_jobs() -> None:
    jobs = sent("job_template")
    for _, workflow in calls(ROOT / "docs/examples/awx-approval.yml"):
        nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
        for node in nodes.values():
            runs = node["unified_job_template"]
            assert runs["type"] == "workflow_approval" or (
                runs["name"] in jobs and jobs[runs["name"]]["ask_limit_on_launch"]
            )
            for following in node.get("related", {}).values():
                assert {each["identifier"] for each in following} <= nodes.keys()
