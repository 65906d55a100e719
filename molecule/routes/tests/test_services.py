"""Versions that are Services of their own are released like subsets."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baskets import BAD, BASKETS, ONE, ROUTES, TWO, objects, reset, shares
from load import Load
from molecule_helpers import Run, module, paste
from moves import KUBE, NAMESPACE, STEPS, move, split
from pace import Pace


@pytest.fixture(scope="module", autouse=True)
def _services() -> None:
    KUBE.set_up(objects())


@pytest.fixture(autouse=True)
def _everything_on_stable(_services: None) -> None:
    reset()


def canary(state: str, **options: Any) -> dict[str, Any]:
    return move(ROUTES, state, **{"stable": ONE, "canary": TWO, **options})


def test_steps_and_the_way_back(ingress: str, tmp_path: Path) -> None:
    before = KUBE.get("virtualservice", ROUTES)
    load = Load(f"http://{ingress}/baskets", BASKETS.public, 40, tmp_path / "load.json")
    for weight in STEPS:
        generation = KUBE.get("virtualservice", ROUTES)["metadata"]["generation"]
        result = canary("advanced", steps=STEPS)
        assert not result.get("failed"), result["msg"]
        assert shares()[0] == {ONE: 100 - weight, TWO: weight}
        assert KUBE.get("virtualservice", ROUTES)["metadata"]["generation"] == generation + 1
        assert {each["proxy"].split()[0] for each in result["live"]} == {"gateway", "sidecar"}
        for path in ("/baskets", "/version"):
            found = split(f"http://{ingress}{path}", BASKETS.public, {"one": 100 - weight, "two": weight})
            assert not found.get("failed"), (path, weight, found["msg"])
    assert canary("rolled_back")["changed"]
    counts = load.stop()
    assert counts.keys() == {"200"}, counts
    assert KUBE.get("virtualservice", ROUTES)["spec"] == before["spec"]


def test_a_good_version_is_judged_by_the_counts_and_latencies_of_its_service(ingress: str, tmp_path: Path) -> None:
    load = Load(f"http://{ingress}/version", BASKETS.public, 100, tmp_path / "load.json")
    result = canary("advanced", steps=[50, 100], interval=10, watch=60, analysis={"deadline": 60})
    counts = load.stop()
    assert not result.get("failed"), result["msg"]
    assert counts.keys() == {"200"}, counts
    (judged,) = result["judged"]
    assert judged["versions"].keys() == {ONE, TWO}
    for version, counted in judged["versions"].items():
        assert counted["requests"] >= 100, (version, counted)  # a thousand are sent where the machine is not busy
        assert counted["failed"] == 0, (version, counted)
        # Envoy merges its histograms every 5 s: those of an interval of 10 s may be half of the answers.
        assert counted["timed"] > 0.25 * counted["requests"], (version, counted)


def test_a_bad_version_goes_back(ingress: str, tmp_path: Path) -> None:
    reset(BAD)
    load = Load(f"http://{ingress}/version", BASKETS.public, 100, tmp_path / "load.json")
    with Pace() as pace:
        result = canary("advanced", canary=BAD, steps=[20, 100], interval=60, watch=60, analysis={})
    counts = load.stop()
    assert result["failed"]
    assert shares() == [{ONE: 100, BAD: 0}] * 2
    assert counts["500"] <= 40 * pace.slowdown, counts


def test_the_next_release_and_the_cleanup_of_the_one_before() -> None:
    canary("advanced", steps=[100])
    done = canary("cleaned", drain=0)
    assert not done.get("failed"), done["msg"]
    assert (done["removed"], done["used_by"], shares()) == (ONE, [], [{TWO: 100}] * 2)
    result = canary("advanced", stable=TWO, canary=ONE, steps=STEPS)
    assert not result.get("failed"), result["msg"]
    assert shares() == [{TWO: 95, ONE: 5}] * 2


def test_a_service_without_ready_pods_gets_nothing() -> None:
    KUBE.run("scale", "deployment", "baskets-two", "--replicas=0")
    try:
        result = canary("advanced", steps=STEPS, wait_timeout=1)
        assert result["failed"]
        assert "baskets-two cannot take 5 % yet: it has no pods" in result["msg"]
        assert shares()[0] == {ONE: 100, TWO: 0}
    finally:
        KUBE.run("scale", "deployment", "baskets-two", "--replicas=1")
        KUBE.await_pods("baskets-two")


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, ...]:
    """The options with which a playbook finds them."""
    file = tmp_path / "canaries.istio.yml"
    file.write_text(json.dumps({"plugin": "progressive.istio.canaries", "namespaces": [NAMESPACE]}))
    return ("-i", str(file), "--limit", f"{ROUTES}.{NAMESPACE}")


def test_the_playbooks_run_on_what_the_inventory_finds(play: Callable[..., Run], here: tuple[str, ...]) -> None:
    checked = play("doctor", *here).succeeded().output
    assert "baskets-one 100 %" in checked
    moved = play("canary", *here, weight=20, canary_proof_timeout=60).succeeded()
    assert (moved.changed, shares()) == (1, [{ONE: 80, TWO: 20}] * 2)
    assert "baskets-two" in play("status", *here).succeeded().output
    assert play("rollback", *here).succeeded().changed == 1
    assert shares() == [{ONE: 100, TWO: 0}] * 2


def test_the_hint_of_rules_that_split_in_different_ways(play: Callable[..., Run], tmp_path: Path) -> None:
    names = {"canary_virtual_service": ROUTES, "canary_namespace": NAMESPACE}
    host = {**names, "canary_stable_version": ONE, "canary_version": TWO, "canary_interval": 3600}
    file = tmp_path / "written.yml"
    file.write_text(json.dumps({"canaries": {"hosts": {"baskets": host}}}))
    for rule, shares_of in ((0, (60, 40)), (1, (10, 90))):  # the second one names the canary first
        patch = [
            {"op": "add", "path": f"/spec/http/{rule}/route/{at}/weight", "value": weight}
            for at, weight in enumerate(shares_of)
        ]
        BASKETS.patch("virtualservice", ROUTES, *patch)
    stopped = play("advance", "-i", str(file))
    assert stopped.code == 2, stopped.output
    (command,) = set(re.findall(r"ansible-playbook progressive.istio.advance .*? -e canary_adopt=true", stopped.output))
    assert shares() == [{ONE: 60, TWO: 40}, {ONE: 90, TWO: 10}]
    paste(command)
    assert shares() == [{ONE: 90, TWO: 10}] * 2


def test_the_doctor_names_one_that_is_gone_and_undoes_a_change() -> None:
    canary("advanced", steps=STEPS)
    weights = [{"op": "add", "path": f"/spec/http/1/route/{place}/weight", "value": 50} for place in (0, 1)]
    BASKETS.patch("virtualservice", ROUTES, *weights)
    doctor = module("canary_doctor", name=ROUTES, namespace=NAMESPACE)
    (problem,) = [each for each in doctor["problems"] if each["check"] == "weights_kept"]
    subprocess.run(shlex.split(problem["command"]), check=True, capture_output=True)
    assert shares() == [{ONE: 95, TWO: 5}] * 2
