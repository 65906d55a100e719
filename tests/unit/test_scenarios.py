# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule passes over an action whose playbook or tests are missing; here that is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

SCENARIOS = sorted((Path(__file__).parents[2] / "molecule").glob("*/molecule.yml"))
PLAYBOOKS = {"idempotence": "converge.yml"}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.parent.name)
def test_every_action_has_what_it_runs(scenario: Path) -> None:
    sequence = yaml.safe_load(scenario.read_text())["scenario"]["test_sequence"]
    assert sequence
    for action in sequence:
        name, *arguments = action.split()
        if name == "verify":
            for folder in arguments or ["tests"]:
                assert list((scenario.parent / folder).glob("test_*.py")), f"{action} finds no test"
        else:
            for playbook in arguments or [PLAYBOOKS.get(name, f"{name}.yml")]:
                assert (scenario.parent / playbook).exists(), f"{action} finds no playbook"
            # Molecule looks for this one even when it is told to run another.
            assert name != "side_effect" or (scenario.parent / "side_effect.yml").exists()
