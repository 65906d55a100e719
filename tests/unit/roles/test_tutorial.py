# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of the tutorial's service is assumed for another one, by whichever setting it is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
OWN = ("image", "container_port", "ping_path", "ping_answer", "version_path", "versions")
# Hosts, and the setting by which each is another service than the tutorial's.
HOSTS: dict[str, dict[str, str]] = {
    "tutorial": {"canary_namespace": "team", "canary_stable_version": "v2", "canary_version": "v3"},
    "application": {"canary_app": "checkout"},
    "service": {"canary_service": "checkout"},
    "route": {"canary_virtual_service": "checkout-routes"},
}


def test_only_the_tutorial_has_its_values(tmp_path: Path) -> None:
    settings = ", ".join(f"'{name}': canary_{name}" for name in OWN if name != "container_port")
    settings += ", 'container_port': canary_container_port | int"  # text before ansible-core 2.19
    more = "'shows_split': __canary_shows_split | bool, 'made_route': __canary_made_route"
    role = {"name": "progressive.istio.canary", "tasks_from": "check", "public": True}
    copy = {
        "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}",
        "content": f"{{{{ {{{settings}, {more}}} | to_json }}}}",
    }
    tasks = [{"ansible.builtin.include_role": role}, {"ansible.builtin.copy": copy}]
    play = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}
    play["vars"] = {"ansible_python_interpreter": sys.executable}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": HOSTS}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", f"{tmp_path}/hosts.json"]
    done = subprocess.run([*command, f"{tmp_path}/play.yml"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, Any]] = {name: json.loads((tmp_path / name).read_text()) for name in HOSTS}
    tutorial = found.pop("tutorial")
    assert tutorial.pop("image").startswith("ghcr.io/s1ntaxe770r/pong:")
    assert tutorial == {
        "container_port": 8080,
        "ping_path": "/ping",
        "ping_answer": "pong",
        "version_path": "/version",
        "versions": {"v1": {"deployment": "pong-server-deployment"}},
        "shows_split": True,
        "made_route": "primary",
    }
    nothing = {"container_port": 0, "versions": {}, "shows_split": False, "made_route": "primary"}
    for name, values in found.items():
        assert values == {**dict.fromkeys(OWN, ""), **nothing}, name
