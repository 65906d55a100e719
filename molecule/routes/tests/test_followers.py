"""VirtualServices that move together: at the gateway, inside the mesh and as a delegate, whenever a run is killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from books import BOOKS, ENTRIES, LEADER, LEAF, MESH, canary, greens, reset, set_up, specs, without_weights
from load import Load
from molecule_helpers import module
from moves import KUBE, NAMESPACE, STEPS, split


@pytest.fixture(scope="module", autouse=True)
def _services() -> None:
    set_up()


@pytest.fixture(autouse=True)
def _everything_on_stable(_services: None) -> None:
    reset()


def everywhere(weight: int) -> dict[str, int]:
    return dict.fromkeys((LEADER, MESH, LEAF), weight)


def written() -> list[str]:
    """What changes with each write, also of an annotation alone."""
    return [each["metadata"]["resourceVersion"] for each in KUBE.list("virtualservices")]


def info() -> dict[str, Any]:
    return module("canary_info", name=LEADER, namespace=NAMESPACE)


def test_all_move_together(ingress: str, tmp_path: Path) -> None:
    before = specs()
    loads = [
        Load(f"http://{ingress}{path}", host, 20, tmp_path / f"{name}.json") for name, (host, path) in ENTRIES.items()
    ]
    for weight in STEPS:
        result = canary("advanced", steps=STEPS)
        assert not result.get("failed"), result["msg"]
        assert greens() == everywhere(weight)
        assert {each["proxy"].split()[0] for each in result["live"]} == {"gateway", "sidecar"}
        assert {each["name"]: each["weights"]["green"] for each in result["virtual_services"]} == everywhere(weight)
        for host, path in ENTRIES.values():
            found = split(f"http://{ingress}{path}", host, {"blue": 100 - weight, "green": weight})
            assert not found.get("failed"), (host, weight, found["msg"])
        assert without_weights(specs()) == without_weights(before)
    back = canary("rolled_back", virtual_services=[])
    assert back["changed"], back["msg"]
    assert specs() == before
    for load in loads:
        counts = load.stop()
        assert counts.keys() == {"200"}, counts


@pytest.mark.parametrize(
    ("writes", "then", "weight"),
    [(1, "advanced", 20), (2, "rolled_back", 0), (3, "advanced", 50)],
)
def test_killed_on_the_way_up(writes: int, then: str, weight: int) -> None:
    """Two writes for the followers, then the leader: the next run completes the step, or takes it back."""
    assert canary("advanced", steps=STEPS)["changed"]
    assert canary("advanced", steps=STEPS, fault=("kill-after-write", str(writes))) == {}
    assert greens() == {LEADER: 20 if writes > 2 else 5, MESH: 20, LEAF: 20 if writes > 1 else 5}
    assert (info()["phase"] == "spreading") is (writes < 3)
    result = canary(then, steps=STEPS)
    assert not result.get("failed"), result["msg"]
    assert greens() == everywhere(weight)


def test_killed_in_the_first_step() -> None:
    """The state of the leader lists the followers before the first of them is written."""
    assert canary("advanced", steps=STEPS, fault=("kill-after-write", "2")) == {}
    assert greens() == {LEADER: 0, MESH: 5, LEAF: 0}
    back = canary("rolled_back", virtual_services=[])
    assert back["changed"], back["msg"]
    assert greens() == everywhere(0)


@pytest.mark.parametrize("writes", [1, 2])
def test_killed_on_the_way_down(writes: int) -> None:
    assert canary("weighted", weight=50)["changed"]
    assert canary("rolled_back", fault=("kill-after-write", str(writes))) == {}
    left = greens()
    assert left == {LEADER: 0, MESH: 50 if writes == 1 else 0, LEAF: 50}
    known = info()
    assert known["phase"] == "partial"
    assert f"VirtualService {NAMESPACE}/{LEAF} has blue 50 %, green 50 %" in known["summary"]
    stopped = canary("advanced", steps=STEPS)
    assert stopped["failed"]
    assert f"VirtualService {NAMESPACE}/{LEAF} has blue 50 %, green 50 %, and its leader" in stopped["msg"]
    result = canary("rolled_back", virtual_services=[])
    assert result["changed"], result["msg"]
    assert greens() == everywhere(0)


@pytest.fixture
def account(tmp_path: Path) -> str:
    """The kubeconfig of an account that may write all of them but the delegate."""
    groups, seen = ["", "apps", "networking.istio.io"], ["get", "list", "watch"]
    rules = [
        {"apiGroups": groups, "resources": ["*"], "verbs": seen},
        {"apiGroups": groups, "resources": ["virtualservices"], "resourceNames": [LEADER, MESH], "verbs": ["patch"]},
    ]
    meta = {"name": "librarian", "namespace": NAMESPACE}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": meta}
    subject, role = {"kind": "ServiceAccount", **meta}, {"kind": "Role", "name": "librarian"}
    bound = {"subjects": [subject], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", **role}}
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {**rbac, "kind": "Role", "rules": rules},
        {**rbac, "kind": "RoleBinding", **bound},
    ]
    KUBE.apply({"apiVersion": "v1", "kind": "List", "items": items})
    config = json.loads(KUBE.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"] = [{"name": "librarian", "user": {"token": KUBE.run("create", "token", "librarian").strip()}}]
    config["contexts"][0]["context"]["user"] = "librarian"
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    return str(file)


def test_without_the_right_to_write_one_of_them_nothing_is_written(account: str) -> None:
    before = written()
    result = canary("advanced", steps=STEPS, kubeconfig=account, proof="none")
    assert (result["failed"], result["changed"]) == (True, False), result["msg"]
    assert f"the account may not patch virtualservices {LEAF} in namespace {NAMESPACE}" in result["msg"]
    assert written() == before
    assert canary("advanced", steps=STEPS)["changed"]
    back = canary("rolled_back", kubeconfig=account, proof="none")
    assert (back["failed"], back["changed"], greens()) == (True, True, {LEADER: 0, MESH: 0, LEAF: 5})


def test_weights_by_hand_stop_a_release_and_a_deleted_follower_no_rollback() -> None:
    assert canary("advanced", steps=STEPS)["changed"]
    weights = [{"op": "add", "path": f"/spec/http/0/route/{place}/weight", "value": 50} for place in (0, 1)]
    BOOKS.patch("virtualservice", MESH, *weights)
    stopped = canary("advanced", steps=STEPS)
    assert f"blue 50 %, green 50 % in HTTP route inside of {NAMESPACE}/{MESH} now" in stopped["msg"]
    KUBE.run("delete", "virtualservice", MESH)
    try:
        back = canary("rolled_back")
        assert back["changed"], back["msg"]
        assert greens() == {LEADER: 0, LEAF: 0}
    finally:
        set_up()


def test_a_cleanup_takes_the_old_version_out_of_all() -> None:
    assert canary("advanced", steps=[100])["changed"]
    done = canary("cleaned", drain=0)
    assert (done["removed"], done["used_by"]) == ("blue", []), done["msg"]
    left = {
        entry["destination"]["subset"]
        for spec in specs().values()
        for rule in spec["http"]
        for entry in rule.get("route", [])
    }
    assert left == {"green"}
