"""What a person gets who asks for something that cannot be: a reason, and a cluster that nobody has touched."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

NAMESPACE = {"canary_namespace": "refusals", "canary_gateway_hosts": ["refusals.test"]}


@pytest.fixture(scope="module")
def refusals(kube):
    return kube("refusals")


@pytest.fixture
def refused(refusals, play):
    """Run the canary playbook, see that it fails with each of the words, and that nothing was written."""

    def check(*words: str, **variables: object) -> str:
        before = refusals.versions()
        run = play("canary", **{**NAMESPACE, **variables})
        assert run.code != 0, run.output
        assert run.changed == 0
        assert refusals.versions() == before
        assert "Traceback" not in run.output
        text = " ".join(run.output.split())
        for word in words:
            assert word in text, run.output
        return text

    return check


@pytest.mark.parametrize("weight", [-1, 101, "abc", "10%", 12.5, "", True])
def test_a_weight_that_is_none(refused, weight):
    refused("weight", "0", "100", weight=weight)


def test_an_unknown_namespace(refused):
    refused("nowhere", weight=20, canary_namespace="nowhere")


def test_an_unknown_virtual_service(refused):
    refused("VirtualService", "refusals/other", weight=20, canary_virtual_service="other")


def test_an_unknown_subset(refused):
    refused("v9", weight=20, canary_version="v9")


def test_an_unknown_route(refused):
    refused("secondary", "primary", weight=20, canary_routes="secondary")


def test_a_canary_that_is_the_stable_version(refused):
    refused("v1", weight=20, canary_version="v1")


def test_all_mistakes_at_once(refused):
    refused("101", "v1", weight=101, canary_version="v1")


def test_no_kubeconfig(refused):
    refused("/does/not/exist", weight=20, canary_kubeconfig="/does/not/exist")


def test_an_unknown_context(refused):
    refused("elsewhere", weight=20, canary_context="elsewhere")


def test_an_api_server_that_does_not_answer(refused, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: gone, "
        "clusters: [{name: gone, cluster: {server: 'https://127.0.0.1:9'}}], "
        "users: [{name: me, user: {token: x}}], contexts: [{name: gone, context: {cluster: gone, user: me}}]}"
    )
    refused("127.0.0.1:9", weight=20, canary_kubeconfig=str(kubeconfig))


@pytest.mark.parametrize("playbook", ["site", "canary"])
def test_the_wrong_types_are_named_all_together(play, playbook):
    run = play(playbook, canary_port="eighty", canary_steps=[50, 20], canary_interval=-1, canary_version="v1")
    assert run.code != 0
    for word in ("canary_port", "canary_steps", "canary_interval"):
        assert word in run.output, run.output


def test_misspelt_settings_are_named_all_together(refused):
    refused(
        *("canary_analisys is not a setting", "did you mean canary_analysis", "did you mean canary_steps", "101"),
        **{"weight": 101, "canary_analisys": {}, "canary_setps": [100], "canary_team": "shop"},
    )


@pytest.fixture
def estate(tmp_path):
    """An inventory with a service in a group, and a host that is none."""

    def write(group: str) -> str:
        file = tmp_path / f"{group}.json"
        children = {group: {"hosts": {"cart": {}}}}
        file.write_text(json.dumps({"all": {"hosts": {"localhost": {}, "web": {}}, "children": children}}))
        return str(file)

    return write


@pytest.mark.parametrize("playbook", ["canary", "teardown"])
def test_an_inventory_without_the_group(play, estate, playbook):
    run = play(playbook, "-i", estate("services"))
    assert run.code not in (0, 2), run.output
    assert "no group canaries" in run.output
    assert "-e canary_hosts=GROUP" in run.output
    assert "PLAY [" not in run.output


def test_a_group_without_hosts(play, estate):
    run = play("advance", "-i", estate("canaries"), canary_hosts="cannaries")
    assert run.code not in (0, 2), run.output
    assert "There is no host in cannaries" in run.output
    assert "PLAY [" not in run.output


def test_a_limit_that_leaves_none(play, estate):
    run = play("advance", "-i", estate("canaries"), "--limit", "web")
    assert run.code not in (0, 2), run.output
    assert "--limit web leaves none of the hosts of canaries: cart" in run.output
    assert "PLAY [" not in run.output


EVIL = "\x1b[2J\x1b[1;31m\r\nrefusals/other  v1  100 %\x07\x9b1m\u202e"
FORGED = "refusals/other"


@pytest.fixture
def hostile(refusals):
    """A VirtualService in whose annotation somebody who may write it has put what a terminal acts upon."""
    service = refusals.get("virtualservice", "pong-server-virtual-service")
    at = "2026-01-01T00:00:00Z"
    note = {
        **{"version": 1, "stable": "v1", "canary": "v2", "phase": "held", "step": -1, "run": "1", "interval": 60},
        **{
            "weights": {"stable": 100, "canary": 0},
            "since": at,
            "before": {},
            "steps": [{"weight": 20, "pause": False}],
        },
        "holder": {"who": EVIL, "host": EVIL, "pid": 1, "since": at, "until": at},
        "verdict": {"result": "inconclusive", "why": EVIL, "at": at},
        "history": [{"at": at, "event": "held", "canary": "v2", "weight": 0, "why": EVIL, "by": EVIL}],
    }
    metadata = {
        "name": "hostile",
        "namespace": "refusals",
        "annotations": {"progressive.istio/canary": json.dumps(note)},
    }
    refusals.apply({**{key: service[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata})
    yield "hostile"
    refusals.run("delete", "virtualservice", "hostile")


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_others_have_written_forges_no_line(play, hostile, monkeypatch, form):
    monkeypatch.setenv("ANSIBLE_CALLBACK_RESULT_FORMAT", form)
    run = play("status", "-v", **NAMESPACE, canary_virtual_service=hostile).succeeded()
    assert "\\x1b[2J" in run.output, "it says what is there"
    unseen = {one for line in run.output.split("\n") for one in line if not one.isprintable()}
    assert unseen == set(), run.output
    assert not [line for line in run.output.split("\n") if line.lstrip().startswith(FORGED)]


def test_lab_without_docker_and_root():
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "DOCKER_HOST=unix:///nonexistent"]
    root = os.environ["MOLECULE_PROJECT_DIRECTORY"]
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
    environment = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": "/tmp/nobody-cache", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [*command, python, "-m", "lab", "up"], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "no Docker answers and this is not root" in run.stderr


def test_a_python_that_is_too_old(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\nexec python3 -c "import sys; sys.version_info = (3, 9, 0); exec(sys.argv[1])" "$2"\n')
    old.chmod(0o755)
    root = os.environ["MOLECULE_PROJECT_DIRECTORY"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    run = subprocess.run(
        ["make", "tools", f"PYTHON={old}"], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode != 0
    assert "Python 3.9 is too old: progressive.istio needs Python 3.11 or newer" in run.stdout + run.stderr
