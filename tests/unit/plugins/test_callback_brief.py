# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback `brief` prints of a play that succeeds on one host and fails on another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("play")
    tasks = [
        {"name": "Nothing to read", "ansible.builtin.set_fact": {"seen": True}},
        {"name": "Left out", "ansible.builtin.debug": {"msg": "never"}, "when": False},
        {"name": "A table", "progressive.istio.show": {"text": "one  1\ntwo  2"}, "run_once": True},
        {
            "block": [
                {"ansible.builtin.fail": {"msg": "no ready pod"}, "when": "inventory_hostname == 'cart'"},
                {"ansible.builtin.debug": {"msg": ["moved", "live"]}},
            ],
            "rescue": [{"ansible.builtin.fail": {"msg": "see the reason above"}}],
        },
    ]
    play = {"name": "Advance", "hosts": "all", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "play.yml").write_text(json.dumps([play]))
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "progressive.istio.brief", "ANSIBLE_NOCOLOR": "1"}
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", "shop,cart", folder / "play.yml"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 2, run.stdout + run.stderr
    return run.stdout.splitlines()


def test_only_what_is_to_be_read_is_printed(printed: list[str]) -> None:
    assert printed[:3] == ["Advance", "one  1", "two  2"]
    assert sorted(printed[3:-1]) == ["cart: no ready pod", "live", "moved"]
    assert printed[-1] == "2 hosts: changed=0 failed=1"
