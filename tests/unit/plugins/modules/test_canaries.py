# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many canaries in one call are moved as each by itself, and one does no harm to another."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._canary.call import CanaryTask
from ansible_collections.progressive.istio.plugins.module_utils._common.call import Call as AnyCall
from ansible_collections.progressive.istio.plugins.modules import canaries, canary
from api_server import Answer, ApiServer, Object, Request
from pong_mesh import ANNOTATION, NAMESPACE, virtual_service

Call = Callable[..., dict[str, Any]]

TWENTY = [f"pong-{number:02}" for number in range(20)]
SIX = TWENTY[:6]
SAME = ("changed", "msg", "weights", "phase", "step", "next_weight", "finished", "waits", "mistakes", "routes")


def put(server: ApiServer, names: Sequence[str], weights: tuple[int, int] = (100, 0)) -> None:
    """A VirtualService of each name, all of the same Service."""
    for name in names:
        route = virtual_service(*weights, hosts=[f"{name}.test"])
        server.put("virtualservices", {**route, "metadata": {"name": name, "namespace": NAMESPACE}})


def greens(server: ApiServer, names: Sequence[str]) -> list[int]:
    """What the canary has in each."""
    return [route_of(server, name)["spec"]["http"][1]["route"][1]["weight"] for name in names]


def route_of(server: ApiServer, name: str) -> Object:
    return server.get("virtualservices", name, NAMESPACE)


def entries(names: Sequence[str], **options: Any) -> list[dict[str, Any]]:
    fixed = {"namespace": NAMESPACE, "stable": "v1", "canary": "v2", "proof": "none", "wait_timeout": 0, "interval": 0}
    return [{"name": name, **fixed, **options} for name in names]


@pytest.fixture
def many(server: ApiServer, run_module: Call) -> Call:
    put(server, TWENTY)

    def run(state: str, given: Sequence[dict[str, Any]], check: bool = False, **options: Any) -> dict[str, Any]:
        fixed = {"host": server.url, "api_key": "secret", "state": state, "canaries": list(given)}
        return run_module(canaries.main, {**fixed, **options}, check)

    return run


def test_all_take_their_step(server: ApiServer, many: Call) -> None:
    result = many("advanced", entries(TWENTY, steps=[10, 50, 100]))
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], result["msg"], result["stopped"]) == (True, "20 of 20 canaries moved", False)
    assert [each["name"] for each in result["results"]] == TWENTY
    assert greens(server, TWENTY) == [10] * 20


def test_requests_do_not_grow_with_what_all_read(server: ApiServer, many: Call) -> None:
    result = many("advanced", entries(TWENTY, steps=[10, 50, 100]))
    reads = [request for request in server.requests if request.method == "GET"]
    assert result["api_requests"] >= len(server.requests)  # more where a busy server lets it connect again
    assert len(reads) < 20, [request.path for request in reads]
    assert len(server.requests) <= 3 * 20
    assert not any(request.path == "/api/v1/pods" for request in reads), (
        "nothing is read for warnings that are not shown"
    )


def test_none_is_watched(server: ApiServer, many: Call) -> None:
    given = entries(TWENTY[:2], steps=[10, 50, 100], interval=3600)
    assert many("advanced", given)["changed"]
    result = many("advanced", given)
    assert not result.get("failed"), result["msg"]
    assert [(each["changed"], each["waits"]) for each in result["results"]] == [(False, True)] * 2
    assert greens(server, TWENTY[:2]) == [10, 10]


def test_each_has_its_own_weight(server: ApiServer, many: Call) -> None:
    shares = list(range(0, 100, 5))
    given = [one | {"weight": share} for one, share in zip(entries(TWENTY), shares, strict=True)]
    assert not many("weighted", given).get("failed")
    assert greens(server, TWENTY) == shares


def test_one_that_fails_changes_nothing_for_the_others(server: ApiServer, many: Call) -> None:
    server.delete("virtualservices", TWENTY[3], NAMESPACE)
    result = many("advanced", entries(TWENTY, steps=[10, 100]))
    assert result["failed"]
    assert result["msg"].startswith(
        f"19 of 20 canaries moved, 1 failed; VirtualService {NAMESPACE}/{TWENTY[3]} does not"
    )
    assert [bool(each.get("failed")) for each in result["results"]] == [name == TWENTY[3] for name in TWENTY]
    assert greens(server, [name for name in TWENTY if name != TWENTY[3]]) == [10] * 19


def refuse(server: ApiServer, *names: str) -> None:
    """Refuse their patches."""

    def before(_number: int, request: Request) -> Answer | None:
        refused = request.method == "PATCH" and request.path.rsplit("/", 1)[-1] in names
        return Answer(403, "Forbidden", "not this one") if refused else None

    server.before = before


def test_no_other_begins_once_more_have_failed_than_may(server: ApiServer, many: Call) -> None:
    refuse(server, *TWENTY[4:7])
    result = many("weighted", entries(TWENTY, weight=20), max_in_flight=1, max_failures="10%")
    assert (result["failed"], result["stopped"]) == (True, True)
    assert greens(server, TWENTY) == [20] * 4 + [0] * 16
    assert [bool(each.get("skipped")) for each in result["results"]] == [False] * 7 + [True] * 13
    assert "4 of 20 canaries moved, 3 failed, 13 not begun; " in result["msg"]
    assert result["results"][-1]["msg"] == "not begun, since 3 canaries of this call failed"


def test_as_many_as_may_fail(server: ApiServer, many: Call) -> None:
    refuse(server, *TWENTY[4:6])
    result = many("weighted", entries(TWENTY, weight=20), max_in_flight=1, max_failures=2)
    assert (result["failed"], result["stopped"]) == (True, False)
    assert greens(server, TWENTY) == [0 if number in (4, 5) else 20 for number in range(20)]


def test_those_that_were_moved_are_taken_back(server: ApiServer, many: Call) -> None:
    refuse(server, TWENTY[4])
    options = {"max_in_flight": 1, "max_failures": 0, "on_max_failures": "rollback"}
    result = many("weighted", entries(TWENTY, weight=20), **options)
    assert greens(server, TWENTY) == [0] * 20
    assert [bool(each.get("undone")) for each in result["results"]] == [number < 4 for number in range(20)]
    events = [[each["event"] for each in one.get("transitions", [])] for one in result["results"][:4]]
    assert events == [["weighted", "rolled_back"]] * 4
    assert (
        "other canaries of the same call failed" in route_of(server, TWENTY[0])["metadata"]["annotations"][ANNOTATION]
    )


def test_one_that_was_moved_and_failed_is_taken_back_too(
    server: ApiServer, many: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = CanaryTask.answer

    def answer(task: CanaryTask, call: AnyCall) -> dict[str, Any]:
        unproven = call.params["name"] == TWENTY[1] and call.params["state"] == "weighted"
        return moved(task, call) | ({"failed": True, "msg": "that is not live"} if unproven else {})

    monkeypatch.setattr(CanaryTask, "answer", answer)
    options = {"max_in_flight": 1, "max_failures": 0, "on_max_failures": "rollback"}
    result = many("weighted", entries(TWENTY[:3], weight=20), **options)
    assert greens(server, TWENTY[:3]) == [0, 0, 0]
    assert [bool(each.get("failed")) for each in result["results"]] == [False, True, False]
    assert [bool(each.get("undone")) for each in result["results"]] == [True, True, False]
    assert result["results"][1]["msg"].startswith("that is not live; VirtualService shop/pong-01")


def test_a_rollback_tries_all(server: ApiServer, many: Call) -> None:
    put(server, TWENTY, (50, 50))
    refuse(server, TWENTY[0])
    result = many("rolled_back", entries(TWENTY), max_in_flight=1, max_failures=0)
    assert greens(server, TWENTY) == [50] + [0] * 19
    assert "19 of 20 canaries moved, 1 failed; " in result["msg"]


WRONG = [
    ({"weight": 101}, "canary 2 (shop/pong-01): weight is 101: it must be a whole number from 0 to 100"),
    ({"stable": "v2"}, "canary 2 (shop/pong-01): stable and canary are both v2"),
    ({"min_ready": "many"}, "canary 2 (shop/pong-01): argument 'min_ready' is of type"),
    ({"wieght": 3}, "canary 2 (shop/pong-01): wieght. Supported parameters include"),
    ({"name": "pong-00"}, "shop/pong-00 is named 2 times: name it once"),
    (
        {"state": "held", "context": "x"},
        "canary 2 (shop/pong-01): set context and state for all canaries, beside `canaries`",
    ),
    ({"analysis": {}}, "canary 2 (shop/pong-01): analysis. Supported parameters include"),
    ({"watch": 5}, "canary 2 (shop/pong-01): watch. Supported parameters include"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_a_mistake_refuses_the_call_before_the_first_write(
    server: ApiServer, many: Call, wrong: dict[str, Any], said: str
) -> None:
    given = entries(TWENTY, weight=20)
    given[1] |= wrong
    result = many("weighted", given)
    assert result["failed"]
    assert said in result["msg"]
    assert greens(server, TWENTY) == [0] * 20


def test_all_mistakes_are_told_at_once(server: ApiServer, many: Call) -> None:
    given = [one | {"weight": weight} for one, weight in zip(entries(TWENTY[:3]), (101, 20, -1), strict=True)]
    result = many("weighted", given, max_failures="some", max_in_flight=0)
    assert len(result["mistakes"]) == 4
    for said in ("max_failures is 'some'", "max_in_flight is 0", "canary 1 (shop/pong-00)", "canary 3 (shop/pong-02)"):
        assert said in result["msg"]
    assert server.requests == []


def test_none_is_a_mistake(many: Call) -> None:
    assert many("held", [])["msg"] == "canaries is empty: name at least one"


def test_a_mistake_in_one_keeps_no_other_on_its_canary(server: ApiServer, many: Call) -> None:
    put(server, TWENTY, (50, 50))
    given = entries(TWENTY, weight="x", min_ready="many", analysis={"source": "nowhere"})
    del given[1]["stable"]
    result = many("rolled_back", given, max_failures=0)
    assert result["failed"]
    assert greens(server, TWENTY) == [0, 50] + [0] * 18
    assert (
        "19 of 20 canaries moved, 1 failed; canary 2 (shop/pong-01): missing required arguments: stable"
        in result["msg"]
    )


def test_check_mode_writes_nothing_and_says_the_same(server: ApiServer, many: Call) -> None:
    result = many("weighted", entries(TWENTY, weight=20), check=True)
    assert greens(server, TWENTY) == [0] * 20
    assert {each["weights"]["after"]["v2"] for each in result["results"]} == {20}
    assert result["msg"] == "20 of 20 canaries would be moved"


def test_the_results_are_those_of_single_calls(server: ApiServer, many: Call, run_module: Call) -> None:
    """Services in all kinds of states, and what is done with them."""
    rng = random.Random(7)
    for state in ("weighted", "advanced", "held", "advanced", "rolled_back", "weighted"):
        given = entries(SIX, steps=[10, 50, 100])
        for one in given:
            one["weight"] = rng.choice([0, 10, 30, 100])
            one["canary"] = rng.choice(["v2", "v2", "v2", "v3"])
            one["min_ready"] = rng.choice([1, 1, 1, 2])
        before = {name: copy.deepcopy(route_of(server, name)) for name in SIX}
        together = many(state, given)["results"]
        after = [greens(server, [name]) for name in SIX]
        for name in SIX:
            server.put("virtualservices", before[name])
        for one, found, weights in zip(given, together, after, strict=True):
            watch = {"watch": 0} if state == "advanced" else {}
            access = {"host": server.url, "api_key": "secret"}
            alone = run_module(canary.main, {**access, **one, "state": state, **watch})
            assert timeless({key: found.get(key) for key in SAME}) == timeless({key: alone.get(key) for key in SAME})
            assert weights == greens(server, [one["name"]])


def timeless(result: dict[str, Any]) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d+ s\b", "then", str(result))
