# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.filter.canary_mistakes import canary_mistakes

NAME = "it must be a name of small letters, digits and dashes, at most 63"
GOOD: dict[str, Any] = {
    "app": "pong-server",
    "namespace": "default",
    "stable": "v1",
    "canary": "v2",
    "service": "pong-server-service",
    "versions": {"v1": {"deployment": "pong-server-deployment"}},
    "steps": [5, {"weight": 20, "pause": True}, "50", 100],
    "interval": 60,
    "on_failure": "rollback",
}


@pytest.mark.parametrize("more", [{}, {"weight": 0}, {"weight": "100"}])
def test_what_can_be_meant_is_no_mistake(more: dict[str, Any]) -> None:
    assert canary_mistakes(GOOD | more) == []


@pytest.mark.parametrize("weight", [-1, 101, "abc", "10%", 1.5, "", True])
def test_a_weight_is_a_whole_percentage(weight: object) -> None:
    assert canary_mistakes(GOOD | {"weight": weight}) == [
        f"weight is {weight!r}: it must be a whole number from 0 to 100"
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": [50, 20]}, "canary_steps[1] falls from 50 to 20: each weight must be higher than the one before"),
        ({"steps": []}, "canary_steps is empty: give at least one weight, such as [5, 20, 50, 100]"),
        ({"stable": "v2"}, "canary_stable and canary are both v2: they must be two different subsets"),
        ({"interval": -1}, "canary_interval is -1: it must be a number of seconds from 0 to 31536000"),
        (
            {"namespace": "Shop"},
            f"canary_namespace is 'Shop': {NAME}",
        ),
        (
            {"app": "a" * 64},
            f"canary_app is '{'a' * 64}': {NAME}",
        ),
        (
            {"versions": {"v1": {"img": "x", "env": {}}}},
            "canary_versions.v1 has img: a version has only deployment, env, image, replicas",
        ),
    ],
)
def test_each_mistake_says_what_would_be_right(settings: dict[str, Any], sentence: str) -> None:
    assert canary_mistakes(GOOD | settings) == [sentence]


def test_all_mistakes_come_at_once() -> None:
    bad = GOOD | {"weight": 101, "steps": [20, 20], "app": "-", "on_failure": "pray"}
    assert len(canary_mistakes(bad)) == 4
