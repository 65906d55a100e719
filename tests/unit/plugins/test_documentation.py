# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module says what it supports, and `module_defaults` reaches every one that talks to an API server."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
AUTH = "progressive.istio.auth"
GROUP = "progressive.istio.attributes.action_group"
BASICS = {"check_mode", "diff_mode", "idempotent"}


@cache
def documentation(module: Path) -> dict[str, Any]:
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
            text: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return text
    raise AssertionError(f"{module.name} has no DOCUMENTATION")


def uses(module: Path, fragment: str) -> bool:
    return fragment in documentation(module)["extends_documentation_fragment"]


def test_the_action_group_has_every_module_with_the_options_of_the_api_server() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"] == {"canary": [module.stem for module in MODULES if uses(module, AUTH)]}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_it_says_whether_it_is_in_the_action_group(module: Path) -> None:
    assert uses(module, GROUP) == uses(module, AUTH)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_it_says_what_it_supports(module: Path) -> None:
    if uses(module, "progressive.istio.attributes.info"):
        assert "attributes" not in documentation(module)
        return
    attributes = documentation(module)["attributes"]
    assert uses(module, "progressive.istio.attributes")
    assert attributes.keys() - {"async"} == BASICS
    assert {attribute["support"] for attribute in attributes.values()} <= {"full", "partial", "none"}
    assert all("details" in attribute for attribute in attributes.values() if attribute["support"] == "partial")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_it_says_whether_its_action_plugin_does_its_work(module: Path) -> None:
    action = ROOT / "plugins" / "action" / module.name
    does = action.exists() and "(InProcessAction)" in action.read_text(encoding="utf-8")
    assert uses(module, "progressive.istio.attributes.in_process") == does
