# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How `plan` ends, in a process of its own as a user's Ansible is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from ansible_collections.progressive.istio.plugins.action import plan
from ansible_collections.progressive.istio.plugins.modules import plan as module

GATEWAY = {"name": "entry", "namespace": "shop", "selector": {"istio": "ingressgateway"}, "port": "80", "hosts": ["*"]}
RULE = {"name": "a\x1b[2J\nforged", "namespace": "shop", "host": "pong", "subsets": []}
POD = {"metadata": {"name": "bare"}, "spec": {"containers": []}}
TASKS = [
    {"progressive.istio.plan": {"of": "gateway", "given": {"found": {"resources": []}, **GATEWAY}}, "register": "made"},
    {"debug": {"msg": "port {{ made.definition.spec.servers[0].port.number }}"}},
    {
        "progressive.istio.plan": {"of": "destination_rule", "given": {"found": {"api_found": False}, **RULE}},
        "ignore_errors": True,
    },
    {"progressive.istio.plan": {"of": "sidecars", "given": {"namespace": "shop", "pods": [POD]}}},
]


def test_what_is_documented_can_be_planned() -> None:
    assert yaml.safe_load(module.DOCUMENTATION)["options"]["of"]["choices"] == [*plan.CHECKS, *plan.PLANS]


def test_a_plan_is_a_result_and_what_stands_against_it_a_failure_in_one_sentence(tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": TASKS}]))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(play)]
    path = {"ANSIBLE_COLLECTIONS_PATH": str(Path(plan.__file__).parents[5])}
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **path}, capture_output=True, text=True, check=False
    )
    shown = done.stdout + done.stderr
    assert (done.returncode, '"msg": "port 80"' in shown) == (2, True), shown
    assert r"DestinationRule shop/a\\x1b[2J\\nforged: the cluster serves no DestinationRule" in shown
    assert "these pods of namespace shop have no sidecar: bare" in shown
    assert "Traceback" not in shown
