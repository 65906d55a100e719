# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor import release as rules
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Lagging
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import encode
from ansible_collections.progressive.istio.plugins.module_utils._release.following import Following
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HistoryEntry,
    LeaseHolder,
    Phase,
    State,
)
from ansible_collections.progressive.istio.plugins.module_utils._rollout.followers import follow
from ansible_collections.progressive.istio.plugins.module_utils._rollout.parse import parse
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import ANNOTATION
from printed import assert_harmless

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
STATE = State(
    "v1",
    "v2",
    Phase.PROGRESSING,
    20,
    NOON,
    steps=(Step(20), Step(100)),
    history=(HistoryEntry(NOON, "held", "v2", 20, "asked by ada", "ada"),),
)
TARGET = Target("pong", "shop")


def holder(left: float) -> LeaseHolder:
    return LeaseHolder("jane", "far", 7, NOON, NOON + timedelta(seconds=left))


def snapshot(state: State | str | None, stable: int = 80, canary: int = 20) -> Snapshot:
    note = encode(state) if isinstance(state, State) else state
    route = [
        {"destination": {"host": "pong", "subset": name}, "weight": weight}
        for name, weight in (("v1", stable), ("v2", canary))
    ]
    owned = [
        {"manager": "kubectl-edit", "time": "2026-01-31T11:00:00Z", "fieldsV1": {"f:spec": {"f:http": {}}}},
        {
            "manager": "kubectl-annotate",
            "time": "2026-01-31T11:30:00Z",
            "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{ANNOTATION}": {}}}},
        },
    ]
    meta: dict[str, Any] = {"name": "pong", "namespace": "shop", "managedFields": owned}
    meta["annotations"] = {ANNOTATION: note} if note else {}
    return parse(TARGET, {"metadata": meta, "spec": {"hosts": ["*"], "http": [{"route": route}]}})


@pytest.mark.parametrize(
    ("state", "canary"),
    [
        (None, 20),
        (STATE, 20),
        (replace(STATE, holder=holder(120)), 20),
        (replace(STATE, phase=Phase.PROMOTED, weight=100), 100),
        (replace(STATE, phase=Phase.ROLLED_BACK, weight=0), 0),
    ],
    ids=["no release", "in progress", "in progress by a run whose clock is ahead", "promoted", "rolled back"],
)
def test_what_is_well(state: State | None, canary: int) -> None:
    assert list(rules.of_release(snapshot(state, 100 - canary, canary), "", NOON)) == []


@pytest.mark.parametrize(
    ("given", "check", "severity", "problem", "command", "since"),
    [
        (
            snapshot("{"),
            "annotation_readable",
            "error",
            "cannot be read",
            f"kubectl annotate virtualservice -n shop pong {ANNOTATION}-",
            "11:30 kubectl-annotate",
        ),
        (
            snapshot(STATE, 60, 40),
            "weights_kept",
            "error",
            "something else changed them: v1 60 %, v2 40 % now, v1 80 %, v2 20 % when the release wrote them",
            "kubectl patch virtualservice -n shop pong --type json -p '["
            '{"op": "add", "path": "/spec/http/0/route/0/weight", "value": 80}, '
            '{"op": "add", "path": "/spec/http/0/route/1/weight", "value": 20}]\'',
            "11:00 kubectl-edit",
        ),
        (
            snapshot(STATE, 100, 0),
            "weights_kept",
            "error",
            "something else changed them: v1 100 %, v2 0 % now, v1 80 %, v2 20 % when the release wrote them",
            "kubectl get virtualservice -n shop pong -o yaml",
            "11:00 kubectl-edit",
        ),
        (
            snapshot('{"version": 2}'),
            "annotation_readable",
            "error",
            "its version is 2, and this collection reads version 1",
            "kubectl get virtualservice -n shop pong -o yaml",
            "11:30 kubectl-annotate",
        ),
        (
            snapshot(replace(STATE, phase=Phase.HELD)),
            "release_goes_on",
            "error",
            "is held at v1 80 %, v2 20 % (step 1 of 2) and waits for confirmation: asked by ada",
            "ansible-playbook progressive.istio.advance --limit pong -e canary_confirm=true",
            "12:00 the annotation",
        ),
        (
            snapshot(replace(STATE, phase=Phase.PAUSED)),
            "release_goes_on",
            "warning",
            "is paused at v1 80 %, v2 20 %",
            "ansible-playbook progressive.istio.advance --limit pong -e canary_confirm=true",
            "12:00 the annotation",
        ),
        (
            snapshot(replace(STATE, holder=holder(121))),
            "lease_bounded",
            "warning",
            "has a lease of jane on far (process 7) until 2026-01-31T12:02:01Z, and no lease of this collection is "
            "longer than 60 s: it is ignored",
            "kubectl get virtualservice -n shop pong -o yaml",
            "11:30 kubectl-annotate",
        ),
    ],
    ids=["damaged", "moved", "taken from the canary by hand", "newer", "held", "paused", "an endless lease"],
)
def test_what_is_wrong(given: Snapshot, check: str, severity: str, problem: str, command: str, since: str) -> None:
    (finding,) = rules.of_release(given, "--limit pong", NOON)
    assert (finding.check, finding.severity, finding.place) == (check, severity, "VirtualService shop/pong")
    assert problem in finding.problem
    assert finding.command == command
    assert_harmless(command, {("virtualservice", "shop", "pong")})
    assert finding.since
    assert f"{finding.since.at:%H:%M} {finding.since.source}".startswith(since)


def lagging(name: str, shows: str, why: str, rejects: bool = False) -> Lagging:
    return Lagging(Proxy("gateway", "edge", name, name), shows, why, rejects)


def test_a_proxy_that_is_alone_is_accused_itself() -> None:
    (finding,) = rules.of_weights(snapshot(STATE), [lagging("a", "runs v1 100 %", "it is connected to no istiod")])
    assert (finding.check, finding.place) == ("weights_live", "Pod edge/a")
    assert finding.problem == (
        "is a gateway that runs v1 100 % instead of v1 80 %, v2 20 %: it is connected to no istiod"
    )
    assert finding.command == "kubectl describe pod -n edge a"
    assert_harmless(finding.command, set())
    assert finding.since is not None


def test_since_when_a_proxy_does_not_answer_is_not_known() -> None:
    (finding,) = rules.of_weights(snapshot(STATE), [lagging("a", "has not answered yet", "it is pending")])
    assert finding.since is None


def test_a_proxy_that_gave_no_answer_is_not_accused_of_what_it_runs() -> None:
    """The port-forward may be slow while the gateway serves all its users."""
    silent = [replace(lagging(name, "has not answered yet", "it did not answer"), read=False) for name in "ab"]
    for finding, name in zip(rules.of_weights(snapshot(STATE), silent), "ab", strict=True):
        assert (finding.check, finding.severity, finding.place) == ("weights_live", "warning", f"Pod edge/{name}")
        assert "so what it runs is unknown" in finding.problem
        assert_harmless(finding.command, set())


def test_what_several_say_is_said_once_of_the_route() -> None:
    several = [lagging(name, "runs v1 100 %", "istiod is down") for name in "abcd"]
    one, other = rules.of_weights(snapshot(STATE), [*several, lagging("e", "runs v1 100 %", "it is pending")])
    assert (one.place, other.place) == ("VirtualService shop/pong", "Pod edge/e")
    assert "on 4 proxies: gateway edge/a, gateway edge/b, gateway edge/c and 1 more runs" in one.problem
    assert {each.command for each in (one, other)} == {
        "kubectl get virtualservice -n shop pong -o yaml",
        "kubectl describe pod -n edge e",
    }


def test_what_envoy_rejects_is_corrected_in_the_route() -> None:
    (finding,) = rules.of_subsets(snapshot(STATE), [lagging("a", "keeps what it had", "it rejects the routes", True)])
    assert (finding.check, finding.place) == ("subsets_live", "VirtualService shop/pong")
    assert finding.command == "kubectl get virtualservice -n shop pong -o yaml"


def test_nobody_can_be_asked_and_nothing_can_be_told() -> None:
    nowhere = rules.unproven(snapshot(STATE), "no ready proxy")
    assert nowhere.problem == "is live nowhere: no ready proxy"
    assert_harmless(nowhere.command, set())
    unfound = rules.unfound(TARGET, ["no two versions", "no route"], snapshot(STATE).virtual_service)
    assert (unfound.place, unfound.problem) == (
        "VirtualService shop/pong",
        "has no canary: no two versions; no route",
    )


def following(canary: int, wrote: int = 20) -> Snapshot:
    """A release at 20 % with a follower that has other weights, of which its annotation says `wrote`."""
    leader = snapshot(STATE)
    known = Following("shop/pong", "pong", "v1", "v2", wrote, Phase.PROGRESSING, "r1")
    route = [
        {"destination": {"host": "pong", "subset": name}, "weight": weight}
        for name, weight in (("v1", 100 - canary), ("v2", canary))
    ]
    meta = {"name": "mesh", "namespace": "shop", "annotations": {ANNOTATION: known.encode()}}
    thing = {"metadata": meta, "spec": {"hosts": ["pong"], "http": [{"name": "main", "route": route}]}}
    return replace(leader, followers=(follow(leader, Target("mesh", "shop"), thing),))


def test_weights_of_a_follower_that_others_changed_are_restored_there() -> None:
    (found,) = rules.of_release(following(60), "", NOON)
    assert (found.check, found.severity) == ("weights_kept", "error")
    assert "v1 40 %, v2 60 % in HTTP route main of shop/mesh now" in found.problem
    assert "virtualservice" in str(found.command)
    assert " mesh " in str(found.command)


def test_a_run_that_ended_between_two_writes_is_found() -> None:
    (found,) = rules.of_release(following(50, wrote=50), "-i hosts.yml", NOON)
    assert "VirtualService shop/mesh has v1 50 %, v2 50 %, and its leader v1 80 %, v2 20 %" in found.problem
    assert found.command == "ansible-playbook progressive.istio.rollback -i hosts.yml"
    assert list(rules.of_release(following(20), "", NOON)) == []
