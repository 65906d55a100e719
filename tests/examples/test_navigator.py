# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-navigator takes the settings, and its own schema finds every key known."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import yaml
from programs import Program


def test_its_schema_knows_every_key(examples: Path, program: Program) -> None:
    schema = json.loads(
        program("ansible-navigator", "settings", "--schema", "json", "--mode", "stdout", "--ee", "false")
    )
    jsonschema.validate(yaml.safe_load((examples / "ansible-navigator.yml").read_text()), schema)


def test_it_takes_the_settings(examples: Path, program: Program, tmp_path: Path) -> None:
    """It asks whether what it is to mount is there, so this machine's folder stands in for the server's."""
    settings = tmp_path / "ansible-navigator.yml"
    settings.write_text((examples / "ansible-navigator.yml").read_text().replace("/etc/canaries", str(tmp_path)))
    said = program("ansible-navigator", "settings", "--effective", "--mode", "stdout", "--ee", "false", NO_COLOR="1")
    effective = yaml.safe_load(said)["ansible-navigator"]
    wanted = yaml.safe_load(settings.read_text())["ansible-navigator"]
    for name, value in wanted["execution-environment"].items():
        assert effective["execution-environment"][name] == value, name
    assert effective["playbook-artifact"]["enable"] is False
