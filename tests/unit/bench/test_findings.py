# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

from bench.commands import Ended
from bench.fortio import Answers
from bench.load import Both
from bench.measures import bad, fleet, footprint, live, lost, many, step
from bench.measures.live import Times
from bench.table import missed

SECONDS = {"canary": [0.6, 0.9, 0.7], "core": [0.8, 0.7, 1.4], "kubectl": [0.4, 0.4, 0.4]}
SLOW = {"canary": [2.0], "core": [1.0], "kubectl": [0.1]}


def both(gateway: dict[int, int], mesh: dict[int, int]) -> Both:
    return Both(Answers(Counter(gateway), 220.4), Answers(Counter(mesh), 219.9))


def test_step_cost_compares_medians() -> None:
    found = step.findings_of(SECONDS, SLOW, 5, 1)
    assert found.numbers["step_vs_kubernetes_core"] == 0.875
    assert found.numbers["step_seconds"] == 0.7
    assert found.numbers["step_process_vs_kubernetes_core"] == 2.0
    assert found.numbers["api_requests_per_step"] == 5
    assert missed([found]) == ["Step cost: as an Ansible task, median of 3", "Step cost: as a bare process, median"]


def test_a_fleet_is_measured_by_time_and_cpu_time() -> None:
    found = fleet.findings_of([7.0, 9.0, 8.0], [6.5, 5.0, 6.1])
    assert found.numbers == {"twenty_services_seconds": 8.0, "twenty_services_cpu_seconds": 6.1}
    assert missed([found]) == ["Twenty services: its CPU time, median"]


def test_many_are_measured_by_time_memory_and_requests() -> None:
    runs = [Ended("", 0, "", "", seconds, 2.0, memory) for seconds, memory in ((9.0, 70), (5.0, 151), (6.0, 80))]
    found = many.findings_of(runs, [200, 120, 150])
    assert found.numbers == {
        "fleet_60_seconds": 6.0,
        "fleet_60_cpu_seconds": 2.0,
        "fleet_60_mib": 151,
        "fleet_api_requests_per_service": 2.5,
    }
    assert missed([found]) == ["60 services in one call: its peak of memory"]


def test_the_worst_proof_decides() -> None:
    times = [
        Times(10.0, 10.1, 10.102, 10.105),
        Times(20.0, 20.12, 20.13, 20.15),
        Times(30.0, 30.11, 30.114, 30.117),
    ]
    found = live.findings_of(times)
    assert (found.numbers["proof_lag_ms"], found.numbers["proof_lag_ms_max"]) == (7.0, 30.0)
    assert (found.numbers["seen_lag_ms"], found.numbers["seen_lag_ms_max"]) == (4.0, 10.0)
    assert found.numbers["live_after_ms"] == 110
    assert len(missed([found])) == 1
    assert not missed([live.findings_of(times[:1])])


def test_losses_of_both_loads_count() -> None:
    ours = {"a": both({200: 90}, {200: 80}), "b": both({200: 10}, {200: 9, -1: 1})}
    theirs = {"a": both({200: 90, 503: 4}, {200: 80}), "b": both({200: 10}, {200: 9})}
    found = lost.findings_of(ours, theirs, 30)
    assert (found.numbers["lost_requests"], found.numbers["requests_sent"]) == (1, 190)
    assert (found.numbers["kubernetes_core_lost_requests"], found.numbers["kubernetes_core_requests_sent"]) == (4, 193)
    assert missed([found]) == ["Lost requests: b", "Lost requests: all"]
    scenes = found.numbers["scenes"]
    assert isinstance(scenes, dict)
    assert scenes["a"]["kubernetes_core"]["gateway"]["by_status"] == {"200": 90, "503": 4}


def test_the_worst_bad_canary_decides() -> None:
    found = bad.findings_of([bad.Turn(6, 400, 0.5), bad.Turn(13, 410, 0.9), bad.Turn(7, 400, 0.6)])
    assert (found.numbers["bad_answers_before_rollback"], found.numbers["seconds_exposed"]) == (7, 0.6)
    assert len(missed([found])) == 1


def test_footprint() -> None:
    found = footprint.findings_of({"canary": 41.26, "core": 66}, {"canary": 0.2501, "core": 0.5})
    assert (found.numbers["memory_mb"], found.numbers["import_seconds"]) == (41.3, 0.25)
