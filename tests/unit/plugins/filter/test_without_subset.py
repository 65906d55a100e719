# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.filter.without_subset import without_subset
from ansible_collections.progressive.istio.plugins.plugin_utils._objects import MANAGED_BY

V2 = {"name": "v2", "labels": {"version": "v2"}}


def rule(*subsets: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "r", "namespace": "n", "resourceVersion": "7", "labels": MANAGED_BY},
        "spec": {"subsets": list(subsets)},
    }


def test_only_the_subset_of_the_version_goes() -> None:
    definition = without_subset([rule({"name": "v1", "labels": {"version": "v1"}}, V2)], "v1")
    assert definition is not None
    assert definition["spec"] == {"subsets": [V2]}
    assert definition["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [rule(V2)],
        [rule({"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": {}}, V2)],
        [rule({"name": "v1", "labels": {"version": "v1", "region": "eu"}})],
    ],
    ids=["no rule", "gone already", "a policy", "more labels"],
)
def test_nothing_is_written_where_nothing_is_only_ours(rules: list[dict[str, Any]]) -> None:
    assert without_subset(rules, "v1") is None
