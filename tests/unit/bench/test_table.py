# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from bench.findings import Findings, Row
from bench.table import missed, table

FINDINGS = (
    Findings("Step cost", (Row("as a task", "0.7 s", "0.8 s", "0.5 s", "<= kubernetes.core", True),)),
    Findings("Lost requests", (Row("promotion", "1 of 900", "12 of 900", aim="0", reached=False), Row("all", "1"))),
)


def test_columns_are_aligned_over_all_measures() -> None:
    lines = table(FINDINGS).splitlines()
    assert len({line.index("kubernetes.core") for line in lines if "progressive.istio" in line}) == 1
    assert lines[2].index("0.8 s") == lines[0].index("kubernetes.core")
    assert "reached" in lines[2]
    assert "MISSED" in lines[6]
    assert not any(line.endswith(" ") for line in lines)


def test_what_misses_its_aim_is_named() -> None:
    assert missed(FINDINGS) == ["Lost requests: promotion"]
