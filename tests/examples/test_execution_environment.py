# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image in which jobs run: ansible-builder reads what the collection needs, and writes the build."""

from __future__ import annotations

from pathlib import Path

import yaml
from programs import ROOT, Program


def test_the_collection_says_what_it_needs(program: Program) -> None:
    found = yaml.safe_load(program("ansible-builder", "introspect", ROOT / "build" / "collections"))
    lines = (ROOT / "meta" / "ee-requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if not line.startswith(("#", "PyYAML"))]  # PyYAML comes with Ansible
    assert [line.split("  #")[0] for line in found["python"]] == wanted
    assert found["system"] == []


def test_the_definition_becomes_a_build(examples: Path, program: Program, tmp_path: Path) -> None:
    program(
        "ansible-builder",
        "create",
        "-f",
        examples / "execution-environment.yml",
        "-c",
        tmp_path,
        "--output-filename",
        "Containerfile",
    )
    recipe = (tmp_path / "Containerfile").read_text()
    assert "quay.io/fedora/fedora:43" in recipe
    collections = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text())["collections"]
    asked = {each["name"]: each["version"] for each in collections}
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert asked == {"progressive.istio": f">={galaxy['version']}", **galaxy["dependencies"]}
