# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of ansible-rulebook knows every key of the rulebook; molecule/schedule tries what it does on the lab."""

from __future__ import annotations

import json
from pathlib import Path

import ansible_rulebook
import jsonschema
import yaml

SCHEMA = Path(ansible_rulebook.__file__).parent / "schema" / "ruleset_schema.json"


def test_its_schema_knows_every_key(examples: Path) -> None:
    jsonschema.validate(yaml.safe_load((examples / "rulebook.yml").read_text()), json.loads(SCHEMA.read_text()))
