"""Every rule of a service has the share of the step, and nothing else of the VirtualService changes."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.binomial import acceptance_range
from load import Load
from molecule_helpers import Run, module
from moves import NAMESPACE, STEPS, split
from orders import (
    CARTS,
    MOVED,
    ORDERS,
    REQUESTS,
    ROUTES,
    called,
    canary,
    greens,
    reset,
    set_up,
    states,
    virtual_service,
    without_weights,
)

TWENTY = list(range(5, 105, 5))


@pytest.fixture(scope="session", autouse=True)
def _services() -> None:
    set_up()


@pytest.fixture(autouse=True)
def _everything_on_stable() -> None:
    reset()


def share(ingress: str, rule: str, weight: int) -> dict[str, Any]:
    """How the requests to a rule split, against the exact 99.9 % range."""
    path, headers = REQUESTS[rule]
    return split(f"http://{ingress}{path}", ORDERS.public, {"blue": 100 - weight, "green": weight}, **headers)


def test_all_rules_move_together(ingress: str, tmp_path: Path) -> None:
    before = virtual_service()
    load = Load(f"http://{ingress}/orders/exact", ORDERS.public, 20, tmp_path / "load.json")
    inside = Load(f"http://{ingress}/version", ORDERS.public, 20, tmp_path / "team.json", "x-team: shop")
    for weight in STEPS:
        version = virtual_service()["metadata"]["generation"]
        result = canary("advanced", steps=STEPS)
        assert not result.get("failed"), result["msg"]
        assert (result["routes"], greens()) == (list(MOVED), dict.fromkeys(MOVED, weight))
        assert virtual_service()["metadata"]["generation"] == version + 1, "all rules are moved in one patch"
        assert {each["proxy"].split()[0] for each in result["live"]} == {"gateway", "sidecar"}
        for rule in MOVED:
            found = share(ingress, rule, weight)
            assert not found.get("failed"), (rule, weight, found["msg"])
        assert greens("carts") == {"carts": 0}
    assert canary("rolled_back")["changed"]
    for each in (load, inside):
        counts = each.stop()
        assert counts.keys() == {"200"}, counts
    assert without_weights(virtual_service()) == without_weights(before)
    assert virtual_service()["spec"] == before["spec"]


def test_each_rule_has_the_share_inside_the_mesh() -> None:
    for weight in (20, 50):
        result = canary("weighted", weight=weight)
        assert not result.get("failed"), result["msg"]
        for rule in MOVED:
            path, headers = REQUESTS[rule]
            counted = called(2000, path, **headers)
            assert sum(counted.values()) == 2000, (rule, counted)
            assert counted["green"] in acceptance_range(2000, weight / 100, 0.99999), (rule, weight, counted)


def test_what_leads_past_the_canary_is_reported() -> None:
    result = canary("weighted", weight=20)
    past = (
        f"HTTP route fixed of VirtualService {NAMESPACE}/{ROUTES} leads past green, to blue alone (uri prefix /fixed)"
    )
    assert past in str(result["warnings"])


def test_two_services_are_released_at_the_same_time() -> None:
    """Twenty steps each, by two runs that write the same object."""

    def release(service: Any) -> list[dict[str, Any]]:
        return [canary("advanced", service, steps=TWENTY) for _step in TWENTY]

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(release, (ORDERS, CARTS)))
    for results in both:
        failed = [each["msg"] for each in results if each.get("failed")]
        assert not failed
        assert [each["weights"]["after"]["green"] for each in results] == TWENTY
    known = states()["services"]
    assert {host: state["phase"] for host, state in known.items()} == dict.fromkeys(
        (ORDERS.host, CARTS.host), "promoted"
    )
    assert [len(state["history"]) for state in known.values()] == [20, 20]
    assert greens() == dict.fromkeys(MOVED, 100)
    assert greens("carts") == {"carts": 100}
    assert canary("rolled_back", CARTS)["changed"]
    assert (greens("carts"), set(greens().values())) == ({"carts": 0}, {100})


def test_a_change_of_one_rule_stops_the_release_and_the_doctor_undoes_it() -> None:
    canary("advanced", steps=STEPS)
    canary("advanced", steps=STEPS)
    weights = [{"op": "add", "path": f"/spec/http/1/route/{place}/weight", "value": 50} for place in (0, 1)]
    ORDERS.patch("virtualservice", ROUTES, *weights)
    stopped = canary("advanced", steps=STEPS)
    assert stopped["failed"]
    assert "blue 50 %, green 50 % in HTTP route number 2 now, blue 80 %, green 20 % when this release" in stopped["msg"]
    where = {"name": ROUTES, "namespace": NAMESPACE, "destination_host": ORDERS.host}
    doctor = module("canary_doctor", **where, skip_checks=["callers_routed"])
    (problem,) = [each for each in doctor["problems"] if each["check"] == "weights_kept"]
    assert greens()["number 2"] == 50
    subprocess.run(shlex.split(problem["command"]), check=True, capture_output=True)
    assert greens() == dict.fromkeys(MOVED, 20)
    assert not canary("advanced", steps=STEPS).get("failed")


def test_rules_that_are_inserted_or_reordered_in_mid_release_are_no_matter() -> None:
    canary("advanced", steps=STEPS)
    http = virtual_service()["spec"]["http"]
    inserted = {"name": "new", "match": [{"uri": {"exact": "/new"}}], "redirect": {"uri": "/"}}
    ORDERS.patch(
        "virtualservice",
        ROUTES,
        {"op": "replace", "path": "/spec/http", "value": [inserted, *http[::-1][1:], http[-1]]},
    )
    result = canary("advanced", steps=STEPS)
    assert not result.get("failed"), result["msg"]
    assert set(greens().values()) == {20}
    gone = [rule for rule in virtual_service()["spec"]["http"] if rule.get("name") not in ("new", "pattern")]
    ORDERS.patch("virtualservice", ROUTES, {"op": "replace", "path": "/spec/http", "value": gone})
    assert not canary("advanced", steps=STEPS).get("failed")
    assert canary("rolled_back")["changed"]


def test_a_new_rule_is_taken_in_by_hand() -> None:
    """It has both versions and other weights: no step is taken over it until a user says so."""
    canary("advanced", steps=STEPS)
    canary("advanced", steps=STEPS)
    new = {
        "name": "new",
        "match": [{"uri": {"prefix": "/new"}}],
        "route": ORDERS.destinations({"blue": 100, "green": 0}),
    }
    ORDERS.patch("virtualservice", ROUTES, {"op": "add", "path": "/spec/http/0", "value": new})
    stopped = canary("advanced", steps=STEPS)
    assert "blue 100 %, green 0 % in HTTP route new now" in stopped["msg"]
    assert canary("weighted", weight=20)["changed"]
    assert set(greens().values()) == {20}


def test_the_playbooks_run_on_what_the_inventory_finds(play: Callable[..., Run], tmp_path: Path) -> None:
    file = tmp_path / "canaries.istio.yml"
    file.write_text(json.dumps({"plugin": "progressive.istio.canaries", "namespaces": [NAMESPACE]}))
    here = ("-i", str(file), "--limit", "orders.routes,carts.routes")
    moved = play("canary", *here, weight=20, canary_proof_timeout=60).succeeded()
    assert moved.changed == 2, moved.output
    assert (set(greens().values()), greens("carts")) == ({20}, {"carts": 20})
    status = play("status", *here).succeeded().output
    assert "orders.routes" in status
    assert "carts.routes" in status
    back = play("rollback", "-i", str(file), "--limit", "carts.routes").succeeded()
    assert (back.changed, greens("carts"), set(greens().values())) == (1, {"carts": 0}, {20})


def test_a_cleanup_takes_the_old_version_out_of_all_rules() -> None:
    canary("advanced", steps=[100])
    done = canary("cleaned", drain=0)
    assert done["removed"] == "blue", done["msg"]
    assert done["used_by"] == [f"http route fixed of {NAMESPACE}/{ROUTES}"]
    left = {
        entry["destination"]["subset"]
        for rule in virtual_service()["spec"]["http"]
        if rule.get("name") not in ("fixed", "carts")
        for entry in rule["route"]
    }
    assert left == {"green"}
