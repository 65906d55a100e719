# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the shape of a kubeconfig is said, and whatever it is, it is said in a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.kubeconfig_schema import mistakes

SOUND: dict[str, Any] = {
    "current-context": "a",
    "clusters": [{"name": "a", "cluster": {"server": "https://a", "insecure-skip-tls-verify": True}}],
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "users": [{"name": "a", "user": {"as-groups": ["ops"], "exec": {"command": "aws"}}}, {"name": "b", "user": None}],
    "preferences": None,
}


def test_a_sound_one_has_none() -> None:
    assert mistakes(SOUND) == []
    assert mistakes({}) == []


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"clusters": [None]}, "clusters[0] must be a mapping with name and cluster"),
        ({"clusters": {}}, "clusters is 'dict': it must be a list"),
        ({"clusters": [{"name": 5, "cluster": {}}]}, "clusters[0] must be a mapping with name and cluster"),
        ({"contexts": [{"name": "a", "context": "b"}]}, "contexts[0].context must be a mapping"),
        ({"users": [{"name": "a", "user": {"token": 5}}]}, "users[0].user.token is of type int: it must be text"),
        (
            {"users": [{"name": "a", "user": {"as-groups": "ops"}}]},
            "users[0].user.as-groups is of type str: it must be a list of texts",
        ),
        ({"users": [{"name": "a", "user": {"exec": []}}]}, "users[0].user.exec is of type list: it must be a mapping"),
        (
            {"users": [{"name": "a", "user": {"exec": {"command": 5}}}]},
            "users[0].user.exec.command is of type int: it must be text",
        ),
        (
            {"clusters": [{"name": "a", "cluster": {"insecure-skip-tls-verify": "no"}}]},
            "clusters[0].cluster.insecure-skip-tls-verify is of type str: it must be true or false",
        ),
        ({"current-context": ["a"]}, "current-context is of type list: it must be text"),
    ],
)
def test_a_wrong_one_says_where(changes: dict[str, Any], mistake: str) -> None:
    assert mistakes(SOUND | changes) == [mistake]


def test_all_are_said_at_once_and_no_secret() -> None:
    users = [{"name": "a", "user": {"token": ["s3cret"], "password": {"s3cret": 1}}}]
    found = mistakes({"clusters": [None], "users": users})
    assert len(found) == 3
    assert "s3cret" not in "; ".join(found)
