# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import cleanup
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY


def subset(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "labels": {"version": name}, **more}


def rule(*subsets: dict[str, Any], ours: bool = True) -> dict[str, Any]:
    metadata = {"name": "r", "namespace": "n", "resourceVersion": "7", "labels": MANAGED_BY if ours else {}}
    return {"metadata": metadata, "spec": {"host": "pong", "subsets": list(subsets)}}


SERVICE = {"metadata": {"name": "pong", "namespace": "n"}, "spec": {"selector": {"app": "pong"}}}


def deployment(version: str, day: int, ours: bool = True) -> dict[str, Any]:
    labels = {"app": "pong", "version": version} | (MANAGED_BY if ours else {})
    made = f"2026-01-{day:02}T00:00:00Z"
    template = {"metadata": {"labels": {"app": "pong", "version": version}}}
    metadata = {"name": f"pong-{version}", "namespace": "n", "labels": labels, "creationTimestamp": made}
    return {"metadata": metadata, "spec": {"template": template}}


def leftover(version: str, used_by: list[str] | None = None, why: str = "") -> dict[str, Any]:
    return {"version": version, "used_by": used_by or [], "why": why}


def plan(deployments: list[dict[str, Any]], rules: list[dict[str, Any]], **result: Any) -> dict[str, Any]:
    given = {"stable": "v2", "canary": "v3", "removed": None, "used_by": [], "leftovers": []}
    host = "pong.n.svc.cluster.local"
    return cleanup.plan(deployments, rules, [SERVICE], host=host, result=given | result)


def test_a_service_of_others_takes_nothing_of_ours_along() -> None:
    """Its versions have the same names, and its settings name neither application nor DestinationRule."""
    result = {"stable": "v1", "canary": "v2", "removed": "v1", "used_by": [], "leftovers": []}
    for host in ("shop.n.svc.cluster.local", "pong.other.svc.cluster.local", "shop"):
        found = cleanup.plan([deployment("v1", 1)], [rule(subset("v1"))], [SERVICE], host=host, result=result)
        assert found == {"definition": None, "deployments": [], "left": []}
    blind = {**SERVICE, "spec": {"selector": {"workload": "shop"}}}
    found = cleanup.plan([deployment("v1", 1)], [], [blind], host="pong", result=result)
    assert found["deployments"] == []


def test_the_version_that_is_over_goes_with_its_subset_and_its_pods() -> None:
    found = plan([deployment("v2", 2), deployment("v3", 3)], [rule(subset("v2"), subset("v3"))], removed="v2")
    assert (found["deployments"], found["left"]) == (["pong-v2"], [])
    assert found["definition"]["spec"] == {"subsets": [subset("v3")]}
    assert found["definition"]["metadata"]["resourceVersion"] == "7"


def test_what_an_earlier_release_left_goes_too_and_what_the_next_one_needs_stays() -> None:
    versions = [deployment(name, day) for day, name in enumerate(("v0", "v2", "v3", "v4"), 1)]
    rules = [rule(*map(subset, ("v0", "v2", "v3", "v4")))]
    found = plan(versions, rules, removed="v2", leftovers=[leftover("v0"), leftover("v4")])
    assert found["deployments"] == ["pong-v0", "pong-v2"]
    assert found["definition"]["spec"] == {"subsets": [subset("v3"), subset("v4")]}
    (line,) = found["left"]
    assert line.startswith("v4, of no known release, stays: its Deployment is newer")


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (leftover("v0", ["http route old of n/other"]), "http route old of n/other routes to it"),
        (leftover("v0", why="gateway a/b still leads to it"), "gateway a/b still leads to it"),
        (leftover("v9"), "it has a subset and no Deployment"),
    ],
)
def test_what_is_still_needed_or_not_known_stays(left: dict[str, Any], reason: str) -> None:
    found = plan([deployment("v0", 1), deployment("v3", 3)], [rule(subset(left["version"]))], leftovers=[left])
    assert (found["deployments"], found["definition"]) == ([], None)
    assert found["left"] == [f"{left['version']}, of no known release, stays: {reason}"]


def test_the_version_that_is_over_stays_as_long_as_others_lead_to_it() -> None:
    found = plan([deployment("v2", 2)], [rule(subset("v2"))], removed="v2", used_by=["http route old of n/other"])
    assert found == {
        "definition": None,
        "deployments": [],
        "left": ["v2 stays: http route old of n/other routes to it"],
    }


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (rule(subset("v2"), ours=False), "this collection did not make it"),
        (rule(subset("v2", trafficPolicy={})), "it has more than the label of the version"),
        (
            rule({"name": "v2", "labels": {"version": "v2", "region": "eu"}}),
            "it has more than the label of the version",
        ),
    ],
)
def test_what_others_made_stays_and_is_named(one: dict[str, Any], why: str) -> None:
    found = plan([deployment("v2", 2, ours=False)], [one], removed="v2")
    assert (found["deployments"], found["definition"]) == ([], None)
    assert found["left"] == [
        f"subset v2 of DestinationRule n/r stays: {why}; no route names it, so its owner can remove it",
        "Deployment n/pong-v2 of v2 stays: this collection did not make it; "
        "no route names it, so its owner can remove it",
    ]


def test_where_all_is_gone_nothing_is_written() -> None:
    assert plan([], [], removed="v2") == {"definition": None, "deployments": [], "left": []}
    assert plan([], [rule(subset("v3"))], removed="v2")["definition"] is None
