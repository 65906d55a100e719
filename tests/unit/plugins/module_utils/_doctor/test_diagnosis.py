# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.diagnosis import (
    CAUSES,
    problems,
    unseen,
)
from ansible_collections.progressive.istio.plugins.module_utils._doctor.pods import (
    GATEWAY_PODS_READY,
    PODS_READY,
    UnreadyPods,
    unready_gateways,
    unready_versions,
)
from ansible_collections.progressive.istio.plugins.module_utils._preflight.checks import NAMES, Result
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import Finding
from ansible_collections.progressive.istio.plugins.module_utils._preflight.timestamps import Timestamp
from broken_mesh import World, found, made, not_ready, pod

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def finding(check: str, severity: str = "error", **more: Any) -> Finding:
    given = {"problem": f"fails {check}", "remedy": "fix it", "check": check, **more}
    return Finding(severity, "Service", "shop", "pong", **given)


def told(*findings: Finding) -> list[str]:
    return [each.finding.check for each in problems(findings, [], [])]


@pytest.mark.parametrize("symptom", sorted(CAUSES))
def test_what_follows_from_something_is_not_reported_by_itself(symptom: str) -> None:
    for cause in CAUSES[symptom]:
        (problem,) = problems([finding(symptom), finding(cause)], [], [])
        assert (problem.finding.check, [each.check for each in problem.symptoms]) == (cause, [symptom])
    assert told(finding(symptom), finding("port_named_http")) == [symptom, "port_named_http"]


def test_causes_are_checks_and_no_check_causes_itself() -> None:
    own = {PODS_READY, GATEWAY_PODS_READY, "weights_live", "subsets_live", "release_found", "step_possible"}
    assert {each for causes in CAUSES.values() for each in causes} | CAUSES.keys() <= own | set(NAMES)

    def causes_of(check: str, seen: tuple[str, ...] = ()) -> None:
        assert check not in seen
        for cause in CAUSES.get(check, ()):
            causes_of(cause, (*seen, check))

    for check in CAUSES:
        causes_of(check)


def test_a_chain_ends_below_its_first_cause() -> None:
    found = [
        finding(check) for check in ("subsets_live", "subset_selects_ready_pods", "service_selector_without_version")
    ]
    (problem,) = problems(found, [], [])
    assert problem.finding.check == "service_selector_without_version"
    assert [each.check for each in problem.symptoms] == ["subsets_live", "subset_selects_ready_pods"]


def test_what_is_wrong_is_never_filed_below_a_warning() -> None:
    found = [finding("step_possible"), finding("weights_complete", "warning")]
    assert told(*found) == ["step_possible", "weights_complete"]
    assert told(finding("step_possible"), finding("weights_complete")) == ["weights_complete"]
    assert told(finding("step_possible", "warning"), finding("weights_complete", "warning")) == ["weights_complete"]


@pytest.mark.parametrize("symptom", sorted(CAUSES))
def test_what_is_wrong_with_one_thing_is_no_symptom_of_another(symptom: str) -> None:
    for cause in CAUSES[symptom]:
        other = replace(finding(cause), name="cart")
        assert told(finding(symptom), other) == [symptom, cause]
        about = [replace(finding(check), about=frozenset(about)) for check, about in ((symptom, "ab"), (cause, "bc"))]
        assert told(*about) == [cause]
        apart = [replace(finding(check), about=frozenset(about)) for check, about in ((symptom, "ab"), (cause, "cd"))]
        assert told(*apart) == [symptom, cause], "one object, and another part of it"


def test_errors_come_first_and_the_independent_are_all_told() -> None:
    found = [finding("route_named", "warning"), finding("weights_kept"), finding("gateway_exists")]
    assert told(*found) == ["weights_kept", "gateway_exists", "route_named"]


def event(reason: str, name: str) -> dict[str, Any]:
    involved = {"kind": "Pod", "name": name}
    time = {"lastTimestamp": "2026-01-31T11:59:00Z"}
    return {"type": "Warning", "reason": reason, "involvedObject": involved, "message": "m", **time}


def test_events_stand_with_the_pods_that_they_are_about() -> None:
    ill = UnreadyPods(finding(PODS_READY), frozenset({"pong-a"}))
    scaling = {**event("ScalingReplicaSet", "pong-a"), "type": "Normal"}
    (problem,) = problems([], [ill], [event("Failed", "pong-a"), event("Other", "pong-b"), scaling])
    assert [each.reason for each in problem.events] == ["Failed"]
    assert problem.finding.since == Timestamp(NOON - timedelta(minutes=1), "event ScalingReplicaSet")
    assert problem.facts()["events"][0]["at"] == "2026-01-31T11:59:00Z"


def test_what_could_not_be_seen_is_said_once() -> None:
    results = [
        Result("a", "", skipped="LIST Pod was refused"),
        Result("b", "", skipped="LIST Pod was refused"),
        Result("c", "", skipped="by skip_checks"),
        Result("d", ""),
    ]
    assert unseen(results) == ["LIST Pod was refused (2 checks skipped)"]


def causes_in(world: World) -> dict[str, list[str]]:
    """The causes that the doctor would tell, as CHECK NAME, each with the checks that follow from it."""
    mesh = world.mesh()
    ill = [*unready_versions(mesh, NOON), *unready_gateways(mesh, NOON)]
    return {
        f"{each.finding.check} {each.finding.name}": [symptom.check for symptom in each.symptoms]
        for each in problems(found(world), ill, [])
        if each.finding.severity == "error"
    }


def running() -> World:
    """The world with pods that their Deployments have made."""
    world = World()
    made(world)
    for each in world.pods:
        each["spec"]["containers"].append({"name": "istio-proxy"})
    return world


def broken(thing: dict[str, Any]) -> None:
    """A pod that crashes."""
    not_ready(thing)
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    thing["status"]["containerStatuses"] = [{"name": "app", "state": state, "restartCount": 3}]


def test_a_cause_has_the_symptoms_of_its_own_version_only() -> None:
    world = running()
    broken(world.pods[0])
    world.destination_rules[0]["spec"]["subsets"][1]["labels"] = {"version": "v7"}
    assert causes_in(world) == {
        "pods_ready pong-v1": ["subset_selects_ready_pods"],
        "subset_selects_ready_pods pong-server-service": [],
    }


def test_a_pod_that_crashes_is_no_symptom_of_an_injector_that_is_down() -> None:
    world = running()
    broken(world.pods[1])
    not_ready(world.injectors[0])
    assert causes_in(world) == {
        "pods_ready pong-v2": ["subset_selects_ready_pods"],
        "injector_ready istio-sidecar-injector": [],
    }
    world.pods.pop()
    assert causes_in(world) == {"injector_ready istio-sidecar-injector": ["pods_ready", "subset_selects_ready_pods"]}


def test_one_gateway_pod_that_is_not_ready_is_the_cause_of_nothing_while_others_are() -> None:
    world = running()
    world.proxies.append(pod("ingress-b", "istio-system", istio="ingressgateway"))
    broken(world.proxies[1])
    assert causes_in(world) == {"gateway_pods_ready ingress-b": []}
    broken(world.proxies[0])
    found = causes_in(world)
    assert sorted(found) == ["gateway_pods_ready ingress-a", "gateway_pods_ready ingress-b"]
    assert sorted(found.values()) == [[], ["gateway_selector_matches"]]


def test_a_service_that_selects_one_version_explains_the_others_alone() -> None:
    world = running()
    broken(world.pods[0])
    world.services[0]["spec"]["selector"]["version"] = "v1"
    assert causes_in(world) == {
        "pods_ready pong-v1": ["subset_selects_ready_pods"],
        "service_selector_without_version pong-server-service": ["subset_selects_ready_pods"],
    }
