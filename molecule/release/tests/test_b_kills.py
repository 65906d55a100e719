"""Killed at any moment and started again: it goes on from the state in the cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from molecule_helpers import module
from service import OPTIONS, SERVICE, STEPS

INTERVAL = 2
FAST = {"state": "advanced", "steps": STEPS, "interval": 0, "watch": 0}


@pytest.mark.parametrize(
    ("number", "way"),
    [
        (signal.SIGINT, "in process"),
        (signal.SIGTERM, "in process"),
        (signal.SIGKILL, "in process"),
        (signal.SIGTERM, "as a module"),
        (signal.SIGKILL, "as a module"),
    ],
    indirect=["way"],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_killed_run_is_gone_on_with(release, eventually, number, way):
    variables = json.dumps({**SERVICE, **way, "canary_steps": STEPS, "canary_interval": INTERVAL})
    command = ["ansible-playbook", "progressive.istio.canary", "-e", variables]
    with open(os.devnull, "w") as nowhere:
        run = subprocess.Popen(command, cwd="/", stdout=nowhere, stderr=nowhere, start_new_session=True)
    eventually(lambda: release.weights["v2"] >= 30)
    os.killpg(run.pid, number)
    run.wait(timeout=120)
    killed_at = release.weights["v2"]
    time.sleep(1.5 * INTERVAL)  # more than an orphan would wait before its next step
    assert release.weights["v2"] == killed_at, "an orphan went on promoting"
    assert release.agrees

    if number == signal.SIGKILL:
        release.play("canary", canary_steps=STEPS, canary_interval=0).succeeded()
    while release.weights["v2"] < 100:
        assert not release.canary("advanced").get("failed")
    assert release.weights == {"v1": 0, "v2": 100}
    assert release.raised == STEPS


def test_killed_between_any_two_requests(release):
    """State and weights agree after every request, and the next call brings the step to its end."""
    for count in range(1, 20):
        weights = release.weights
        killed = module("canary", fault=("kill-after", str(count)), **OPTIONS, **FAST)
        assert release.agrees
        assert release.weights["v2"] in (weights["v2"], *STEPS[:1])
        if killed:
            break
        release.canary("rolled_back")
        release.annotate(None)
    assert killed["changed"]
    assert count > 3, "the module was never killed"
    assert release.weights == {"v1": 90, "v2": 10}


def test_a_run_that_was_killed_just_after_its_write_is_not_repeated(release):
    assert module("canary", fault=("kill-after-write", "1"), **OPTIONS, **FAST) == {}
    assert release.weights == {"v1": 90, "v2": 10}
    assert release.canary("advanced")["weights"]["after"] == {"v1": 70, "v2": 30}
    assert release.raised == [10, 30]
