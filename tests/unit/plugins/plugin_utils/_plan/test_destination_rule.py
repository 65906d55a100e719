# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import destination_rule as planned
from ansible_collections.progressive.istio.plugins.plugin_utils._plan.objects import MANAGED_BY, NotOurs

HOST = "pong.shop.svc.cluster.local"


def subset(name: str, version: str = "") -> dict[str, Any]:
    return {"name": name, "labels": {"version": version or name}}


def rule(*subsets: dict[str, Any], name: str = "pong-rule", host: str = HOST, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "resourceVersion": "7", "labels": MANAGED_BY}
    return {"metadata": metadata, "spec": {"host": host, "subsets": list(subsets), **spec}}


def plan(*objects: dict[str, Any], api_found: bool = True) -> dict[str, Any]:
    found = {"api_found": api_found, "resources": list(objects)}
    return planned.plan(found, name="pong-rule", namespace="shop", host=HOST, subsets=["v1", "v2"])


def test_a_new_rule_has_a_subset_a_version() -> None:
    assert plan()["definition"]["spec"] == {"host": HOST, "subsets": [subset("v1"), subset("v2")]}


@pytest.mark.parametrize("host", [HOST, "pong"])
def test_a_missing_subset_joins_those_of_other_people(host: str) -> None:
    policy = {"loadBalancer": {"simple": "RANDOM"}}
    current = rule(subset("v1") | {"trafficPolicy": policy}, subset("blue"), host=host, trafficPolicy=policy)
    definition = plan(current)["definition"]
    assert definition["spec"] == {"subsets": [*current["spec"]["subsets"], subset("v2")]}
    assert definition["metadata"]["resourceVersion"] == "7"


def test_subsets_that_are_there_need_no_write() -> None:
    assert plan(rule(subset("v2"), subset("v1"), subset("v0"))) == {"definition": None}


def test_other_hosts_are_no_rivals() -> None:
    assert plan(rule(subset("v1"), name="other", host="other"))["definition"]["spec"]["host"] == HOST


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (rule(host="pong-server"), f"its host is pong-server, not {HOST}"),
        (rule(host="pong.shop"), f"its host is pong.shop, not {HOST}"),
        (rule(subset("v1", "v7")), "its subset v1 selects pods with version=v7, not version=v1"),
        (rule({"name": "v1"}), "its subset v1 selects pods with version=None, not version=v1"),
        (rule(name="older"), f"older configures {HOST} already, and Istio uses only one DestinationRule per host"),
    ],
)
def test_what_cannot_be_shared_is_refused(current: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotOurs, match=re.escape(f"DestinationRule shop/pong-rule: {reason}")):
        plan(current)


def test_a_cluster_without_istio_is_named() -> None:
    with pytest.raises(NotOurs, match=r"is Istio 1[.]22 or newer installed"):
        plan(api_found=False)
