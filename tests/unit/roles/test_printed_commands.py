# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles and documents tell people to run: of this service, and nothing that takes others with it."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from printed import assert_harmless

ROOT = Path(__file__).parents[3]
CANARY = ROOT / "roles" / "canary"
TEXTS = [
    path
    for pattern in ("README.md", "docs/**/*.md", "docs/**/*.yml", "roles/**/*.md", "roles/**/*.yml", "playbooks/*.yml")
    for path in sorted(ROOT.glob(pattern))
]
# Whole programs that only these make; their commands are in _k8s/kubectl.py, or open a port of this machine.
DOCUMENTED = ("DOCUMENTATION", "EXAMPLES", "RETURN")
MAKERS = {"kubectl.py", "kiali_graph_info.py", "objects.py", "page.py"}


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_what_is_left_out_of_a_command_is_the_default() -> None:
    usual, defaults = load(CANARY / "vars/main.yml")["__canary_usual"], load(CANARY / "defaults/main.yml")
    assert usual == {name: defaults[name] for name in usual}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the role prints to be run next, for the options of a play."""
    folder = tmp_path_factory.mktemp("play")
    names = ["__canary_again", "__canary_next", "__canary_next_finished"]
    role = {"name": "progressive.istio.canary", "tasks_from": "check", "public": True}
    tasks = [
        {"ansible.builtin.include_role": role},
        {"ansible.builtin.copy": {"dest": str(folder / "told"), "content": "{{ told | to_json }}"}},
    ]
    told = {name: f"{{{{ {name} }}}}" for name in names}
    known = {"canary_ingress": {"url": "http://x"}, "__canary_headers": {}, "told": told}
    play = {"gather_facts": False, "connection": "local", "tasks": tasks}
    play["vars"] = {**known, "ansible_python_interpreter": sys.executable}

    def run(*options: str, host: str = "localhost") -> dict[str, Any]:
        (folder / "play.yml").write_text(json.dumps([{"hosts": host, **play}]))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(folder / "play.yml"), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads((folder / "told").read_text())
        return found

    return run


def test_the_tutorial_is_found_without_options(printed: Any) -> None:
    told = printed()
    assert told["__canary_again"] == ""
    assert told["__canary_next"][2].endswith("ansible-playbook progressive.istio.rollback")
    assert "progressive.istio.site -e canary_stable_version=v2" in told["__canary_next_finished"][2]


def test_another_service_is_named_in_each_command(printed: Any) -> None:
    settings = {"canary_namespace": "shop", "canary_app": "checkout", "canary_version_path": "/it's"}
    credentials = {"canary_kubeconfig": {"users": [{"user": {"token": "secret"}}]}}
    told = printed("-e", json.dumps(settings | credentials))
    assert "secret" not in json.dumps(told)
    for line in [*told["__canary_next"][1:], *told["__canary_next_finished"][1:]]:
        words = shlex.split(line.partition("ansible-playbook ")[2])
        assert json.loads(words[words.index("-e") + 1]) == settings, line
        assert words[0] != "progressive.istio.site", "it was not made by it"


def test_a_host_of_an_inventory_is_named_in_each_command(printed: Any, tmp_path: Path) -> None:
    hosts = tmp_path / "all hosts.yml"
    hosts.write_text(
        "all: {hosts: {checkout: {canary_namespace: shop, canary_stable_version: blue, canary_version: green}}}"
    )
    told = printed("-i", str(hosts), "--limit", "checkout", host="checkout")
    versions = ["-e", "canary_stable_version=blue", "-e", "canary_version=green"]
    assert shlex.split(told["__canary_again"]) == ["-i", str(hosts), "--limit", "checkout", *versions]
    release = told["__canary_next_finished"][2]
    assert release.count("canary_stable_version") == release.count("canary_version") == 1, release


def commands_of(text: str) -> list[str]:
    """The commands of kubectl and istioctl in a text, each with the lines that it goes on in."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [match.group(0) for match in re.finditer(r"\b(?:kubectl|istioctl) [a-z][^\n`]*", joined)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_tells_to_take_others_along(path: Path) -> None:
    for command in commands_of(path.read_text(encoding="utf-8")):
        words = command.split()
        assert "--all" not in words, command
        assert "--purge" not in words, f"it removes the Istio of everybody: {command}"
        assert not ("restart" in words and not re.search(r"deployment[s/ ]+-?\S", command)), command
        if "delete" in words:
            ours = "app.kubernetes.io/managed-by=progressive.istio" in command
            orphans = "--cascade=orphan" in command  # an object of another tool, without what it owns
            assert ours or orphans or "progressive-istio" in command or "-f docs/" in command, command


def strings_of(path: Path) -> list[str]:
    """What a program may print: its strings, without its documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = {
        id(part)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (
            isinstance(node, ast.Assign)
            and getattr(node.targets[0], "id", "") in ("DOCUMENTATION", "EXAMPLES", "RETURN")
        )
        for part in ast.walk(node)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda path: path.name)
def test_all_commands_are_made_in_one_place(path: Path) -> None:
    if path.name not in MAKERS:
        for text in strings_of(path):
            assert not re.search(r"\b(kubectl|istioctl|ansible-playbook)( |$)", text), text


def test_the_judge_of_commands_can_say_no() -> None:
    own = {("deployment", "shop", "checkout")}
    assert assert_harmless("kubectl rollout restart deployment -n shop checkout", own) == "rollout restart"
    for command in (
        "kubectl rollout restart deployment -n shop",
        "kubectl rollout restart deployment -n shop checkout other",
        "kubectl rollout restart deployment -n team checkout",
        "kubectl delete pod -n shop checkout",
        "kubectl get pods -n shop && kubectl delete pod -n shop checkout",
        "kubectl scale deployment -n shop checkout --replicas=0 --all",
        "kubectl patch deployment -n shop -l app=x -p {}",
        "kubectl label namespace shop istio-injection=enabled",
        "ansible-playbook progressive.istio.site -e a=b",
        "ansible-playbook progressive.istio.rollback",
        "sh -c x",
    ):
        with pytest.raises(AssertionError):
            assert_harmless(command, own)
