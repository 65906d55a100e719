# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several VirtualServices that move together: in their order, guarded, all or none, and whole again after any end."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError, load
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._release.model import Command, Run, Want
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Plan, Step
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request as Asked
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.pipeline import carry_out
from ansible_collections.progressive.istio.plugins.module_utils._rollout.read import read, read_for_rollback
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Refused, Target
from ansible_collections.progressive.istio.plugins.modules import canary, canary_info
from api_server import Answer, ApiServer, Drop, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from pong_mesh import ANNOTATION, HOST, NAMESPACE, deployment, made_by, pod, populate, state_of, weights_of
from rule_ids import http

Call = Callable[..., dict[str, Any]]
Object = dict[str, Any]
PLACES = {"mesh": NAMESPACE, "leaf": "team"}
FOLLOWERS = [{"name": "mesh"}, {"name": "leaf", "namespace": "team"}]
STEPS = [5, 20, 100]


def follower(name: str, *weights: int, host: str = HOST) -> Object:
    """A VirtualService with a rule for the service, after one of others."""
    route = [
        {"destination": {"host": host, "subset": version}, "weight": weight}
        for version, weight in zip(("v1", "v2"), weights, strict=True)
    ]
    other = {"match": [{"uri": {"prefix": "/other"}}], "route": [{"destination": {"host": "other"}}]}
    http = [other, {"name": "main", "timeout": "3s", "route": route}]
    spec = {"hosts": [host if name == "mesh" else "leaf.example.org"], "gateways": ["mesh"], "http": http}
    return {"metadata": {"name": name, "namespace": PLACES[name], "labels": {"team": "b"}}, "spec": spec}


def canaries(server: ApiServer) -> dict[str, int]:
    """What the canary has in each VirtualService."""
    found = {"pong": weights_of(server).get("v2", -1)}
    for name, namespace in PLACES.items():
        route = server.get("virtualservices", name, namespace)["spec"]["http"][1]["route"]
        found[name] = {each["destination"]["subset"]: each["weight"] for each in route}.get("v2", -1)
    return found


def everywhere(share: int) -> dict[str, int]:
    return dict.fromkeys(("pong", *PLACES), share)


def note(server: ApiServer, name: str) -> Object:
    return dict(json.loads(server.get("virtualservices", name, PLACES[name])["metadata"]["annotations"][ANNOTATION]))


def edit(server: ApiServer, name: str, change: Callable[[Object], object]) -> None:
    service = server.get("virtualservices", name, PLACES.get(name, NAMESPACE))
    change(service)
    server.put("virtualservices", service)


def set_by_hand(server: ApiServer, name: str, share: int) -> None:
    def change(service: Object) -> None:
        for entry, weight in zip(service["spec"]["http"][1]["route"], (100 - share, share), strict=True):
            entry["weight"] = weight

    edit(server, name, change)


def patched(server: ApiServer) -> list[str]:
    return [each.path.rsplit("/", 1)[1] for each in server.sent("PATCH")]


@pytest.fixture
def team(server: ApiServer) -> ApiServer:
    for name in PLACES:
        server.put("virtualservices", follower(name, 100, 0))
    return server


@pytest.fixture
def call(team: ApiServer, run_module: Call) -> Call:
    fixed = {"host": team.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}

    def run(state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"stable": "v1", "canary": "v2", "wait_timeout": 0, "interval": 0, "virtual_services": FOLLOWERS}
        steps = {"steps": STEPS} if state == "advanced" else {}
        return run_module(canary.main, {**fixed, **given, **steps, **options, "state": state}, check)

    return run


@pytest.fixture
def info(team: ApiServer, run_module: Call) -> Callable[[], dict[str, Any]]:
    access = {"host": team.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}
    return lambda: run_module(canary_info.main, access)


def cut(server: ApiServer, patches: int) -> None:
    """Let no request through any more once so many patches were written, as if the run had been killed."""
    written = len(server.sent("PATCH"))

    def before(_number: int, _request: Request) -> None:
        if len(server.sent("PATCH")) > written + patches:
            raise Drop

    server.before = before


def test_followers_come_first_on_the_way_up_and_last_on_the_way_down(team: ApiServer, call: Call) -> None:
    before = {name: team.get("virtualservices", name, PLACES[name]) for name in PLACES}
    for step in STEPS:
        team.requests.clear()
        result = call("advanced")
        assert not result.get("failed"), result["msg"]
        first = ["pong"] if step == STEPS[0] else []  # its annotation lists the others before they are written
        assert (canaries(team), patched(team)) == (everywhere(step), [*first, "mesh", "leaf", "pong"])
        assert [each["weights"]["v2"] for each in result["virtual_services"]] == [step] * 3
    team.requests.clear()
    assert call("rolled_back", virtual_services=[])["changed"]
    assert (canaries(team), patched(team)) == (everywhere(0), ["pong", "mesh", "leaf"])
    for name, service in before.items():
        assert team.get("virtualservices", name, PLACES[name])["spec"] == service["spec"]


def test_a_smaller_weight_is_on_the_way_down(team: ApiServer, call: Call) -> None:
    call("weighted", weight=50)
    team.requests.clear()
    assert call("weighted", weight=20)["changed"]
    assert (canaries(team), patched(team)) == (everywhere(20), ["pong", "mesh", "leaf"])


def test_two_more_requests_at_most_for_each(team: ApiServer, call: Call) -> None:
    alone = call("weighted", weight=5, virtual_services=[])["api_requests"]
    call("rolled_back", virtual_services=[])
    assert call("weighted", weight=5)["api_requests"] <= alone + 2 * len(FOLLOWERS) + 2  # rights, by namespace
    assert call("weighted", weight=20)["api_requests"] <= alone + 2 * len(FOLLOWERS) + 2


def test_a_follower_names_its_leader_and_the_leader_its_followers(team: ApiServer, call: Call) -> None:
    call("advanced")
    state = state_of(team)
    known = note(team, "leaf")
    assert (known["leader"], known["weights"], known["phase"]) == (
        "shop/pong",
        {"stable": 95, "canary": 5},
        "progressing",
    )
    assert known["run"] == state["run"]
    assert state["followers"] == [{"namespace": "shop", "name": "mesh"}, {"namespace": "team", "name": "leaf"}]


def test_a_follower_is_not_released_by_itself(team: ApiServer, call: Call) -> None:
    call("advanced")
    result = call("advanced", name="mesh", virtual_services=[])
    assert result["failed"]
    assert "VirtualService shop/mesh follows VirtualService shop/pong: name that one" in result["msg"]
    assert canaries(team) == everywhere(5)
    call("rolled_back")
    assert call("weighted", weight=7, name="mesh", virtual_services=[])["changed"]  # that release is over
    assert canaries(team)["mesh"] == 7


def test_a_rollback_of_a_follower_alone_leaves_the_note_of_its_leader(team: ApiServer, call: Call) -> None:
    call("advanced")
    known = note(team, "mesh")
    assert call("rolled_back", name="mesh", virtual_services=[])["changed"]
    assert (canaries(team), note(team, "mesh")) == ({"pong": 5, "mesh": 0, "leaf": 5}, known)


def test_one_with_a_release_of_its_own_does_not_follow(team: ApiServer, call: Call) -> None:
    own = call("advanced", name="mesh", virtual_services=[])
    assert own["changed"], own["msg"]
    result = call("advanced")
    assert "shop/mesh cannot follow VirtualService shop/pong: it has a release of its own, v2 at 5 %" in result["msg"]
    assert canaries(team) == {"pong": 0, "mesh": 5, "leaf": 0}


def test_one_that_follows_another_does_not_follow(team: ApiServer, call: Call) -> None:
    other = follower("leaf", 100, 0)
    team.put("virtualservices", other | {"metadata": {"name": "other", "namespace": NAMESPACE}})
    for name in ("leaf", "pong"):
        edit(team, name, lambda service: service["spec"].update(hosts=[f"{service['metadata']['name']}.example.com"]))
    first = call("advanced", name="other", virtual_services=[{"name": "mesh"}])
    assert first["changed"], first["msg"]
    result = call("weighted", weight=5)
    assert "shop/mesh cannot follow VirtualService shop/pong: it follows VirtualService shop/other" in result["msg"]


def test_those_that_a_release_was_begun_with_are_all_named_or_none(team: ApiServer, call: Call) -> None:
    call("advanced")
    result = call("advanced", virtual_services=FOLLOWERS[:1])
    assert "v2 is progressing on VirtualService team/leaf too, by the same release" in result["msg"]
    assert call("advanced", virtual_services=[])["changed"]
    assert canaries(team) == everywhere(20)


def test_named_twice(call: Call, team: ApiServer) -> None:
    result = call("advanced", virtual_services=[{"name": "mesh"}, {"name": "mesh"}, {"name": "pong"}])
    assert "VirtualService shop/mesh is named twice" in result["msg"]
    assert "VirtualService shop/pong is named twice" in result["msg"]
    assert team.sent("PATCH") == []


def test_without_the_right_to_write_the_last_of_them_nothing_is_written(team: ApiServer, call: Call) -> None:
    everything = {"verbs": ["get", "list", "watch"], "apiGroups": ["*"], "resources": ["*"]}
    named = {"verbs": ["patch"], "apiGroups": ["*"], "resources": ["virtualservices"]}
    team.rules = [everything, named | {"resourceNames": ["pong", "mesh"]}]
    result = call("advanced")
    assert "the account may not patch virtualservices leaf in namespace team" in result["msg"]
    assert (canaries(team), team.sent("PATCH")) == (everywhere(0), [])


def test_shares_that_one_of_them_cannot_have_are_given_to_none(team: ApiServer, call: Call) -> None:
    def third(service: Object) -> None:
        service["spec"]["http"][1]["route"] = [
            {"destination": {"host": HOST, "subset": "v1"}, "weight": 10},
            {"destination": {"host": HOST, "subset": "v2"}, "weight": 0},
            {"destination": {"host": "third"}, "weight": 90},
        ]

    edit(team, "leaf", third)
    result = call("advanced")
    assert "VirtualService team/leaf: v1 95 %, v2 5 % cannot be set in HTTP route main" in result["msg"]
    assert team.sent("PATCH") == []


def test_a_write_that_fails_gives_the_others_back_what_the_leader_has(
    team: ApiServer, call: Call, impatient: None
) -> None:
    call("advanced")

    def refuse(_number: int, request: Request) -> Answer | None:
        denied = request.method == "PATCH" and request.path.endswith("/leaf")
        return Answer(403, "Forbidden", "a webhook says no") if denied else None

    team.before = refuse
    result = call("advanced")
    assert "a webhook says no" in result["msg"]
    assert "the VirtualServices that follow have again what it has" in result["msg"]
    assert canaries(team) == everywhere(5)


def test_a_rollback_takes_back_all_that_it_can_and_tells_the_rest(team: ApiServer, call: Call, impatient: None) -> None:
    call("advanced")

    def refuse(_number: int, request: Request) -> Answer | None:
        denied = request.method == "PATCH" and request.path.endswith("/mesh")
        return Answer(500, "Internal", "it is ill") if denied else None

    team.before = refuse
    result = call("rolled_back")
    assert (result["failed"], result["changed"], result["phase"]) == (True, True, "partial")
    assert "VirtualService shop/mesh has v1 95 %, v2 5 %, and its leader v1 100 %, v2 0 %" in result["msg"]
    assert canaries(team) == {"pong": 0, "mesh": 5, "leaf": 0}
    team.before = lambda number, request: None
    stopped = call("advanced")
    assert "VirtualService shop/mesh has v1 95 %, v2 5 %, and its leader v1 100 %" in stopped["msg"]
    assert call("rolled_back", virtual_services=[])["changed"]
    assert canaries(team) == everywhere(0)


def test_a_foreign_edit_between_read_and_patch_is_read_again(team: ApiServer, call: Call) -> None:
    call("advanced")
    for state, share in (("advanced", 20), ("rolled_back", 0)):
        edits = ["mesh", "leaf"]

        def late(edits: list[str], state: str, _number: int, request: Request) -> None:
            name = request.path.rsplit("/", 1)[1]
            if request.method == "PATCH" and name in edits:
                edits.remove(name)
                edit(team, name, lambda service: service["spec"]["http"].insert(0, {"redirect": {"uri": "/"}}))
                edit(team, name, lambda service: service["spec"]["http"].append(service["spec"]["http"].pop(0)))
                edit(team, name, lambda service: service["metadata"]["labels"].update(touched=state))

        team.before = partial(late, edits, state)
        result = call(state)
        assert result["changed"], result["msg"]
        assert (canaries(team), edits) == (everywhere(share), [])
        assert team.get("virtualservices", "leaf", "team")["metadata"]["labels"]["touched"] == state


def test_weights_by_hand_are_named_by_route_and_object(team: ApiServer, call: Call) -> None:
    call("advanced")
    set_by_hand(team, "leaf", 60)
    result = call("advanced")
    assert "v1 40 %, v2 60 % in HTTP route main of team/leaf now, v1 95 %, v2 5 % when this release" in result["msg"]
    assert canaries(team) == {"pong": 5, "mesh": 5, "leaf": 60}
    assert call("weighted", weight=20)["changed"]
    assert canaries(team) == everywhere(20)


def test_one_that_was_deleted_stops_the_release_and_not_its_rollback(team: ApiServer, call: Call) -> None:
    call("advanced")
    team.delete("virtualservices", "mesh", NAMESPACE)
    result = call("advanced")
    assert "VirtualService shop/mesh, which follows VirtualService shop/pong, does not exist" in result["msg"]
    back = call("rolled_back", virtual_services=[])
    assert (back["changed"], weights_of(team)["v2"]) == (True, 0)
    assert "mesh" in str(back)
    assert call("advanced", virtual_services=[], confirm=True)["changed"]  # it has left the release


def test_one_without_the_versions_stops_the_release_and_not_its_rollback(team: ApiServer, call: Call) -> None:
    call("advanced")
    edit(team, "mesh", lambda service: service["spec"]["http"].pop(1))
    result = call("advanced")
    assert "VirtualService shop/mesh cannot follow VirtualService shop/pong: " in result["msg"]
    assert call("rolled_back")["changed"]
    assert weights_of(team)["v2"] == 0


@pytest.mark.parametrize("patches", [1, 2])
def test_a_step_that_was_cut_off_is_completed(
    team: ApiServer, call: Call, info: Callable[[], dict[str, Any]], patches: int
) -> None:
    call("advanced")
    leave(team, patches, 20)
    seen = info()
    assert seen["phase"] == "spreading"
    assert [each["weights"]["v2"] for each in seen["virtual_services"]] == [5, 20, 20 if patches == 2 else 5]
    assert "a run ended between two of its writes: VirtualService shop/mesh has v1 80 %, v2 20 %" in seen["summary"]
    result = call("advanced")
    assert not result.get("failed"), result["msg"]
    assert canaries(team) == everywhere(20)
    assert info()["phase"] == "progressing"


@pytest.mark.parametrize("patches", [1, 2])
def test_a_step_that_was_cut_off_is_taken_back(team: ApiServer, call: Call, patches: int) -> None:
    leave(team, patches, 5)
    assert call("rolled_back")["changed"]
    assert canaries(team) == everywhere(0)


def test_who_does_not_take_a_step_brings_the_followers_in_line(team: ApiServer, call: Call) -> None:
    call("advanced")
    leave(team, 1, 20)
    result = call("advanced", interval=600, watch=0)
    assert (result["waits"], canaries(team)) == (True, everywhere(5)), result["msg"]


def leave(team: ApiServer, patches: int, share: int) -> None:
    """What a run leaves that is killed after so many writes of a step to this share."""
    for name in list(PLACES)[:patches]:
        set_by_hand(team, name, share)
        known = {
            "version": 3,
            "leader": "shop/pong",
            "host": HOST,
            "stable": "v1",
            "canary": "v2",
            "phase": "progressing",
            "weights": {"stable": 100 - share, "canary": share},
            "run": "killed",
        }

        edit(team, name, partial(annotate, json.dumps(known)))


def annotate(note: str, service: Object) -> None:
    service["metadata"].setdefault("annotations", {})[ANNOTATION] = note


def test_check_mode_predicts_and_writes_nothing(team: ApiServer, call: Call) -> None:
    result = call("weighted", check=True, weight=20)
    assert [each["weights"]["v2"] for each in result["virtual_services"]] == [20, 20, 20]
    assert canaries(team) == everywhere(0)


def test_a_cleanup_takes_the_old_version_out_of_all(team: ApiServer, call: Call) -> None:
    call("weighted", weight=100)
    team.requests.clear()
    done = call("cleaned", drain=0)
    assert (done["removed"], patched(team)) == ("v1", ["mesh", "leaf", "pong"])
    for name in PLACES:
        route = team.get("virtualservices", name, PLACES[name])["spec"]["http"][1]["route"]
        assert [each["destination"]["subset"] for each in route] == ["v2"]
    assert call("cleaned", drain=0)["removed"] == "v1"


def test_a_new_version_takes_the_place_of_the_old_one_in_all(team: ApiServer, call: Call) -> None:
    team.put("pods", pod("v3"))
    call("weighted", weight=100)
    call("cleaned", drain=0)
    result = call("weighted", stable="v2", canary="v3", weight=20)
    assert result["changed"], result["msg"]
    for name in PLACES:
        route = team.get("virtualservices", name, PLACES[name])["spec"]["http"][1]["route"]
        assert {each["destination"]["subset"]: each["weight"] for each in route} == {"v2": 80, "v3": 20}


def test_a_cleanup_that_was_cut_off_is_completed(team: ApiServer, call: Call, impatient: None) -> None:
    call("weighted", weight=100)
    cut(team, 1)
    call("cleaned", drain=0)
    team.before = lambda number, request: None
    assert weights_of(team) == {"v1": 0, "v2": 100}
    assert call("cleaned", drain=0)["changed"]
    assert weights_of(team) == {"v2": 100}
    for name in PLACES:
        route = team.get("virtualservices", name, PLACES[name])["spec"]["http"][1]["route"]
        assert [each["destination"]["subset"] for each in route] == ["v2"]


def test_a_cleanup_is_predicted_for_all(team: ApiServer, call: Call) -> None:
    call("weighted", weight=100)
    done = call("cleaned", check=True, drain=0)
    assert (done["removed"], done["used_by"]) == ("v1", [])


def test_one_that_is_deleted_once_the_release_is_over_has_left_it(team: ApiServer, call: Call) -> None:
    call("advanced")
    call("rolled_back")
    team.delete("virtualservices", "mesh", NAMESPACE)
    assert call("advanced", virtual_services=[], confirm=True)["changed"]
    assert "does not exist" in call("advanced", confirm=True)["msg"]  # it was named


def test_shares_that_the_leader_cannot_have_are_given_to_no_follower(team: ApiServer, call: Call) -> None:
    third = {"destination": {"host": "third"}, "weight": 90}
    edit(team, "pong", lambda service: service["spec"]["http"][1]["route"].append(third))
    edit(team, "pong", lambda service: service["spec"]["http"][1]["route"][0].update(weight=10))
    assert "cannot be set in HTTP route primary" in call("advanced")["msg"]
    assert team.sent("PATCH") == []


def test_followers_are_no_other_way_to_a_version(team: ApiServer, call: Call, warned: list[str]) -> None:
    call("weighted", weight=20)
    call("weighted", weight=30)  # those of the step before are read
    assert [each for each in warned if "team/leaf" in each or "shop/mesh" in each] == []
    call("rolled_back")
    edit(team, "pong", lambda service: service["metadata"].pop("annotations"))
    call("weighted", weight=20, virtual_services=FOLLOWERS[:1], adopt=True)
    set_by_hand(team, "leaf", 20)
    call("weighted", weight=30, virtual_services=FOLLOWERS[:1])
    assert [each for each in warned if "team/leaf" in each] != []


def test_the_rules_of_the_mesh_hold_for_followers(team: ApiServer, call: Call) -> None:
    edit(team, "leaf", lambda service: service["spec"].update(hosts=[HOST]))
    result = call("advanced")
    assert "VirtualService shop/mesh and VirtualService team/leaf both route host" in result["msg"]
    assert team.sent("PATCH") == []


def test_the_proof_is_about_the_routes_of_all(team: ApiServer) -> None:
    target = Target("pong", NAMESPACE, "v1", "v2", followers=(Target("mesh", NAMESPACE), Target("leaf", "team")))
    cluster = Cluster(lambda: load({"host": team.url, "api_key": "secret"}))
    found = [read(cluster, target, rivals=True), read(cluster, target), read_for_rollback(cluster, target)]
    for snapshot in found:
        places = [(each.virtual_service["metadata"]["name"], each.rules) for each in snapshot.bindings]
        assert places == [(name, http(1)) for name in ("pong", "mesh", "leaf")]


def test_a_stable_version_that_is_gone_gets_no_requests_in_a_follower(team: ApiServer, call: Call) -> None:
    call("weighted", weight=100)
    edit(team, "leaf", lambda service: service["spec"]["http"][1]["route"].pop(0))
    team.delete("pods", "pong-v1-1", NAMESPACE)
    result = call("rolled_back", force=True)
    assert (result["failed"], weights_of(team), canaries(team)["mesh"]) == (True, {"v1": 100, "v2": 0}, 0)
    assert "VirtualService team/leaf has v2 100 %" in result["msg"]


def test_who_does_not_get_to_write_the_leader_takes_back_what_it_gave_to_followers(team: ApiServer, call: Call) -> None:
    def write(_number: int, request: Request) -> None:
        if request.method == "PATCH" and request.path.endswith("/pong") and "/spec/" in str(request.body):
            edit(team, "pong", lambda service: None)

    team.before = write
    result = call("advanced")
    assert "another writer changed the VirtualService 6 times in a row" in result["msg"]
    assert (result["failed"], canaries(team)) == (True, everywhere(0))


def test_a_first_step_that_was_cut_off_is_taken_back_whatever_is_named(
    team: ApiServer, call: Call, impatient: None
) -> None:
    cut(team, 2)
    call("advanced")
    team.before = lambda number, request: None
    assert (canaries(team), state_of(team)["weights"]["canary"]) == ({"pong": 0, "mesh": 5, "leaf": 0}, 0)
    assert call("rolled_back", virtual_services=[])["changed"]
    assert canaries(team) == everywhere(0)


def test_a_follower_goes_back_also_where_its_annotation_is_refused(team: ApiServer, call: Call) -> None:
    call("advanced")

    def full(_number: int, request: Request) -> Answer | None:
        refused = request.method == "PATCH" and request.path.endswith("/mesh") and "annotations" in str(request.body)
        return Answer(422, "Invalid", "annotations are too long") if refused else None

    team.before = full
    assert call("rolled_back")["changed"]
    assert canaries(team) == everywhere(0)


def test_a_follower_ahead_goes_back_at_once_and_the_leader_gets_no_more(team: ApiServer, call: Call) -> None:
    """Also where the stable version could carry only a part of what goes back."""
    for version in ("v1", "v2"):
        team.put("deployments", deployment(version, 4))
        team.put("pods", made_by("a", pod(version)))
        for number in (2, 3, 4):
            team.put("pods", made_by("a", pod(version, number, ready=version == "v2")))
    call("advanced")
    leave(team, 2, 60)
    assert call("rolled_back")["changed"]
    assert canaries(team) == everywhere(0)


def test_a_follower_stays_with_its_canary_where_no_stable_pod_is_ready(team: ApiServer, call: Call) -> None:
    leave(team, 1, 60)
    team.delete("pods", "pong-v1-1", NAMESPACE)
    result = call("rolled_back")
    assert "v1 has all requests already, and no ready pod" in result["msg"]
    assert canaries(team) == {"pong": 0, "mesh": 60, "leaf": 0}


@pytest.mark.parametrize("busy", ["leaf", "mesh"])
def test_one_that_others_write_all_the_time_is_told_and_stays_a_follower(
    team: ApiServer, call: Call, busy: str
) -> None:
    call("advanced")

    def write(_number: int, request: Request) -> None:
        if request.method == "PATCH" and request.path.endswith(f"/{busy}"):
            edit(team, busy, lambda service: None)

    team.before = write
    result = call("rolled_back")
    assert (result["failed"], result["changed"]) == (True, True)
    assert f"what VirtualService {PLACES[busy]}/{busy} has is not known" in result["msg"]
    team.before = lambda number, request: None
    assert call("rolled_back", virtual_services=[])["changed"]
    assert canaries(team) == everywhere(0)


def test_a_write_whose_end_is_not_known_may_be_a_change(team: ApiServer, call: Call, impatient: None) -> None:
    cut(team, 2)
    result = call("advanced")
    assert (result["failed"], result["changed"]) == (True, True)
    assert "VirtualService shop/mesh has v1 95 %, v2 5 %, and its leader v1 100 %, v2 0 %" in result["msg"]


# Whatever is asked, and wherever runs end between their writes.

ACTIONS = st.tuples(st.sampled_from(list(Want)[:3]), st.sampled_from([0, 3, 10, 60, 100]), st.integers(0, 4))


def carried_out(server: ApiServer, want: Want, weight: int, patches: int = 9, named: bool = True) -> None:
    """One request, of a run that ends after so many writes. named: with those that follow."""
    cut(server, patches)
    params = {"host": server.url, "api_key": "secret"}
    followers = (Target("mesh", NAMESPACE), Target("leaf", "team")) if named else ()
    target = Target("pong", NAMESPACE, "v1", "v2", followers=followers)
    command = Command(want, Run("mine", "jane", "laptop", 1), weight=weight, confirm=True)
    plan = Plan("v1", "v2", (Step(10), Step(50), Step(100)), interval=0)
    try:
        carry_out(Session(Cluster(lambda: load(params), patience=0)), Asked(target, plan, command))
    except (Refused, ClusterError):
        assert patches < 9
    server.before = lambda number, request: None


@settings(max_examples=60)
@given(st.lists(ACTIONS, max_size=4), st.booleans())
def test_runs_that_end_anywhere_leave_what_the_next_one_makes_whole(
    actions: list[tuple[Want, int, int]], back: bool
) -> None:
    with ApiServer() as server:
        populate(server)
        for name in PLACES:
            server.put("virtualservices", follower(name, 100, 0))
        for want, weight, patches in actions:
            carried_out(server, want, weight, patches)
            found, state = canaries(server), state_of(server)
            assert not state or state["weights"]["canary"] == found["pong"], "state and weights never disagree"
            assert min(found.values()) == found["pong"], "no VirtualService is behind its leader"
        carried_out(server, Want.ROLLED_BACK if back else Want.ADVANCED, 0, named=not back)
        found = canaries(server)
        assert len(set(found.values())) == 1
        assert found["pong"] == 0 or not back
