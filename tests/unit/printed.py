# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a printed command may do: show something, or change one object that is the service's own."""

from __future__ import annotations

import shlex
from collections.abc import Collection

Name = tuple[str, str, str]  # what kubectl calls the kind, the namespace, the name

READS = {"get", "describe", "logs", "port-forward"}
CHANGES = {"patch", "scale", "annotate", "rollout restart", "rollout undo"}
PLAYBOOKS = {f"progressive.istio.{name}" for name in ("advance", "canary", "status", "rollback")}
VALUED = {"-n", "--type", "-p", "-l", "-c", "-o", "--context", "--kubeconfig"}  # options with a word of their own
SHELL = frozenset("();<>|&")


def assert_harmless(command: str, own: Collection[Name]) -> str:
    """What the command does: a verb of those above, or the name of a playbook."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    operators = [word for word in lexer if word and set(word) <= SHELL]
    assert not operators, f"more than one command: {command}"
    program, *words = shlex.split(command)
    if program == "ansible-playbook":
        assert words[0] in PLAYBOOKS, command
        assert len(words) > 1, f"it does not say of which service: {command}"
        return words[0]
    assert program == "kubectl", command
    plain, options = _parted(words)
    verb = " ".join(plain[:2]) if plain[0] == "rollout" else plain[0]
    if verb in READS:
        return verb
    assert verb in CHANGES, command
    named = plain[len(verb.split()) :]
    assert len(named) == (3 if verb == "annotate" else 2), f"not one object: {command}"
    assert not options.keys() - {"-n", "--type", "-p", "--context", "--kubeconfig"}, command
    assert (named[0], options["-n"], named[1]) in own, f"an object of others: {command}"
    return verb


def _parted(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word in VALUED:
            options[word] = next(rest)
        elif word.startswith("--replicas="):
            continue
        elif word.startswith("-"):
            options[word] = ""
        else:
            plain.append(word)
    return plain, options
