# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball holds what users need and nothing else, and Galaxy would take it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import tarfile
from os.path import normpath
from pathlib import Path
from typing import Any

import pytest
from galaxy_importer.collection import CollectionFilename, import_collection
from galaxy_importer.config import Config
from galaxy_importer.loaders import collection as loader

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")
TARBALL = ROOT / os.environ["TARBALL"]
SHIPPED = {"changelogs", "docs", "meta", "playbooks", "plugins", "roles"}
BESIDE = {
    ".ansible-lint",
    ".yamllint",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
}
CACHES = {"__pycache__", ".cache", ".plugin-cache.yaml", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}


@pytest.fixture(scope="module")
def names() -> set[str]:
    with tarfile.open(TARBALL) as tarball:
        return {member.name.rstrip("/") for member in tarball}


def test_it_holds_the_collection_and_nothing_else(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names} == SHIPPED | BESIDE


def test_it_holds_no_caches(names: set[str]) -> None:
    assert [name for name in names if CACHES & set(name.split("/")) or name.endswith((".pyc", ".tar.gz"))] == []


@pytest.mark.parametrize("folder", sorted(SHIPPED - {"changelogs"}))
def test_it_holds_every_file_of_what_is_shipped(names: set[str], folder: str) -> None:
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert {str(path.relative_to(ROOT)) for path in files} == {
        name for name in names if name.startswith(f"{folder}/") and (ROOT / name).is_file()
    }


def test_no_link_in_it_is_dead(names: set[str]) -> None:
    with tarfile.open(TARBALL) as tarball:
        pages = {name: tarball.extractfile(name) for name in names if name.endswith(".md")}
        texts = {name: page.read().decode() for name, page in pages.items() if page}
    links = [(name, link.partition("#")[0]) for name, text in texts.items() for link in LINK.findall(text)]
    relative = [(name, path) for name, path in links if path and "://" not in path]
    assert len(relative) > 20
    assert [(name, path) for name, path in relative if normpath(Path(name).parent / path) not in names] == []


class Patient(subprocess.Popen[str]):
    """A program that has an hour where the importer gives ansible-lint three minutes, which a busy machine exceeds."""

    def communicate(self, *given: Any, timeout: float | None = None) -> tuple[str, str]:
        return super().communicate(*given, timeout=None if timeout is None else 3600.0)


def test_galaxy_would_take_it_without_a_word(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "Popen", Patient)
    caplog.set_level(logging.INFO)
    namespace, name, version = TARBALL.name.removesuffix(".tar.gz").split("-")
    with TARBALL.open("rb") as file:
        import_collection(file, CollectionFilename(namespace, name, version), cfg=Config({"check_required_tags": True}))
    said = [record.getMessage() for record in caplog.records]
    assert any("ansible-lint run complete" in line for line in said), said
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
