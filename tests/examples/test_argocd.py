# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Argo CD ignore the weights and the annotation of a release, and nothing else of a VirtualService."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jq
import yaml

ROUTE = [
    {"destination": {"host": "cart", "subset": "v1"}, "weight": 80, "headers": {"request": {"set": {"weight": "1"}}}},
    {"destination": {"host": "cart", "subset": "v2"}, "weight": 20},
]
LIVE: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "cart", "annotations": {"progressive.istio/canary": "{}", "team": "shop"}},
    "spec": {
        "hosts": ["cart.example.com"],
        "http": [
            {"name": "moved", "match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
            {"name": "primary", "timeout": "3s", "mirror": {"host": "copy"}, "route": ROUTE},
            {"route": [{"destination": {"host": "cart"}}]},
        ],
        "tcp": [{"route": [{"destination": {"host": "db"}, "weight": 100}]}],
    },
}


def ignored(examples: Path) -> list[str]:
    (rule,) = yaml.safe_load((examples / "argocd.yml").read_text())["spec"]["ignoreDifferences"]
    assert (rule["group"], rule["kind"]) == ("networking.istio.io", "VirtualService")
    return rule["jqPathExpressions"]


def compared(expressions: list[str], live: dict[str, Any]) -> dict[str, Any]:
    """What is left to compare: Argo CD deletes each path on both sides."""
    for expression in expressions:
        live = json.loads(jq.compile(f"del({expression})").input_value(live).text())
    return live


def test_they_are_the_weights_and_the_annotation_alone(examples: Path) -> None:
    expected = copy.deepcopy(LIVE)
    for destination in expected["spec"]["http"][1]["route"]:
        del destination["weight"]
    del expected["metadata"]["annotations"]["progressive.istio/canary"]
    assert compared(ignored(examples), LIVE) == expected


def test_they_apply_to_every_virtual_service(examples: Path) -> None:
    """One that has no rule for HTTP or no annotation is compared as it is: an error would end the comparison."""
    for bare in ({"metadata": {"name": "db"}, "spec": {"hosts": ["db"], "tcp": LIVE["spec"]["tcp"]}}, {"metadata": {}}):
        assert compared(ignored(examples), bare) == bare
