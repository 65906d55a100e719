"""Other runs and other people at the same VirtualService."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from molecule_helpers import module
from service import OPTIONS, SERVICE, STEPS, VIRTUAL_SERVICE


def held_by_somebody(release, seconds: float) -> None:
    """Put a lease of another machine into the annotation."""
    release.canary("advanced")
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    holder = {"run": "abc", "who": "jenkins", "host": "far-away", "pid": 1, "since": until, "until": until}
    state = release.state
    release.annotate(json.dumps({**state, "holder": {**(state.get("holder") or {}), **holder}}))


def test_of_two_runs_one_wins(release, eventually, way):
    variables = json.dumps({**SERVICE, **way, "canary_steps": STEPS, "canary_interval": 300})
    command = ["ansible-playbook", "progressive.istio.canary", "-e", variables]
    with subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE, text=True, start_new_session=True) as first:
        try:
            eventually(lambda: release.weights["v2"] == 10 and not release.state.get("unverified"))
            version = release.kube.versions()
            second = release.play("advance", canary_steps=STEPS, canary_interval=0, canary_watch=0)
            assert second.code != 0
            assert second.changed == 0
            assert "held by" in " ".join(second.output.split())
            assert "since" in second.output
            assert release.kube.versions() == version
        finally:
            release.canary("rolled_back", reason="enough")
            output, _ = first.communicate(timeout=180)
    assert first.returncode != 0, output
    assert release.weights == {"v1": 100, "v2": 0}


def test_two_at_the_very_same_moment(release, way):
    arguments = json.dumps({**OPTIONS, "state": "advanced", "steps": STEPS, "interval": 3600, "watch": 0})
    command = ["ansible", "localhost", "-m", "progressive.istio.canary", "-a", arguments, "-e", json.dumps(way)]
    calls = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    outputs = [call.communicate(timeout=180)[0] for call in calls]
    assert sum("CHANGED" in output for output in outputs) == 1, outputs
    assert release.weights == {"v1": 90, "v2": 10}
    assert release.raised == [10]


def test_a_live_lease_of_another_machine_is_respected(release):
    held_by_somebody(release, 60)
    refused = release.canary("advanced")
    assert refused["failed"]
    assert "jenkins" in refused["msg"]
    assert "far-away" in refused["msg"]
    assert release.weights == {"v1": 90, "v2": 10}


def test_a_stale_lease_is_passed_over(release):
    held_by_somebody(release, -1)
    assert release.canary("advanced")["weights"]["after"] == {"v1": 70, "v2": 30}


def test_an_edit_between_read_and_write_survives(release):
    label = f"kubectl -n release label --overwrite virtualservice {VIRTUAL_SERVICE} edited=by-somebody"
    result = module("canary", fault=("before-patch", label), **OPTIONS, state="weighted", weight=20)
    assert result["changed"]
    assert release.weights == {"v1": 80, "v2": 20}
    assert release.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"]["labels"]["edited"] == "by-somebody"
    release.kube.run("label", "virtualservice", VIRTUAL_SERVICE, "edited-")


def test_weights_moved_by_hand_are_reported_and_never_overwritten(release):
    release.canary("advanced")
    release.set_weights(45, 55)
    refused = release.canary("advanced")
    assert refused["failed"]
    for number in ("10", "55"):
        assert number in refused["msg"]
    assert release.weights == {"v1": 45, "v2": 55}
    assert release.info()["problems"]
    assert release.canary("advanced", adopt=True)["weights"]["after"] == {"v1": 0, "v2": 100}


def test_weights_moved_by_hand_are_taken_on_by_weighted(release):
    release.canary("advanced")
    release.set_weights(45, 55)
    assert release.canary("weighted", weight=20)["changed"]
    assert release.weights == {"v1": 80, "v2": 20}
    assert release.canary("advanced")["weights"]["after"] == {"v1": 70, "v2": 30}


def test_foreign_parts_of_the_virtual_service_stay_byte_for_byte(release):
    spec = release.kube.get("virtualservice", VIRTUAL_SERVICE)["spec"]
    foreign = {"name": "admin", "match": [{"uri": {"prefix": "/admin"}}], "directResponse": {"status": 403}}
    patch = [{"op": "add", "path": "/spec/http/0", "value": foreign}]
    release.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=json", "-p", json.dumps(patch))
    try:
        release.canary("advanced")
        http = release.kube.get("virtualservice", VIRTUAL_SERVICE)["spec"]["http"]
        assert http[0] == foreign
        assert {**http[1], "route": None} == {**spec["http"][0], "route": None}
        assert release.weights == {"v1": 90, "v2": 10}
    finally:
        undo = [{"op": "remove", "path": "/spec/http/0"}]
        release.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=json", "-p", json.dumps(undo))


@pytest.mark.parametrize("start", ["fresh", "stepped", "held", "promoted", "damaged", "without annotation"])
def test_rollback_from_anywhere_twice(release, start, split):
    if start != "fresh":
        release.canary("advanced")
    if start == "held":
        release.canary("held")
    if start == "promoted":
        release.canary("weighted", weight=100)
    if start == "damaged":
        release.annotate("{this is no json")
    if start == "without annotation":
        release.annotate(None)
    first = release.canary("rolled_back", reason="because")
    assert first["changed"] == (start != "fresh")
    assert release.weights == {"v1": 100, "v2": 0}
    assert not release.canary("rolled_back")["changed"]
    split(0, count=100, host="release.test")
