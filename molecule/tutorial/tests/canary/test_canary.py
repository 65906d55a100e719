"""After `canary.yml -e weight=20`: a fifth of real requests, and nothing else moved."""

from __future__ import annotations

import re

import pytest


@pytest.fixture(scope="module")
def default(kube):
    return kube("default")


def test_exactly_the_two_weights_are_set(default):
    assert default.weights() == {"v1": 80, "v2": 20}


def test_a_fifth_of_the_requests_reaches_v2(split):
    split(20, count=2000)


def test_a_second_run_changes_nothing_and_shows_fifty_requests_as_a_table(default, play):
    before = default.versions()
    run = play("canary", weight=20).succeeded()
    assert run.changed == 0
    assert default.versions() == before
    for version in ("v1", "v2"):
        assert re.search(rf"{version} +\d+ +\d+\.\d %", run.output), run.output


def test_site_leaves_the_weights_of_a_canary_alone(default, play):
    before = default.versions()
    assert play("site").succeeded().changed == 0
    assert default.versions() == before
    assert default.weights() == {"v1": 80, "v2": 20}


@pytest.mark.parametrize("weight", [50, 100, 0])
def test_other_weights(default, play, split, weight):
    assert play("canary", weight=weight).succeeded().changed == 1
    assert default.weights() == {"v1": 100 - weight, "v2": weight}
    split(weight, count=500)


def test_doctor_finds_nothing_wrong(play):
    play("doctor").succeeded()


def test_istioctl_finds_nothing_to_complain_about(host):
    run = host.run("istioctl analyze --namespace default")
    assert run.rc == 0
    assert "No validation issues found" in run.stdout + run.stderr


def test_teardown_removes_what_site_made_and_nothing_else(default, play):
    play("teardown", canary_drain=0).succeeded()
    assert [name for name in default.versions() if "pong" in name] == []
    assert default.get("deployment", "older")["status"]["readyReplicas"] == 1
    assert play("teardown", canary_drain=0).succeeded().changed == 0
