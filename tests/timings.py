# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the scenarios of `make test`, the slowest first, from the logs that they leave."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

PASSED = re.compile(r"\b(\d+) passed\b.* in [\d.]+s")
ENDED = re.compile(r"ended (\d+) after (\d+) s\n\Z")


@dataclass(frozen=True)
class Scenario:
    """How long a scenario took; no seconds if it did not end by itself."""

    name: str
    seconds: int | None
    passed: int
    failed: bool

    @property
    def row(self) -> str:
        seconds = "-" if self.seconds is None else str(self.seconds)
        return f"{self.name:<16}{seconds:>8}{self.passed:>8}{'  FAILED' if self.failed else ''}"


def scenario_of(name: str, log: str) -> Scenario:
    ended = ENDED.search(log)
    passed = sum(map(int, PASSED.findall(log)))
    if not ended:
        return Scenario(name, None, passed, failed=True)
    return Scenario(name, int(ended[2]), passed, failed=ended[1] != "0")


def table(scenarios: list[Scenario]) -> str:
    slowest = sorted(scenarios, key=lambda scenario: -(scenario.seconds or 0))
    head = f"{'scenario':<16}{'seconds':>8}{'passed':>8}"
    foot = f"{'all':<16}{sum(scenario.seconds or 0 for scenario in slowest):>8}{sum(s.passed for s in slowest):>8}"
    return "\n".join([head, *(scenario.row for scenario in slowest), foot])


if __name__ == "__main__":
    logs = sorted(Path(sys.argv[1]).glob("*.log"))
    print(table([scenario_of(log.stem, log.read_text(encoding="utf-8", errors="replace")) for log in logs]))
