# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/settings.md has every variable, as the roles declare it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "release"))

import settings  # noqa: E402 - needs the path


def test_it_is_up_to_date() -> None:
    assert settings.PAGE.read_text(encoding="utf-8") == settings.page(), "run: make settings"


def test_every_variable_is_on_it_once() -> None:
    text = settings.page()
    names = {name for role in ["canary", *settings.ROLES] for name in settings.options(role)} | set(settings.PLAYS)
    assert {name: text.count(f"| `{name}` |") for name in names} == dict.fromkeys(names, 1)
    assert {role.name for role in (ROOT / "roles").iterdir()} == {"canary", *settings.ROLES}


def test_variables_that_playbooks_alone_read_are_on_it() -> None:
    assert set(settings.PLAYS) == settings.played()


@pytest.mark.parametrize("role", ["canary", *settings.ROLES])
def test_the_default_that_is_shown_is_the_one_that_counts(role: str) -> None:
    """Where the specification gives none, that of the role is empty, or for the tutorial alone."""
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    shown = {name: about["default"] for name, about in settings.options(role).items() if "default" in about}
    assert {name: defaults.get(name) for name in shown} == shown
