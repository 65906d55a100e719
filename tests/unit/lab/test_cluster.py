# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that runs is kept, also where the machine is too busy for it to answer at once."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from lab import cluster
from lab.cluster import Cluster
from lab.progress import Progress


@pytest.mark.parametrize(("answers", "recreated"), [(3, []), (10**9, ["anew"])])
def test_a_slow_api_server_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: int, recreated: list[str]
) -> None:
    looks = count()
    made: list[str] = []
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.2 if recreated else 60.0)
    monkeypatch.setattr(cluster.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Cluster, "container_state", lambda self: ("running", "image"))
    monkeypatch.setattr(Cluster, "api_answers", lambda self: next(looks) >= answers)
    monkeypatch.setattr(Cluster, "recreate", lambda self, progress: made.append("anew"))
    created = Cluster("test", tmp_path, "image", True).ensure(Progress(1, tmp_path / "log"))
    assert (made, created) == (recreated, bool(recreated))
