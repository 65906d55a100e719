"""Each test begins where `site.yml` leaves the service."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from service import PONG, Release


@pytest.fixture(scope="session", autouse=True)
def pong() -> None:
    PONG.set_up()


@pytest.fixture
def release(play) -> Release:
    release = Release(play)
    release.reset()
    return release


@pytest.fixture(scope="session")
def another_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of these tests by a name that makes it another one; `runs` beside it has a line for each run."""
    path = tmp_path_factory.mktemp("another") / "python"
    path.write_text(f'#!/bin/sh\necho run >> {path.parent}/runs\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(params=["in process", "as a module"])
def way(request: pytest.FixtureRequest, another_python: Path) -> dict[str, str]:
    """The variables with which modules run in the process of their action plugins, or as modules."""
    return {"ansible_python_interpreter": sys.executable if request.param == "in process" else str(another_python)}
