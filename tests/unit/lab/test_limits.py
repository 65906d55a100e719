# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's limits are high enough for many sidecars, or a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.limits import WANTED, raise_limits
from lab.progress import Progress

UNWRITABLE = Path("/proc/sys/kernel/random/entropy_avail")  # a number that root may not write either


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(1, tmp_path / "log")


def test_what_is_too_low_is_raised_and_said(
    progress: Progress, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "max_user_instances").write_text("128\n")
    (tmp_path / "max_user_watches").write_text("2000000\n")
    raise_limits(progress, tmp_path)
    assert int((tmp_path / "max_user_instances").read_text()) == WANTED["max_user_instances"]
    assert int((tmp_path / "max_user_watches").read_text()) == 2_000_000, "what is higher stays"
    assert "fs.inotify.max_user_instances: raised from 128 to 8192" in capsys.readouterr().out
    raise_limits(progress, tmp_path)
    assert capsys.readouterr().out == ""


def test_where_it_may_not_it_says_what_to_type(
    progress: Progress, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "max_user_instances").symlink_to(UNWRITABLE)
    raise_limits(progress, tmp_path)
    told = capsys.readouterr().out
    assert "cannot be raised here" in told
    assert "sysctl fs.inotify.max_user_instances=8192" in told


def test_a_kernel_without_inotify_has_no_limits(progress: Progress, tmp_path: Path) -> None:
    raise_limits(progress, tmp_path / "none")
