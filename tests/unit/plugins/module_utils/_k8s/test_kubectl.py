# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.kubectl import (
    add,
    on,
    patch,
    replace,
    restart,
    scale,
)

PONG = {"metadata": {"name": "pong", "namespace": "shop"}}


def test_a_patch_is_one_word_for_the_shell() -> None:
    words = shlex.split(patch("Gateway", PONG, [replace("/spec/a", "it's"), add("/spec/b/-", 1)]))
    assert words[:5] == ["kubectl", "patch", "gateways.networking.istio.io", "-n", "shop"]
    assert words[5:9] == ["pong", "--type", "json", "-p"]
    assert json.loads(words[9]) == [
        {"op": "replace", "path": "/spec/a", "value": "it's"},
        {"op": "add", "path": "/spec/b/-", "value": 1},
    ]


def test_no_change_is_no_command() -> None:
    assert patch("Service", PONG, []) == ""


def test_every_command_is_for_the_cluster() -> None:
    command = scale(PONG, 2)
    assert on(["--context", "my cluster"], command) == (
        "kubectl --context 'my cluster' scale deployment -n shop pong --replicas=2"
    )
    assert on([], command) == command
    text = patch("Service", PONG, [add("/spec/a", "kubectl get")])
    assert on(["--context", "x"], text) == text.replace("kubectl patch", "kubectl --context x patch")
    assert on(["--context", "x"], "ansible-playbook progressive.istio.advance") == (
        "ansible-playbook progressive.istio.advance"
    )


@pytest.mark.parametrize(
    ("numbers", "tested"),
    [
        ({}, []),
        ({"resourceVersion": "7"}, [{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}]),
        (
            {"resourceVersion": "7", "generation": 3},
            [{"op": "test", "path": "/metadata/generation", "value": 3}],
        ),
    ],
)
def test_a_patch_is_for_the_object_as_it_was_seen(numbers: dict[str, Any], tested: list[dict[str, Any]]) -> None:
    """A route that has moved in the meantime is at another place of its list; leases are no change of content."""
    thing = {"metadata": {**PONG["metadata"], **numbers}}
    changes = json.loads(shlex.split(patch("VirtualService", thing, [add("/spec/http/0/name", "a")]))[-1])
    assert changes == [*tested, {"op": "add", "path": "/spec/http/0/name", "value": "a"}]


def test_names_are_one_word_for_the_shell() -> None:
    assert shlex.split(restart({"metadata": {"name": "a b; c", "namespace": "d"}}))[-3:] == ["-n", "d", "a b; c"]
