# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._rollout import heartbeat


def test_what_is_waited_for_is_shown_at_once_and_every_fifteen_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, shown = [100.0], list[float]()
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    beat = heartbeat.Heartbeat()
    for now[0] in (100, 107, 114, 115, 129, 130):
        beat.beat(lambda: shown.append(now[0]))
    assert shown == [100, 115, 130]


def test_after_a_line_the_next_one_is_due_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now, shown = [100.0], list[float]()
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    beat = heartbeat.Heartbeat()
    beat.begin()
    for now[0] in (101, 114, 116):
        beat.beat(lambda: shown.append(now[0]))
    assert shown == [116]
