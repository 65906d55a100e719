# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release that has stopped goes on, in the words of who asked."""

from __future__ import annotations

import inspect
import shlex

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.hints import Hints
from printed import assert_harmless

WHERE = "-i 'all hosts.yml' --limit checkout -e canary_stable_version=blue -e canary_version=green"
ARGUMENTS = {"weighted": (30,), "superseding": ("green",)}
KINDS = [name for name, _function in inspect.getmembers(Hints, inspect.isfunction) if not name.startswith("_")]


def said(hints: Hints, kind: str) -> str:
    return str(getattr(hints, kind)(*ARGUMENTS.get(kind, ())))


@pytest.mark.parametrize("kind", KINDS)
def test_a_playbook_is_given_one_whole_command(kind: str) -> None:
    before, found, command = said(Hints(WHERE, "canary", ("-e weight=30",)), kind).partition("ansible-playbook ")
    assert found, before
    assert "ansible-playbook" not in command
    assert ": true" not in before
    assert "state:" not in before
    words = shlex.split(command)
    assert words[0].startswith("progressive.istio.")
    assert words[1:5] == ["-i", "all hosts.yml", "--limit", "checkout"]
    assert words[5:9] == ["-e", "canary_stable_version=blue", "-e", "canary_version=green"]
    assert_harmless(f"ansible-playbook {command}", set())


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_given_options_of_the_module(kind: str) -> None:
    sentence = said(Hints(), kind)
    assert "ansible-playbook" not in sentence
    assert "canary_" not in sentence
    assert any(option in sentence for option in ("confirm: true", "adopt: true", "force: true", "state: ")), sentence


def test_what_was_asked_is_asked_again_with_the_confirmation() -> None:
    share = Hints(WHERE, "canary", ("-e weight=30",))
    assert share.left_before().endswith(f"progressive.istio.canary {WHERE} -e weight=30 -e canary_confirm=true")
    assert (
        Hints("", "advance").paused() == "continue: ansible-playbook progressive.istio.advance -e canary_confirm=true"
    )
