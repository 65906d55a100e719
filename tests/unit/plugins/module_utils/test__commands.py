# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shlex

from ansible_collections.progressive.istio.plugins.module_utils._commands import add, delete, on, patch, replace

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
    both = f"{delete('DestinationRule', PONG)} && {delete('VirtualService', PONG)}"
    assert on(["--context", "my cluster"], both) == (
        "kubectl --context 'my cluster' delete destinationrule -n shop pong && "
        "kubectl --context 'my cluster' delete virtualservice -n shop pong"
    )
    assert on([], both) == both
    assert on(["--context", "x"], "ansible-playbook progressive.istio.promote") == (
        "ansible-playbook progressive.istio.promote"
    )
