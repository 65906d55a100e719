"""Several services: each an inventory host, in waves as Ansible does them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from service import SERVICE, STEPS, VIRTUAL_SERVICE

WAVE = Path(__file__).resolve().parent.parent / "wave.yml"


@pytest.fixture
def inventory(release, tmp_path):
    """Four services of one estate; the third is asked for a version that there is not."""
    model = release.kube.get("virtualservice", VIRTUAL_SERVICE)
    hosts = {}
    for name in ("one", "two", "three", "four"):
        metadata = {"name": name}
        spec = {**model["spec"], "hosts": [f"{name}.release.test"], "gateways": ["mesh"]}
        release.kube.apply(
            {"apiVersion": model["apiVersion"], "kind": model["kind"], "metadata": metadata, "spec": spec}
        )
        hosts[name] = {"canary_virtual_service": name, **({"canary_canary": "v9"} if name == "three" else {})}
    file = tmp_path / "inventory.json"
    variables = {**SERVICE, "canary_steps": STEPS, "canary_interval": 0}
    file.write_text(json.dumps({"all": {"children": {"canaries": {"hosts": hosts, "vars": variables}}}}))
    yield file
    release.kube.run("delete", "virtualservice", *hosts)


def shares(release) -> dict[str, int]:
    return {name: release.kube.weights(name)["v2"] for name in ("one", "two", "three", "four")}


def test_a_wave_stops_at_the_first_service_that_fails(release, inventory):
    run = subprocess.run(
        ["ansible-playbook", "-i", inventory, WAVE],
        cwd="/",
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode != 0
    assert "v9" in run.stdout + run.stderr
    assert shares(release) == {"one": 100, "two": 100, "three": 0, "four": 0}


def test_limit_and_status(release, inventory):
    release.play("promote", "-i", str(inventory), "--limit", "two", canary_watch=0).succeeded()
    assert shares(release) == {"one": 0, "two": 10, "three": 0, "four": 0}
    table = release.play("status", "-i", str(inventory), "--limit", "!three").succeeded().output
    assert re.search(r"^two +v1 +90 %.*\n +v2 +10 %", table, re.MULTILINE), table
    assert re.search(r"^four +v1 +100 %.*\n +v2 +0 %", table, re.MULTILINE), table
