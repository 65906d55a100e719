"""Several services: each an inventory host."""

from __future__ import annotations

import json
import re

import pytest
from service import SERVICE, STEPS, VIRTUAL_SERVICE


@pytest.fixture
def inventory(release, tmp_path):
    """Four services of one estate."""
    model = release.kube.get("virtualservice", VIRTUAL_SERVICE)
    hosts = {}
    for name in ("one", "two", "three", "four"):
        metadata = {"name": name}
        spec = {**model["spec"], "hosts": [f"{name}.release.test"], "gateways": ["mesh"]}
        release.kube.apply(
            {"apiVersion": model["apiVersion"], "kind": model["kind"], "metadata": metadata, "spec": spec}
        )
        hosts[name] = {"canary_virtual_service": name}
    file = tmp_path / "inventory.json"
    variables = {**SERVICE, "canary_steps": STEPS, "canary_interval": 0}
    file.write_text(json.dumps({"all": {"children": {"canaries": {"hosts": hosts, "vars": variables}}}}))
    yield file
    release.kube.run("delete", "virtualservice", *hosts)


def shares(release) -> dict[str, int]:
    return {name: release.kube.weights(name)["v2"] for name in ("one", "two", "three", "four")}


def test_limit_and_status(release, inventory):
    release.play("advance", "-i", str(inventory), "--limit", "two", canary_watch=0).succeeded()
    assert shares(release) == {"one": 0, "two": 10, "three": 0, "four": 0}
    table = release.play("status", "-i", str(inventory), "--limit", "!three").succeeded().output
    assert re.search(r"^two +v1 +90 %.*\n +v2 +10 %", table, re.MULTILINE), table
    assert re.search(r"^four +v1 +100 %.*\n +v2 +0 %", table, re.MULTILINE), table
