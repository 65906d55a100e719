"""A wave with a failure in it is the last one, whoever runs it: the collection's playbooks, or a play of one's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from foreign import Foreign
from molecule_helpers import Kube, Run

HERE = Path(__file__).resolve().parent.parent
API = "networking.istio.io/v1"
NAMES = [f"shop-{number:02}" for number in range(1, 21)]
FAILS = NAMES[2]
STOP = {"canary_serial": 5, "canary_max_fail_percentage": 0}
KUBE = Kube("waves")


def routes(service: Foreign) -> dict[str, Any]:
    """Twenty VirtualServices, each as its team would write it, over the two versions of one service."""
    items = [
        {
            "apiVersion": API,
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": service.namespace},
            "spec": {
                "hosts": [f"{name}.waves.test"],
                "gateways": ["waves-entry"],
                "http": [{"name": f"to-{name}", "route": service.destinations({"blue": 100, "green": 0})}],
            },
        }
        for name in NAMES
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


@pytest.fixture(scope="module")
def inventory(service, tmp_path_factory) -> Path:
    """The twenty as hosts; the third is asked for a version that there is not."""
    KUBE.apply(routes(service))
    hosts = {name: {"canary_virtual_service": name, "canary_routes": [f"to-{name}"]} for name in NAMES}
    hosts[FAILS]["canary_version"] = "violet"
    variables = {
        "canary_namespace": service.namespace,
        "canary_app": service.name,
        "canary_host": service.host,
        "canary_stable_version": "blue",
        "canary_version": "green",
        "canary_steps": [50, 100],
        "canary_interval": 0,
        "weight": 10,  # of something else: what a play is asked for is given to the play
    }
    file = tmp_path_factory.mktemp("waves") / "hosts.json"
    file.write_text(json.dumps({"all": {"children": {"canaries": {"hosts": hosts, "vars": variables}}}}))
    return file


@pytest.fixture
def written(service, inventory) -> dict[str, str]:
    """The version of each VirtualService at the beginning of a test: everything to blue, no release begun."""
    KUBE.run("replace", "-f", "-", stdin=json.dumps(routes(service)))
    return versions()


def versions() -> dict[str, str]:
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in KUBE.list("virtualservice")}


def moved() -> dict[str, int]:
    """What green has, of the services where it has something."""
    weights = {
        one["metadata"]["name"]: one["spec"]["http"][0]["route"][-1].get("weight", 0)
        for one in KUBE.list("virtualservice")
    }
    return {name: weight for name, weight in weights.items() if weight and name in NAMES}


def own(play: str, inventory: Path, *options: str) -> Run:
    process = subprocess.run(
        ["ansible-playbook", "-i", inventory, HERE / play, *options],
        cwd="/",
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Run(process.returncode, process.stdout + process.stderr)


def stopped(run: Run, before: dict[str, str], weight: int, size: int = 5) -> None:
    """The wave with the failure was the last: its others are moved, and nobody has touched those after it."""
    assert run.code == 2, run.output
    assert "violet" in run.output
    assert moved() == {name: weight for name in NAMES[:size] if name != FAILS}, run.output
    after = versions()
    assert {name: after[name] for name in NAMES[size:]} == {name: before[name] for name in NAMES[size:]}


@pytest.mark.parametrize(("playbook", "weight"), [("canary", 100), ("advance", 50)])
def test_a_failure_ends_the_waves_of_a_playbook(play, inventory, written, playbook, weight):
    run = play(playbook, "-i", str(inventory), **STOP)
    stopped(run, written, weight)
    assert len(re.findall(r"^shop-\d+ .* not reached$", run.output, re.MULTILINE)) == 15, run.output


def test_a_failure_ends_the_waves_as_documented(play, inventory, written):
    waves = {"canary_serial": [1, "10%", "100%"], "canary_max_fail_percentage": 0}
    stopped(play("canary", "-i", str(inventory), weight=20, **waves), written, 20, size=3)


def test_a_failure_ends_the_waves_of_a_play_of_ones_own(inventory, written):
    stopped(own("own.yml", inventory), written, 100)


def test_a_page_a_hook_and_a_table_at_the_end_do_not_hide_a_failure(inventory, written, tmp_path):
    end = tmp_path / "end.yml"
    tell = {
        "name": "Tell",
        "ansible.builtin.file": {"path": f"{tmp_path}/{{{{ inventory_hostname }}}}", "state": "touch"},
    }
    end.write_text(json.dumps([tell]))
    variables = {"canary_page": str(tmp_path / "pages"), "canary_on_end": str(end)}
    stopped(own("own_table.yml", inventory, "-e", json.dumps(variables)), written, 100)
    assert {path.name for path in tmp_path.glob("shop-*")} == set(NAMES[:5])
    assert list(tmp_path.glob("pages/*.html"))


def test_site_changes_nothing_that_it_did_not_make(play, service, inventory):
    """It names all that it would have to change."""
    before = KUBE.versions()
    run = play(
        "site",
        canary_namespace=service.namespace,
        canary_app=service.name,
        canary_service=service.name,
        canary_image="registry.test/checkout",
        canary_container_port=8080,
        canary_stable_version="blue",
        canary_version="green",
        canary_destination_rule=service.name,
        canary_virtual_service=f"{service.name}-routes",
        canary_gateway="waves-entry",
        canary_gateway_hosts=["other.test"],
    )
    assert (run.code, run.changed) == (2, 0), run.output
    text = " ".join(run.output.split())
    for name in ("Service", "Deployment", "DestinationRule", "VirtualService", "Gateway"):
        assert f"{name} waves/" in text, run.output
    for deployment in ("checkout-blue", "checkout-green"):
        assert f"Deployment waves/{deployment}: this collection did not make it" in text
    assert KUBE.versions() == before


def test_a_gateway_that_cannot_be_called_is_reported_before_the_move_and_fails_none(play, inventory, written):
    ports = [{"name": "http2", "port": 80}]
    KUBE.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "closed"}, "spec": {"ports": ports}})
    closed = {"canary_ingress_service": "closed", "canary_ingress_namespace": KUBE.namespace}
    run = play("canary", "-i", str(inventory), "--limit", NAMES[0], weight=20, canary_version_path="/version", **closed)
    assert (run.code, run.changed) == (0, 1), run.output
    assert moved() == {NAMES[0]: 20}
    said, done = run.output.index("No requests will be sent to show the split"), run.output.index("from 0 to 20 %")
    assert said < done
    assert "accepts no connection from here" in run.output
