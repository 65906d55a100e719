# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print a Python for the other ansible-core: 2.16 comes with Python 3.11, 2.21 with a newer one (requirements.txt)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NEWER = ("3.12", "3.13", "3.14")
CHECK = "import ensurepip, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"


def candidates(version: str) -> Iterator[str]:
    """Where a Python of this version may be: on the PATH, or with pyenv, which puts only one of its Pythons there."""
    yield f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python3")))


def works(python: str, version: str) -> bool:
    try:
        answer = subprocess.run([python, "-c", CHECK], capture_output=True, text=True, timeout=30)
    except OSError:
        return False
    return answer.stdout.strip() == version


def other() -> str:
    versions = ("3.11",) if sys.version_info >= (3, 12) else NEWER
    for version in versions:
        for python in candidates(version):
            if works(python, version):
                return python
    core = "2.16" if versions == ("3.11",) else "2.21"
    sys.exit(
        f"Tests with ansible-core {core} need Python {' or '.join(versions)} with venv, and none is found: install one."
    )


if __name__ == "__main__":
    print(other())
