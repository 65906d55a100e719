# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers: systemd itself finds nothing to say of the units, and cron's table has the form that cron reads."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from programs import Program

TIMES = re.compile(r"(?:[*\d,/-]+\s+){5}")
UNITS = ("canaries@.service", "canaries@.timer")


def test_systemd_finds_nothing_to_say(examples: Path, program: Program, tmp_path: Path) -> None:
    for unit in UNITS:
        shutil.copy(examples / unit, tmp_path)
    assert program("systemd-analyze", "verify", "--man=no", *(tmp_path / unit for unit in UNITS)) == ""


def test_the_timer_comes_every_ten_minutes(examples: Path, program: Program) -> None:
    (when,) = re.findall("^OnCalendar=(.*)$", (examples / UNITS[1]).read_text(), re.MULTILINE)
    found = program("systemd-analyze", "calendar", "--iterations=2", when, TZ="UTC")
    first, second = re.findall(r"(?:Next elapse|Iter. #2): \w+ \S+ \d+:(\d+):00 UTC", found)
    assert (int(second) - int(first)) % 60 == 10


def test_cron_can_read_its_table(examples: Path) -> None:
    """Settings, and jobs with five times, a user and a command; a percent sign would end the command."""
    lines = [line for line in (examples / "crontab").read_text().splitlines() if line and not line.startswith("#")]
    jobs = [line for line in lines if not re.fullmatch(r"[A-Z0-9_]+=\S+", line)]
    assert len(jobs) == 2
    for job in jobs:
        assert TIMES.match(job), job
        user, program, *_ = TIMES.sub("", job, count=1).split()
        assert (user, program) == ("canaries", "ansible-playbook")
        assert "%" not in job
    assert (examples / "crontab").read_text().endswith("\n")
