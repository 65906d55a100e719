# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback needs the VirtualService and two names, and nothing else has to be right, readable or quick."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._rollout import read
from ansible_collections.progressive.istio.plugins.module_utils._rollout.parse import parse
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Target, drift
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import Answer, ApiServer, Request
from pong_mesh import ANNOTATION, HOST, NAMESPACE, deployment, made_by, pod, state_of, weights_of

OTHER = "cart.shop.svc.cluster.local"
Call = Callable[..., dict[str, Any]]
Object = dict[str, Any]


@pytest.fixture
def call(server: ApiServer, run_module: Call) -> Call:
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE, "proof": "none"}

    def run(state: str, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {**fixed, "stable": "v1", "canary": "v2", "wait_timeout": 0, "interval": 0, **options}
        return run_module(canary.main, {**given, "state": state}, check)

    return run


def edit(server: ApiServer, change: Callable[[Object], object]) -> None:
    service = server.get("virtualservices", "pong", NAMESPACE)
    change(service)
    server.put("virtualservices", service)


def rules(server: ApiServer) -> list[Object]:
    return list(server.get("virtualservices", "pong", NAMESPACE)["spec"]["http"])


def rule(name: str, host: str, **weights: int) -> Object:
    """A rule that splits between versions of a host."""
    route = [{"destination": {"host": host, "subset": each}, "weight": weight} for each, weight in weights.items()]
    return {**({"name": name} if name else {}), "match": [{"uri": {"prefix": f"/{name}"}}], "route": route}


def split(rule: Object) -> dict[str, int]:
    return {entry["destination"]["subset"]: entry["weight"] for entry in rule["route"]}


def note(server: ApiServer) -> str:
    return str(server.get("virtualservices", "pong", NAMESPACE)["metadata"]["annotations"][ANNOTATION])


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": "10m"},
        {"steps": [50, 10]},
        {"step_weight": 0, "max_weight": "x"},
        {"weight": 400},
        {"skip_checks": ["no_such_check"]},
        {"watch": -1, "drain": -1, "wait_timeout": -5, "min_ready": -2, "proof_timeout": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_no_other_setting_must_be_right(server: ApiServer, call: Call, wrong: dict[str, Any]) -> None:
    call("weighted", weight=50)
    result = call("rolled_back", **wrong)
    assert (result.get("failed", False), weights_of(server)) == (False, {"v1": 100, "v2": 0})


class TestWhere:
    """The versions are taken where they are."""

    def test_in_a_rule_that_was_renamed(self, server: ApiServer, call: Call, warned: list[str]) -> None:
        call("advanced", steps=[20, 100], route="primary")
        edit(server, lambda service: service["spec"]["http"][1].update(name="main"))
        result = call("rolled_back", route="primary")
        assert (result["changed"], result["routes"], weights_of(server)) == (True, ["main"], {"v1": 100, "v2": 0})
        instead = "used instead: HTTP route main, which split the versions"
        assert warned == [f"VirtualService shop/pong has no HTTP route primary: {instead}"]
        assert state_of(server)["phase"] == result["phase"] == "rolled_back"
        assert not call("rolled_back", route="primary")["changed"]

    def test_a_release_goes_on_in_a_rule_that_was_renamed(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100], route="primary")
        edit(server, lambda service: service["spec"]["http"][1].update(name="main"))
        assert call("advanced", steps=[20, 100], route="main")["weights"]["after"] == {"v1": 0, "v2": 100}
        assert state_of(server)["routes"] == ["main"]

    def test_in_all_rules_that_may_be_meant(self, server: ApiServer, call: Call, warned: list[str]) -> None:
        """One patch moves all that split between the versions of this host, and none of another host."""
        call("weighted", weight=50, route="primary")

        def rewrite(service: Object) -> None:
            service["spec"]["http"][1]["name"] = "main"
            service["spec"]["http"].insert(0, rule("beta", HOST, v1=10, v2=90))
            service["spec"]["http"].append(rule("cart", OTHER, v1=30, v2=70))

        edit(server, rewrite)
        patches = len(server.sent("PATCH"))
        result = call("rolled_back", route="primary", destination_host=HOST)
        assert result["weights"] == {"before": {"v1": 10, "v2": 90}, "after": {"v1": 100, "v2": 0}}
        beta, _static, main, cart = rules(server)
        assert (split(beta), split(main)) == ({"v1": 100, "v2": 0}, {"v1": 100, "v2": 0})
        assert split(cart) == {"v1": 30, "v2": 70}
        assert len(server.sent("PATCH")) == patches + 1
        assert "beta and main" in warned[0]
        assert not call("rolled_back", route="primary", destination_host=HOST)["changed"]

    def test_without_a_name_and_a_host_two_services_are_not_guessed_at(self, server: ApiServer, call: Call) -> None:
        edit(server, lambda service: service["spec"]["http"].append(rule("cart", OTHER, v1=30, v2=70)))
        result = call("rolled_back", route="gone")
        assert "routes to v1 and v2 of 2 hosts" in result["msg"]
        assert "`destination_host`" in result["msg"]
        assert server.sent("PATCH") == []

    def test_under_a_host_that_is_written_otherwise(self, server: ApiServer, call: Call) -> None:
        call("weighted", weight=50)
        assert call("rolled_back", destination_host="pong.shop")["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}

    def test_a_named_rule_needs_no_name(self, server: ApiServer, call: Call) -> None:
        """An empty route means the one that has the versions, at the first step and at all that follow."""
        for weight in (20, 100):
            assert call("advanced", steps=[20, 100], route="", destination_host="")["weights"]["after"]["v2"] == weight
        assert call("rolled_back", route="", destination_host="")["changed"]
        assert weights_of(server) == {"v1": 100, "v2": 0}


class TestWhose:
    """The annotation may be of another release."""

    def two_services(self, server: ApiServer, call: Call) -> None:
        """The cart is in progress, and pong has been given half by hand."""
        for version in ("v1", "v2"):
            other = pod(version)
            other["metadata"] |= {"name": f"cart-{version}", "labels": {"app": "cart", "version": version}}
            server.put("pods", other)
        server.put(
            "services", {"metadata": {"name": "cart", "namespace": NAMESPACE}, "spec": {"selector": {"app": "cart"}}}
        )
        subsets = [{"name": each, "labels": {"version": each}} for each in ("v1", "v2")]
        spec = {"host": OTHER, "subsets": subsets}
        server.put("destinationrules", {"metadata": {"name": "cart", "namespace": NAMESPACE}, "spec": spec})
        edit(server, lambda service: service["spec"]["http"].insert(0, rule("cart", OTHER, v1=100, v2=0)))
        result = call("advanced", steps=[10, 100], interval=60, watch=0, route="cart", destination_host=OTHER)
        assert not result.get("failed"), result["msg"]

        def half(service: Object) -> None:
            for entry in service["spec"]["http"][2]["route"]:
                entry["weight"] = 50

        edit(server, half)

    @pytest.mark.parametrize("place", [{"route": "primary"}, {"destination_host": HOST}], ids=["route", "host"])
    def test_while_another_service_of_the_virtual_service_releases(
        self, server: ApiServer, call: Call, warned: list[str], place: dict[str, str]
    ) -> None:
        self.two_services(server, call)
        before = state_of(server)
        result = call("rolled_back", **place)
        cart, _static, primary = rules(server)
        assert (result.get("failed", False), split(primary)) == (False, {"v1": 100, "v2": 0})
        states = state_of(server)["services"]
        assert (states[OTHER], split(cart)) == (before, {"v1": 90, "v2": 10})
        assert (states[HOST]["phase"], warned) == ("rolled_back", [])
        assert not call("rolled_back", **place)["changed"]

    def test_two_services_are_released_at_the_same_time(self, server: ApiServer, call: Call) -> None:
        """Each step is noted in a state of its own, and neither stops, holds or finishes the other one."""
        self.two_services(server, call)
        pong, cart = {"destination_host": HOST}, {"destination_host": OTHER}
        assert call("weighted", weight=20, **pong)["weights"]["after"] == {"v1": 80, "v2": 20}
        going_on = call("advanced", steps=[10, 100], **cart)
        assert going_on["weights"]["after"] == {"v1": 0, "v2": 100}
        assert call("held", **pong)["phase"] == "held"
        states = state_of(server)["services"]
        assert {host: state["phase"] for host, state in states.items()} == {OTHER: "promoted", HOST: "held"}
        assert call("rolled_back", **pong)["changed"]
        assert [split(each) for each in rules(server)[::2]] == [{"v1": 0, "v2": 100}, {"v1": 100, "v2": 0}]
        ambiguous = call("weighted", weight=5)
        assert "name one of them by `destination_host`" in ambiguous["msg"]

    def test_no_other_service_is_rolled_back_where_the_named_one_has_no_canary(
        self, server: ApiServer, call: Call
    ) -> None:
        self.two_services(server, call)
        edit(server, lambda service: service["spec"]["http"][2].update(rule("primary", HOST, v3=100)))
        result = call("rolled_back", destination_host=HOST)
        assert f"has no destination with subset or host v1 or v2 of host {HOST}" in result["msg"]
        assert split(rules(server)[0]) == {"v1": 90, "v2": 10}

    def test_a_state_goes_with_the_routes_of_its_service(self, server: ApiServer, call: Call) -> None:
        self.two_services(server, call)
        call("weighted", weight=20, destination_host=HOST)
        edit(server, lambda service: service["spec"]["http"].pop(0))
        call("weighted", weight=30)
        assert state_of(server)["weights"] == {"stable": 70, "canary": 30}

    def test_a_part_of_the_way_is_noted_beside_it(self, server: ApiServer, call: Call) -> None:
        """Stable has no pods: nothing moves, and the release of the other service keeps its state."""
        self.two_services(server, call)
        server.delete("pods", "pong-v1-1", NAMESPACE)
        before = state_of(server)
        for _time in range(2):
            result = call("rolled_back", route="primary")
            assert "v1 cannot take more yet: it has no pods" in result["msg"]
            assert split(rules(server)[2]) == {"v1": 50, "v2": 50}
            assert state_of(server)["services"][OTHER] == before
            assert state_of(server)["services"][HOST]["phase"] == "held"

    @pytest.mark.parametrize("host", [None, "other.shop.svc.cluster.local"], ids=["names differ", "host differs"])
    def test_a_copy_of_another_service(self, server: ApiServer, call: Call, host: str | None) -> None:
        """A VirtualService that was made from another one, with its annotation, is rolled back to its own stable."""
        call("weighted", weight=50)
        names = {} if host else {"stable": "v2", "canary": "green"}
        copied = {**state_of(server), **names, "route": "elsewhere", "phase": "progressing"}
        copied |= {"host": host} if host else {}
        if not host:
            del copied["host"]
        edit(server, lambda service: service["metadata"]["annotations"].update({ANNOTATION: json.dumps(copied)}))
        result = call("rolled_back", destination_host=HOST)
        assert (result.get("failed", False), weights_of(server)) == (False, {"v1": 100, "v2": 0})
        assert (state_of(server)["stable"], state_of(server)["phase"]) == ("v1", "rolled_back")
        assert not call("rolled_back", destination_host=HOST)["changed"]

    def test_an_old_playbook_is_known_better_by_the_state(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[100])
        server.put("pods", pod("v3"))
        call("advanced", steps=[20, 100], stable="v2", canary="v3")
        assert call("rolled_back")["weights"]["after"]["v2"] == 100
        assert weights_of(server)["v3"] == 0


class TestRefusedNote:
    """An annotation that does not fit keeps nobody on the canary."""

    @pytest.fixture
    def full(self, server: ApiServer) -> Callable[[], None]:
        """From now on the API server takes no annotation of ours."""

        def refuse(number: int, request: Request) -> Answer | None:
            noted = request.method == "PATCH" and any("annotations" in each["path"] for each in request.body)
            too_long = "metadata.annotations: Too long: may not be more than 262144 bytes"
            return Answer(422, "Invalid", too_long) if noted else None

        return lambda: setattr(server, "before", refuse)

    def test_the_weights_are_written_alone(
        self, server: ApiServer, call: Call, warned: list[str], full: Callable[[], None]
    ) -> None:
        edit(server, lambda service: [each.update(weight=50) for each in service["spec"]["http"][1]["route"]])
        full()
        result = call("rolled_back")
        assert (result.get("failed", False), result["changed"]) == (False, True)
        assert weights_of(server) == {"v1": 100, "v2": 0}
        assert len(warned) == 1
        assert "Too long: may not be more than 262144 bytes" in warned[0]
        assert not call("rolled_back")["changed"]

    def test_a_part_of_the_way_is_written_alone(self, server: ApiServer, call: Call, full: Callable[[], None]) -> None:
        for version in ("v1", "v2"):
            server.put("deployments", deployment(version, 2))
            server.put("pods", made_by("a", pod(version)))
            server.put("pods", made_by("a", pod(version, 2, ready=version == "v2")))
        call("weighted", weight=100)
        full()
        first, second = call("rolled_back"), call("rolled_back")
        assert [(each["failed"], each.get("changed", False)) for each in (first, second)] == [
            (True, True),
            (True, False),
        ]
        assert "v1 cannot take more yet: 1 of 2 pods ready" in second["msg"]
        assert weights_of(server) == {"v1": 50, "v2": 50}

    def test_an_older_note_stays_and_no_step_follows_by_itself(
        self, server: ApiServer, call: Call, full: Callable[[], None]
    ) -> None:
        call("advanced", steps=[20, 100])
        full()
        assert call("rolled_back")["changed"]
        again = call("rolled_back")
        assert (again.get("failed", False), again["changed"]) == (False, False)
        server.before = lambda number, request: None
        assert "another writer changed the weights" in call("advanced", steps=[20, 100])["msg"]

    def test_a_patch_that_is_refused_for_itself_is_told_with_its_own_reason(
        self, server: ApiServer, call: Call
    ) -> None:
        call("weighted", weight=50)
        denial = Answer(403, "Forbidden", "may not patch")
        server.before = lambda number, request: denial if request.method == "PATCH" else None
        assert "may not patch (403 Forbidden)" in call("rolled_back")["msg"]


class TestSlow:
    """An API server that takes its time keeps nobody on the canary for longer than one read and a bound."""

    def test_the_write_leaves_after_one_read_and_the_bound(
        self, server: ApiServer, call: Call, warned: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call("weighted", weight=50)
        server.delete("pods", "pong-v1-1", NAMESPACE)
        monkeypatch.setattr(read, "BOUND", 0.2)
        answered, patched = count(), threading.Event()

        def slow(number: int, request: Request) -> None:
            """Answer the first read late, and all others after the write."""
            if request.method == "PATCH":
                patched.set()
            elif next(answered):
                patched.wait(30)
            else:
                time.sleep(0.8)

        server.before = slow
        begin = time.monotonic()
        result = call("rolled_back")
        assert (result["changed"], weights_of(server)) == (True, {"v1": 100, "v2": 0})
        assert 1.0 <= time.monotonic() - begin < 30
        assert "were not read before the write" in warned[0]

    def test_what_is_late_by_accident_is_waited_for(
        self, server: ApiServer, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The API server is quick but for one answer, that about the pods: stable has none."""
        call("weighted", weight=50)
        server.delete("pods", "pong-v1-1", NAMESPACE)
        monkeypatch.setattr(read, "BOUND", 0.1)
        monkeypatch.setattr(read, "QUICK", 5.0)
        server.before = lambda number, request: time.sleep(0.4) if request.path.endswith("/pods") else None
        assert "v1 cannot take more yet: it has no pods" in call("rolled_back")["msg"]
        assert weights_of(server) == {"v1": 50, "v2": 50}

    def test_what_comes_in_time_is_used(
        self, server: ApiServer, call: Call, warned: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All reads but the first and the pods, which need the Service, are sent at once."""
        call("weighted", weight=50)
        server.delete("pods", "pong-v1-1", NAMESPACE)
        monkeypatch.setattr(read, "BOUND", 30.0)
        under_way, most = [0], [0]

        def slow(number: int, request: Request) -> None:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            time.sleep(0.2)
            under_way[0] -= 1

        server.before = slow
        call("rolled_back", force=True)
        assert most[0] > 1
        assert any("has no ready pod" in each for each in warned)


class TestSoak:
    """The same holds for a canary that fails while it soaks."""

    def failing(self, server: ApiServer, trouble: Callable[[], object]) -> None:
        """Trouble once the step is watched, and then the end of the canary's last pod."""
        actions = iter([trouble])

        def begin(number: int, request: Request) -> None:
            if request.watches and (action := next(actions, None)):
                action()
                threading.Timer(0.3, server.delete, ["pods", "pong-v2-1", NAMESPACE]).start()

        server.before = begin

    def test_in_a_rule_that_is_renamed_meanwhile(self, server: ApiServer, call: Call) -> None:
        def rename() -> None:
            edit(server, lambda service: service["spec"]["http"][1].update(name="main"))

        self.failing(server, rename)
        result = call("advanced", steps=[20, 100], interval=20, route="primary", destination_host=HOST)
        assert (result["failed"], result["phase"], weights_of(server)) == (True, "rolled_back", {"v1": 100, "v2": 0})
        assert "v2 has no ready pod left" in result["msg"]

    def test_beside_annotations_that_leave_no_room(self, server: ApiServer, call: Call) -> None:
        def fill() -> None:
            watching = server.before

            def refuse(number: int, request: Request) -> Answer | None:
                noted = request.method == "PATCH" and any("annotations" in each["path"] for each in request.body)
                return Answer(422, "Invalid", "Too long") if noted else watching(number, request)

            server.before = refuse

        self.failing(server, fill)
        result = call("advanced", steps=[20, 100], interval=20)
        assert (result["failed"], result["changed"], weights_of(server)) == (True, True, {"v1": 100, "v2": 0})
        assert [each["event"] for each in result["transitions"]] == ["advanced", "failed"]


class TestSeveralRoutes:
    """A release moves all HTTP routes that have both versions, in one patch."""

    @pytest.fixture(autouse=True)
    def more(self, server: ApiServer) -> None:
        def add(service: Object) -> None:
            http = service["spec"]["http"]
            http.insert(0, {**rule("beta", HOST, v1=100, v2=0), "timeout": "3s"})
            http.insert(1, {**rule("", HOST, v1=100, v2=0), "match": [{"uri": {"exact": "/unnamed"}}]})

        edit(server, add)

    def splits(self, server: ApiServer) -> list[dict[str, int]]:
        beta, unnamed, _static, primary = rules(server)
        return [split(each) for each in (beta, unnamed, primary)]

    def test_each_step_and_the_rollback_move_all(self, server: ApiServer, call: Call) -> None:
        before = rules(server)
        for weight in (20, 100):
            patches = len(server.sent("PATCH"))
            result = call("advanced", steps=[20, 100])
            assert self.splits(server) == [{"v1": 100 - weight, "v2": weight}] * 3
            assert len(server.sent("PATCH")) == patches + 1
        assert result["routes"] == ["beta", "number 2", "primary"]
        assert "HTTP routes beta, number 2 and primary: " in result["msg"]
        call("rolled_back")
        assert rules(server) == before

    def test_a_change_of_one_of_them_is_drift(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100])
        edit(server, lambda service: service["spec"]["http"][0]["route"].reverse())
        assert not call("advanced", steps=[20, 50, 100]).get("failed")  # the order is no matter
        edit(server, lambda service: service["spec"]["http"][0].update(rule("beta", HOST, v1=70, v2=30)))
        result = call("advanced", steps=[20, 50, 100])
        assert result["failed"]
        assert "v1 70 %, v2 30 % in HTTP route beta now, v1 50 %, v2 50 % when this release wrote them" in result["msg"]
        assert self.splits(server) == [{"v1": 70, "v2": 30}, {"v1": 50, "v2": 50}, {"v1": 50, "v2": 50}]

    def test_adopting_gives_all_the_lowest_share(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100])
        edit(server, lambda service: service["spec"]["http"][1].update(route=rule("", HOST, v1=90, v2=10)["route"]))
        result = call("weighted", weight=10, adopt=True)
        assert (result.get("failed", False), self.splits(server)) == (False, [{"v1": 90, "v2": 10}] * 3)

    def test_a_weight_by_hand_makes_them_alike(self, server: ApiServer, call: Call) -> None:
        call("weighted", weight=20)
        edit(server, lambda service: service["spec"]["http"][1].update(route=rule("", HOST, v1=90, v2=10)["route"]))
        result = call("weighted", weight=20)
        assert (result["changed"], self.splits(server)) == (True, [{"v1": 80, "v2": 20}] * 3)

    def test_a_rollback_takes_all_back_whatever_each_has(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100])
        edit(server, lambda service: service["spec"]["http"][0].update(rule("beta", HOST, v1=0, v2=100)))
        result = call("rolled_back", routes=["primary"])
        assert (result.get("failed", False), self.splits(server)) == (False, [{"v1": 100, "v2": 0}] * 3)

    def test_routes_that_differ_begin_no_release(self, server: ApiServer, call: Call) -> None:
        edit(server, lambda service: service["spec"]["http"][0].update(rule("beta", HOST, v1=0, v2=100)))
        result = call("advanced", steps=[20, 100])
        split_ways = "v2 100 % in HTTP route beta and v1 100 %, v2 0 % in HTTP routes number 2 and primary"
        assert f"the HTTP routes split in different ways: v1 0 %, {split_ways}; name those" in result["msg"]
        assert call("advanced", steps=[20, 100], routes=["primary", "2"])["changed"]
        assert self.splits(server) == [{"v1": 0, "v2": 100}, *[{"v1": 80, "v2": 20}] * 2]

    def test_a_release_goes_on_in_the_routes_that_it_was_begun_in(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100], routes=["primary"])
        assert call("advanced", steps=[20, 100])["weights"]["after"] == {"v1": 0, "v2": 100}
        assert self.splits(server) == [{"v1": 100, "v2": 0}, {"v1": 100, "v2": 0}, {"v1": 0, "v2": 100}]

    def test_a_part_of_the_routes_does_not_go_on_alone(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100])
        result = call("advanced", steps=[20, 100], routes=["primary"])
        assert (
            "v2 is progressing on HTTP routes beta, number 2 and primary, not on HTTP route primary alone"
            in result["msg"]
        )

    def test_a_route_that_went_is_no_matter(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[20, 100])
        edit(server, lambda service: service["spec"]["http"].pop(0))
        assert call("advanced", steps=[20, 100])["weights"]["after"] == {"v1": 0, "v2": 100}

    def test_the_old_version_leaves_all_of_them(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[100])
        assert call("cleaned", drain=0)["removed"] == "v1"
        assert self.splits(server) == [{"v2": 100}] * 3
        assert not call("advanced", steps=[100])["changed"]
        assert not call("cleaned", drain=0)["changed"]

    def test_the_release_after_a_cleanup_moves_the_same(self, server: ApiServer, call: Call) -> None:
        edit(server, lambda service: service["spec"]["http"].insert(0, rule("fixed", HOST, v2=100)))
        call("advanced", steps=[100])
        call("cleaned", drain=0)
        server.put("pods", pod("v3"))
        result = call("advanced", steps=[20, 100], stable="v2", canary="v3")
        assert result["routes"] == ["beta", "number 3", "primary"], result["msg"]
        assert split(rules(server)[0]) == {"v2": 100}
        assert call("rolled_back", stable="v2", canary="v3")["weights"]["after"]["v3"] == 0
        assert "routes" not in state_of(server)

    @pytest.mark.parametrize("lacking", [0, 3])
    def test_one_that_lacks_the_canary_gains_it_first(self, server: ApiServer, call: Call, lacking: int) -> None:
        edit(server, lambda service: service["spec"]["http"][lacking].update(route=rule("", HOST, v1=100)["route"]))
        result = call("advanced", steps=[20, 100], routes=["beta", "primary"])
        assert [each["event"] for each in result["transitions"]] == ["started", "advanced"]
        assert self.splits(server)[::2] == [{"v1": 80, "v2": 20}] * 2

    def test_what_is_at_rest_in_one_of_them_alone_goes_back(self, server: ApiServer, call: Call) -> None:
        call("rolled_back")
        edit(server, lambda service: service["spec"]["http"][1].update(route=rule("", HOST, v1=70, v2=30)["route"]))
        assert call("rolled_back")["changed"]
        assert self.splits(server) == [{"v1": 100, "v2": 0}] * 3

    def test_a_part_of_the_way_back_raises_none_of_them(self, server: ApiServer, call: Call) -> None:
        """Stable has no pod, so the canary keeps its requests."""
        call("weighted", weight=90)
        edit(server, lambda service: service["spec"]["http"][0].update(rule("beta", HOST, v1=80, v2=20)))
        server.delete("pods", "pong-v1-1", NAMESPACE)
        assert "cannot take more yet" in call("rolled_back")["msg"]
        assert [each["v2"] for each in self.splits(server)] == [20, 90, 90]

    def test_the_next_release_moves_all_again(self, server: ApiServer, call: Call) -> None:
        """It was two of them, and the others have been brought along by hand."""
        call("advanced", steps=[100], routes=["primary", "2"])
        edit(server, lambda service: service["spec"]["http"][0].update(rule("beta", HOST, v1=0, v2=100)))
        server.put("pods", pod("v3"))
        result = call("advanced", steps=[20, 100], stable="v2", canary="v3")
        assert result["routes"] == ["beta", "number 2", "primary"]
        assert "routes" not in state_of(server)

    def test_two_of_one_name_are_told_apart(self, server: ApiServer, call: Call) -> None:
        edit(server, lambda service: service["spec"]["http"][1].update(name="beta"))
        call("advanced", steps=[20, 100])
        edit(server, lambda service: service["spec"]["http"][0].update(rule("beta", HOST, v1=70, v2=30)))
        assert "v1 70 %, v2 30 % in HTTP route beta (number 1) now" in call("advanced", steps=[20, 100])["msg"]

    def test_a_cleanup_names_the_one_that_was_changed(self, server: ApiServer, call: Call) -> None:
        call("advanced", steps=[100])
        edit(server, lambda service: service["spec"]["http"][3].update(route=rule("", HOST, v1=70, v2=30)["route"]))
        result = call("cleaned", drain=0)
        assert "v1 70 %, v2 30 % in HTTP route primary now, v1 0 %, v2 100 % when the release wrote" in result["msg"]


def test_a_cleanup_of_one_route_is_found_beside_another_to_the_stable_version(server: ApiServer, call: Call) -> None:
    edit(server, lambda service: service["spec"]["http"].insert(0, rule("testers", HOST, v1=100)))
    call("advanced", steps=[100])
    result = call("cleaned", drain=0)
    assert (result.get("failed", False), result["removed"]) == (False, "v1"), result["msg"]
    assert [split(each) for each in rules(server)[::2]] == [{"v1": 100}, {"v2": 100}]
    assert not call("advanced", steps=[100]).get("failed")


def test_each_route_that_was_changed_has_its_own_weights_in_the_status(server: ApiServer, call: Call) -> None:
    def add(service: Object) -> None:
        service["spec"]["http"][:0] = [rule("a", HOST, v1=100, v2=0), rule("b", HOST, v1=100, v2=0)]

    edit(server, add)
    call("weighted", weight=20)
    edit(server, lambda service: service["spec"]["http"][0].update(rule("a", HOST, v1=70, v2=30)))
    edit(server, lambda service: service["spec"]["http"][1].update(rule("b", HOST, v1=60, v2=40)))
    found = parse(Target("pong", NAMESPACE, "v1", "v2"), server.get("virtualservices", "pong", NAMESPACE))
    changed = "v1 70 %, v2 30 % in HTTP route a and v1 60 %, v2 40 % in HTTP route b"
    assert drift(found) == f"{changed} now, v1 80 %, v2 20 % when the release wrote them"
