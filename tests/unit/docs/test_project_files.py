# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files for forges and editors call `make` targets that exist, and need no other host than the forge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
PYTHONS = "apt-get update -q && apt-get install -y -q python3-venv"  # what an image lacks before make can run
# Where packages and images are fetched from is up to each machine's own settings.
HOSTS = re.compile(r"pypi\.org|pythonhosted|docker\.io/|ghcr\.io|quay\.io|mcr\.microsoft|proxy\.golang|registry\.")
FILES = [
    *(ROOT / ".github" / "workflows").iterdir(),
    *(ROOT / ".devcontainer").iterdir(),
    ROOT / ".gitlab-ci.yml",
    ROOT / ".pre-commit-config.yaml",
    ROOT / "renovate.json",
    *(ROOT / "release").glob("*.*"),
]


def commands() -> Iterator[str]:
    for workflow in (ROOT / ".github" / "workflows").iterdir():
        for job in _loaded(workflow)["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)
    for name, job in _loaded(ROOT / ".gitlab-ci.yml").items():
        yield from job.get("script", []) if isinstance(job, dict) and name != "default" else []
    for repository in _loaded(ROOT / ".pre-commit-config.yaml")["repos"]:
        yield from (hook["entry"] for hook in repository["hooks"])
    container = re.sub(r"^\s*//.*$", "", (ROOT / ".devcontainer" / "devcontainer.json").read_text(), flags=re.MULTILINE)
    yield json.loads(container)["postCreateCommand"]


def _loaded(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", [command for command in commands() if command != PYTHONS])
def test_they_call_make_alone(command: str) -> None:
    program, *words = command.split()
    assert program == "make"
    assert {word for word in words if not word.startswith("-") and "=" not in word} <= TARGETS


def test_there_are_commands_of_each_forge() -> None:
    assert {"make test", "make -j3 lint unit examples", "make release"} <= set(commands())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_they_name_no_registry(file: Path) -> None:
    assert HOSTS.findall(file.read_text(encoding="utf-8")) == []
