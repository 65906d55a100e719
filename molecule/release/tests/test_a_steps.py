"""The way to 100 %, by a scheduler and by a person who watches."""

from __future__ import annotations

import json
import re

import pytest
from service import OPTIONS, STEPS


def test_a_scheduler_goes_step_by_step(release, split):
    """Each weight is exact, and so is the share of 500 real requests."""
    for weight in STEPS:
        result = release.canary("advanced")
        assert result["changed"]
        assert release.weights == {"v1": 100 - weight, "v2": weight}
        assert release.state
        assert release.agrees
        split(weight, count=500, host="release.test")
    assert release.info()["phase"] == "promoted"
    assert release.raised == STEPS
    again = release.canary("advanced")
    assert (again["changed"], again.get("failed", False)) == (False, False)


def test_a_person_watches(release):
    run = release.play("canary", canary_steps=STEPS, canary_interval=1).succeeded()
    assert release.weights == {"v1": 0, "v2": 100}
    assert release.raised == STEPS
    shown = [int(weight) for weight in re.findall(r"\[[#.]+\] +(\d+) %", run.output)]
    assert sorted(set(shown), key=shown.index) == STEPS, run.output
    assert "\r" not in run.output


@pytest.fixture
def hooks(tmp_path):
    """Task files that write down when they run and what they see, and the file with what they wrote."""
    told = tmp_path / "told"
    seen = {
        "before_step": "before {{ canary_status.weights.v2 }}",
        "after_step": "after {{ canary_result.weights.after.v2 | default('a refusal') }}",
        "on_end": "end {{ canary_result.failed | default(false) }}",
    }
    files = {}
    for name, line in seen.items():
        files[f"canary_{name}"] = str(tmp_path / f"{name}.yml")
        tell = {"name": "Tell", "ansible.builtin.shell": f"echo {line} >> {told}"}
        (tmp_path / f"{name}.yml").write_text(json.dumps([tell]))
    return files, told


def test_others_take_part_in_each_step(release, hooks, way):
    files, told = hooks
    release.play("canary", canary_steps=[30, 100], canary_interval=1, **way, **files).succeeded()
    assert told.read_text().splitlines() == ["before 0", "after 30", "before 30", "after 100", "end False"]
    assert release.raised == [30, 100]


def test_others_hear_of_a_failure_and_may_forbid_a_step(release, hooks, tmp_path):
    files, told = hooks
    assert release.play("advance", canary_version="v9", canary_steps=STEPS, **files).code != 0
    assert told.read_text().splitlines() == ["before 0", "after a refusal", "end True"]
    forbidding = tmp_path / "forbidding.yml"
    forbidding.write_text(json.dumps([{"name": "Forbid", "ansible.builtin.fail": {"msg": "not today"}}]))
    forbidden = release.play("advance", canary_before_step=str(forbidding), canary_steps=STEPS)
    assert forbidden.code != 0
    assert "not today" in forbidden.output
    assert release.weights == {"v1": 100, "v2": 0}


@pytest.fixture
def held_by_a_hook(tmp_path):
    """A task file in which a colleague holds the canary."""
    hold = {"name": "Hold", "progressive.istio.canary": {**OPTIONS, "state": "held", "reason": "wait for me"}}
    file = tmp_path / "hold.yml"
    file.write_text(json.dumps([hold]))
    return str(file)


def test_a_hold_during_a_hook_is_not_overruled(release, held_by_a_hook):
    steps = [{"weight": 10, "pause": True}, 100]
    for _ in range(2):
        release.canary("advanced", steps=steps)
    assert release.info()["phase"] == "paused"
    run = release.play(
        "advance", canary_steps=steps, canary_interval=0, canary_confirm=True, canary_before_step=held_by_a_hook
    )
    assert run.code == 2, run.output
    assert "changed while canary_before_step ran" in run.output
    assert "wait for me" in run.output
    assert (release.weights, release.info()["phase"]) == ({"v1": 90, "v2": 10}, "held")


def test_a_word_counts_for_the_first_step_only(release, held_by_a_hook):
    """A step that somebody held, or that ended without a verdict, does not go on by the word for the one before it."""
    release.canary("advanced")
    release.canary("held")
    run = release.play(
        "canary", canary_steps=STEPS, canary_interval=0, canary_confirm=True, canary_after_step=held_by_a_hook
    )
    assert run.code == 2, run.output
    assert (release.weights, release.info()["phase"]) == ({"v1": 70, "v2": 30}, "held")


def test_promote_before_its_time_changes_nothing(release):
    assert release.canary("advanced", interval=3600)["changed"]
    version = release.kube.versions()
    run = release.play("advance", canary_steps=STEPS, canary_interval=3600, canary_watch=0).succeeded()
    assert run.changed == 0
    assert release.kube.versions() == version
    assert release.weights == {"v1": 90, "v2": 10}


def test_a_pause_waits_for_a_person(release):
    steps = [{"weight": 10, "pause": True}, 100]
    release.canary("advanced", steps=steps)
    waiting = release.canary("advanced", steps=steps)
    assert not waiting["changed"]
    assert "confirm" in waiting["msg"]
    assert release.weights == {"v1": 90, "v2": 10}
    assert release.canary("advanced", steps=steps, confirm=True)["changed"]
    assert release.weights == {"v1": 0, "v2": 100}


def test_held_by_a_person_and_confirmed(release):
    release.canary("advanced")
    assert release.canary("held", reason="lunch")["changed"]
    refused = release.canary("advanced")
    assert refused["failed"]
    assert "lunch" in refused["msg"]
    assert release.canary("advanced", confirm=True)["weights"]["after"] == {"v1": 70, "v2": 30}


@pytest.mark.parametrize("phase", ["none", "early", "soaked", "paused", "held", "promoted", "rolled_back", "weighted"])
def test_check_mode_predicts_what_advanced_does(release, phase):
    options = {"steps": [{"weight": 10, "pause": True}, 100]} if phase == "paused" else {}
    if phase in ("early", "soaked", "paused", "held", "rolled_back"):
        release.canary("advanced", **options)
    if phase == "early":
        options = {"interval": 3600}
    if phase == "paused":
        release.canary("advanced", **options)
    if phase in ("held", "rolled_back"):
        release.canary(phase)
    if phase == "promoted":
        for _ in STEPS:
            release.canary("advanced")
    if phase == "weighted":
        release.canary("weighted", weight=40)
    before = release.kube.versions()
    predicted = release.canary("advanced", check=True, **options)
    assert release.kube.versions() == before
    real = release.canary("advanced", **options)
    for key in ("changed", "failed", "weights", "phase", "step", "next_weight"):
        assert predicted.get(key) == real.get(key), (key, predicted["msg"], real["msg"])
