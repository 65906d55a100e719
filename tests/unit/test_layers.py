# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package of module_utils imports only from packages on lower floors, and no files import each other in a circle."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "plugins" / "module_utils"
FLOORS = (
    {"_common"},
    {"_k8s", "_routing"},
    {"_metrics", "_release", "_istio", "_traffic", "_kiali"},
    {"_analysis", "_preflight", "_proxy"},
    {"_rollout"},
    {"_doctor", "_estate", "_report", "_watch"},
    {"_canary"},
    {"_fleet"},
)
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
FILES = sorted(HERE.rglob("*.py"))


def imported(file: Path) -> Iterator[Path]:
    """Yield the files of module_utils that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            found = [place.with_suffix(".py")] if node.module else []
            yield from (each for each in [*found, *(place / f"{name.name}.py" for name in node.names)] if each.exists())


def test_every_file_is_in_a_package_of_a_floor() -> None:
    assert {file.relative_to(HERE).parts[0] for file in FILES} == FLOOR.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(HERE)))
def test_imports_lead_down(file: Path) -> None:
    own = file.parent.name
    others = {each.parent.name for each in imported(file)} - {own}
    assert [each for each in sorted(others) if FLOOR[each] >= FLOOR[own]] == []


def test_there_is_no_circle() -> None:
    list(TopologicalSorter({file: set(imported(file)) for file in FILES}).static_order())


def test_no_class_name_is_used_twice() -> None:
    """But those by which Ansible finds a plugin."""
    files = HERE.parent.rglob("*.py")
    names = Counter(
        node.name for file in files for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)
    )
    found = {name for name, count in names.items() if count > 1}
    assert found <= {"ActionModule", "FilterModule", "ModuleDocFragment"}
