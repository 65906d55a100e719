# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the examples are, and the programs that read them: those of this environment, and Debian's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from programs import ROOT, Program

PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "docs" / "examples"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run a program and return what it says on both channels; it must end well."""

    def run(*command: str | Path, **environment: str) -> str:
        process = subprocess.run(
            command,
            cwd=tmp_path,
            env={"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert process.returncode == 0, process.stdout
        return process.stdout

    return run
