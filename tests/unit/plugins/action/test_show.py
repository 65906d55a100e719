# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `show` prints, in a process of its own as a user's Ansible is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.progressive.istio.plugins.modules import show

COLLECTIONS = Path(show.__file__).parents[5]
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - progressive.istio.show:
        lines: [{text: 'a "quoted" line'}, {text: "  all is well", tone: ok}, {text: "a\\x1b[2J\\nforged"}]
    - progressive.istio.show:
        lines: [{text: x, tone: blue}]
      ignore_errors: true
"""


def run(folder: Path, terminal: bool = False, **environment: str) -> str:
    (folder / "play.yml").write_text(PLAY)
    command = [sys.executable, "-m", "ansible.cli.playbook", "play.yml"]
    inherited = {
        key: value for key, value in os.environ.items() if "COLOR" not in key and not key.startswith("ANSIBLE")
    }
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_LOCALHOST_WARNING": "False", "TERM": "xterm"}
    settings |= {"ANSIBLE_HOME": str(folder), **environment}
    if not terminal:
        run = subprocess.run(command, cwd=folder, env=inherited | settings, capture_output=True, text=True, check=False)
        return run.stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=folder, env=inherited | settings, stdout=theirs, stderr=theirs, stdin=theirs):
        os.close(theirs)
        found = b""
        try:
            while part := os.read(ours, 4096):
                found += part
        except OSError:  # how a terminal ends
            os.close(ours)
    return found.decode()


def test_lines_are_printed_as_they_are_and_a_wrong_tone_is_refused(tmp_path: Path) -> None:
    lines = run(tmp_path).splitlines()
    assert 'a "quoted" line' in lines
    assert "  all is well" in lines
    assert r"a\x1b[2J\nforged" in lines
    assert "must be one of: ok, warning, error, command, plain" in " ".join(lines).replace("'", "")


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_on_terminals_alone(tmp_path: Path, environment: dict[str, str], coloured: bool) -> None:
    shown = run(tmp_path, terminal=True, **environment)
    assert ("\x1b[0;32m  all is well\x1b[0m" in shown) is coloured
    assert "  all is well" in shown


def test_no_line_is_mixed_into_what_programs_read(tmp_path: Path) -> None:
    shown = run(tmp_path, ANSIBLE_STDOUT_CALLBACK="ansible.posix.jsonl")
    assert "  all is well" not in [line for line in shown.splitlines() if not line.startswith("{")]
