# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end of `make test` counts what the logs of scenarios say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "timings.py"
LOGS = {
    "waves": "=== 1 failed, 3 passed in 20.11s ===\nERROR\nended 2 after 25 s\n",
    "release": "=== 7 passed in 3.01s ===\nok: 3 passed\n=== 56 passed in 441.76s (0:07:21) ===\nended 0 after 450 s\n",
    "kiali": "ended 0 after 12 s\nand what came then\n",
}


def test_the_slowest_is_first_and_what_did_not_end_well_is_marked(tmp_path: Path) -> None:
    for name, log in LOGS.items():
        (tmp_path / f"{name}.log").write_text(log)
    run = subprocess.run([sys.executable, SCRIPT, tmp_path], check=True, capture_output=True, text=True)
    assert [row.split() for row in run.stdout.splitlines()] == [
        ["scenario", "seconds", "passed"],
        ["release", "450", "63"],
        ["waves", "25", "3", "FAILED"],
        ["kiali", "-", "0", "FAILED"],
        ["all", "475", "66"],
    ]
