"""A delegate is moved itself, and proven where those that delegate to it have its rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from load import Load
from molecule_helpers import Run
from moves import KUBE, NAMESPACE, STEPS, move, split
from stocks import FRONT, LEAF, OUTSIDE, PATHS, STOCKS, greens, reset, roots, set_up


@pytest.fixture(scope="module", autouse=True)
def _services() -> None:
    set_up()


@pytest.fixture(autouse=True)
def _everything_on_stable(_services: None) -> None:
    reset()


def canary(state: str, **options: Any) -> dict[str, Any]:
    return move(**{"name": LEAF, "state": state, "stable": "blue", "canary": "green", **options})


def test_steps_and_the_way_back(ingress: str, tmp_path: Path) -> None:
    before, theirs = KUBE.get("virtualservice", LEAF)["spec"], roots()
    load = Load(f"http://{ingress}/stock", STOCKS.public, 40, tmp_path / "load.json")
    for weight in STEPS:
        result = canary("advanced", steps=STEPS)
        assert not result.get("failed"), result["msg"]
        assert (result["gateways"], result["routes"]) == ([f"{FRONT}/entry", "mesh"], list(PATHS))
        assert greens() == [weight, weight]
        assert {each["proxy"].split()[0] for each in result["live"]} == {"gateway", "sidecar"}
        for path in PATHS.values():
            found = split(f"http://{ingress}{path}", STOCKS.public, {"blue": 100 - weight, "green": weight})
            assert not found.get("failed"), (path, weight, found["msg"])
    back = canary("rolled_back")
    assert back["changed"]
    assert {each["proxy"].split()[0] for each in back["live"]} == {"gateway", "sidecar"}
    counts = load.stop()
    assert counts.keys() == {"200"}, counts
    assert (KUBE.get("virtualservice", LEAF)["spec"], roots()) == (before, theirs)


def test_gateways_alone_are_asked() -> None:
    result = canary("weighted", weight=20, proof="gateways")
    assert [each["proxy"].split("/")[0] for each in result["live"]] == ["gateway istio-system"] * len(result["live"])
    assert result["live"]
    assert canary("rolled_back")["changed"]


def test_the_root_names_what_to_name_in_its_place() -> None:
    result = canary("weighted", weight=20, name=OUTSIDE, namespace=FRONT)
    assert result["failed"]
    assert f"the delegate {LEAF} of namespace {NAMESPACE}, a VirtualService to name in its place" in result["msg"]


def test_the_playbooks_run_on_what_the_inventory_finds(play: Callable[..., Run], tmp_path: Path) -> None:
    file = tmp_path / "canaries.istio.yml"
    file.write_text(json.dumps({"plugin": "progressive.istio.canaries", "namespaces": [NAMESPACE]}))
    here = ("-i", str(file), "--limit", f"stocks.{NAMESPACE}")
    checked = play("doctor", *here).succeeded().output
    assert "blue 100 %, green 0 %" in checked
    assert "live in" in checked
    assert play("canary", *here, weight=20, canary_proof_timeout=60).succeeded().changed == 1
    assert greens() == [20, 20]
    assert play("rollback", *here).succeeded().changed == 1
    assert greens() == [0, 0]
