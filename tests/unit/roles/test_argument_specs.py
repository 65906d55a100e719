# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specifications say of every variable of a role what its defaults say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in (Path(__file__).parents[3] / "roles").glob("*/defaults/main.yml"))


def load(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {}


def inputs(value: object) -> list[str]:
    """The variables that a template is made of."""
    return re.findall(r"\bcanary_\w+", str(value)) or ["no template"]


def specs_of(role: Path) -> dict[str, Any]:
    entries: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    return entries


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_those_that_the_specification_names(role: Path) -> None:
    options = next(iter(specs_of(role).values()))["options"]
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    defaults = {
        name: value
        for name, value in load(role / "defaults" / "main.yml").items()
        if not str(value).startswith("{{ __") and not options[name].get("required")
    }
    # A default of another type than text cannot be stated as a template, so the description names what it is made of.
    told = {
        name: value
        for name, value in defaults.items()
        if "default" not in options[name]
        and all(f"C({given})" in str(options[name]["description"]) for given in inputs(value))
    }
    assert defaults == stated | told


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_variable_is_named_after_its_role(role: Path) -> None:
    assert all(name.startswith(f"{role.name}_") for name in load(role / "defaults" / "main.yml"))


def test_a_role_that_others_depend_on_runs_no_task_and_checks_nothing() -> None:
    for role in ROLES:
        for dependency in load(role / "meta" / "main.yml").get("dependencies") or []:
            needed = role.parent / dependency["role"].rpartition(".")[2]
            assert not (needed / "tasks" / "main.yml").exists()
            assert "main" not in specs_of(needed)


def test_every_way_to_move_a_canary_is_specified() -> None:
    role = next(role for role in ROLES if role.name == "canary")
    inner = {"act", "before", "move", "after", "step", "connect", "write_page", "end", "read", "probe_check"}  # parts
    inner |= {"move_and_probe", "move_with_hooks", "step_with_hooks", "nothing", "remove", "send", "table", "failed"}
    inner |= {"doctor_request"}
    assert {file.stem for file in (role / "tasks").glob("*.yml")} - inner == set(specs_of(role))


CANARY = next(role for role in ROLES if role.name == "canary")


def reached(entry_point: str) -> set[Path]:
    """The task files that an entry point runs."""
    found: set[Path] = set()
    ahead = [entry_point]
    while ahead:
        file = CANARY / "tasks" / f"{ahead.pop()}.yml"
        if file.exists() and file not in found:
            found.add(file)
            named = re.findall(r"(?:import|include)_tasks:(.*)", file.read_text(encoding="utf-8"))
            ahead += re.findall(r"[a-z_]+", " ".join(named))
    return found


@pytest.mark.parametrize("entry_point", sorted(specs_of(CANARY).keys() - {"rollback"}))  # which ignores most of them
def test_an_entry_point_lists_each_setting_that_its_tasks_name(entry_point: str) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in reached(entry_point))
    named = set(re.findall(r"(?<![\w.])canary_\w+", text)) & specs_of(CANARY)["check"]["options"].keys()
    assert named <= specs_of(CANARY)[entry_point].get("options", {}).keys()
