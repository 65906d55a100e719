# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload in Istio's series is the version whose pods it has, or nobody's."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.workloads import (
    NO_WORKLOAD,
    Workload,
    WorkloadVersions,
    workload_versions,
)

SUBSETS = {"stable": {"track": "blue"}, "canary": {"track": "green"}}


def pod(deployment: str, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    """As a Deployment makes it."""
    owner = {"kind": "ReplicaSet", "name": f"{deployment}-5d4", "controller": True}
    meta = {"name": f"{deployment}-5d4-x", "namespace": namespace, "labels": {"pod-template-hash": "5d4", **labels}}
    return {"metadata": {**meta, "ownerReferences": [owner]}}


def test_pods_that_carry_another_label_than_version() -> None:
    found = workload_versions(SUBSETS, [pod("checkout-blue", track="blue"), pod("checkout-green", track="green")])
    assert found.version_of(Workload("checkout-green", "shop", "latest")) == "canary"
    assert found.version_of(Workload("checkout-blue", "shop", "latest")) == "stable"


def test_a_version_with_two_deployments() -> None:
    pods = [pod("old", track="blue"), pod("new-eu", track="green"), pod("new-us", track="green")]
    found = workload_versions(SUBSETS, pods)
    assert [found.version_of(Workload(name, "shop", "latest")) for name in ("old", "new-eu", "new-us", "sparrow")] == [
        "stable",
        "canary",
        "canary",
        "",
    ]


def test_workloads_of_one_name_in_two_namespaces() -> None:
    found = workload_versions(SUBSETS, [pod("web", "shop", track="blue"), pod("web", "pay", track="green")])
    assert found.version_of(Workload("web", "pay", "latest")) == "canary"
    assert found.version_of(Workload("web", "news", "latest")) == ""


@pytest.mark.parametrize("label", ["version", "app.kubernetes.io/version", "service.istio.io/canonical-revision"])
def test_one_workload_with_pods_of_both_versions_is_resolved_by_its_revision(label: str) -> None:
    pods = [pod("web", track="blue", **{label: "1.0"}), pod("web", track="green", **{label: "1.1"})]
    found = workload_versions(SUBSETS, pods)
    assert found.version_of(Workload("web", "shop", "1.1")) == "canary"
    assert found.shared([Workload("web", "shop", "1.1")]) == []


def test_one_workload_with_one_revision_is_ambiguous() -> None:
    found = workload_versions(SUBSETS, [pod("web", track="blue"), pod("web", track="green")])
    seen = Workload("web", "shop", "latest")
    assert found.version_of(seen) == ""
    assert found.shared([seen, NO_WORKLOAD, Workload("sparrow", "shop", "latest")]) == [seen]


def test_a_revision_that_the_pods_lack_does_not_matter_if_the_name_matches() -> None:
    found = workload_versions(SUBSETS, [pod("old", track="blue", version="1"), pod("new", track="green", version="2")])
    assert found.version_of(Workload("new", "shop", "3")) == "canary"


def test_the_label_that_overrides_the_name_of_a_workload() -> None:
    named = {"service.istio.io/workload-name": "web"}
    found = workload_versions(SUBSETS, [pod("x", track="blue"), pod("y", track="green", **named)])
    assert found.version_of(Workload("web", "shop", "latest")) == "canary"


@pytest.mark.parametrize("pods", [None, []])
def test_a_version_without_pods_is_known_by_its_label_or_its_name(pods: list[dict[str, Any]] | None) -> None:
    found = workload_versions({"v1": {"version": "1.0"}, "v2": {}}, pods)
    assert found.version_of(Workload("web", "shop", "1.0")) == "v1"
    assert found.version_of(Workload(revision="v2")) == "v2"
    assert found.version_of(Workload("web", "shop", "v3")) == ""
    assert found.version_of(Workload("web", "shop")) == ""


def test_without_a_workload_in_the_series_the_revision_decides() -> None:
    found = workload_versions(SUBSETS, [pod("a", track="blue", version="1"), pod("b", track="green", version="2")])
    assert found.version_of(Workload(revision="2")) == "canary"
    assert found.version_of(NO_WORKLOAD) == ""


def test_workloads_that_come_later() -> None:
    before = workload_versions(SUBSETS, [pod("old", track="blue"), pod("new", track="green")])
    now = before.with_pods(workload_versions(SUBSETS, [pod("newer", track="green")]))
    names = ("old", "new", "newer")
    assert [now.version_of(Workload(name, "shop", "latest")) for name in names] == ["stable", "canary", "canary"]
    assert isinstance(now, WorkloadVersions)
