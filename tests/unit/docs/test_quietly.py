# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cron mails of a job that is run quietly."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

QUIETLY = Path(__file__).parents[3] / "docs" / "examples" / "quietly"
RECAP = "cart : ok=3 changed={} failed=0"


@pytest.mark.parametrize(
    ("changed", "code", "mailed"),
    [(0, 0, ""), (1, 0, RECAP.format(1)), (10, 0, RECAP.format(10)), (0, 2, RECAP.format(0))],
    ids=["nothing to do", "a change", "many changes", "a failure"],
)
def test_only_changes_and_failures_are_mailed(changed: int, code: int, mailed: str) -> None:
    job = f"echo '{RECAP.format(changed)}' >&2; exit {code}"
    run = subprocess.run(["sh", QUIETLY, "sh", "-c", job], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr, run.returncode) == (mailed, "", code)
