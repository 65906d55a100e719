# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory as a user's Ansible reads it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.modules import show
from api_server import ApiServer
from estate_routes import routes, rule, subsets

COLLECTIONS = Path(show.__file__).parents[5]
PLUGIN = "progressive.istio.canaries"
NEW = {"v1": 100, "v2": 0}
TEMPLATE = "{{ lookup('ansible.builtin.env', 'HOME') }}"


@pytest.fixture
def estate() -> Any:
    with ApiServer() as server:
        server.put("virtualservices", routes(rule(NEW, name="main")))
        server.put("virtualservices", routes(rule(NEW, host="cart"), name="cart"))
        server.put("virtualservices", routes(rule({"": 100}, host="mail"), name="mail"))
        server.put("destinationrules", subsets("v1", "v2"))
        yield server


class Inventory:
    """A folder with an inventory, and what ansible-inventory says of it."""

    def __init__(self, folder: Path, server: ApiServer) -> None:
        self.folder = folder
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ANSIBLE", "K8S_AUTH", "KUBE")) and "COLOR" not in key
        }
        own = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(folder / "home"), "COLUMNS": "9999"}
        self.environment = inherited | own | {"K8S_AUTH_HOST": server.url, "K8S_AUTH_API_KEY": "secret"}

    def write(self, **options: Any) -> None:
        (self.folder / "canaries.istio.yml").write_text(json.dumps({"plugin": PLUGIN, **options}))

    def run(self, *words: str, sources: tuple[str, ...] = ("canaries.istio.yml",)) -> tuple[str, str]:
        """What is printed, and the warnings in one line."""
        given = [word for source in sources for word in ("-i", source)]
        command = [sys.executable, "-m", "ansible.cli.inventory", *given, *words]
        return self._run(command)

    def _run(self, command: list[str]) -> tuple[str, str]:
        options = {"capture_output": True, "text": True}
        run = subprocess.run(command, cwd=self.folder, env=self.environment, check=False, **options)
        return run.stdout, " ".join(run.stderr.split())

    def play(self, plays: list[dict[str, Any]], *words: str) -> tuple[str, str]:
        (self.folder / "play.yml").write_text(json.dumps(plays))
        command = [sys.executable, "-m", "ansible.cli.playbook", "-i", "canaries.istio.yml", "play.yml"]
        return self._run([*command, *words])

    def list(self, *sources: str) -> dict[str, Any]:
        output, warnings = self.run("--list", sources=sources or ("canaries.istio.yml",))
        assert "Failed to parse" not in warnings
        return dict(json.loads(output))


@pytest.fixture
def inventory(tmp_path: Path, estate: ApiServer) -> Inventory:
    found = Inventory(tmp_path, estate)
    found.write()
    return found


def test_the_graph(inventory):
    graph, _warnings = inventory.run("--graph")
    assert (
        graph
        == """@all:
  |--@ungrouped:
  |--@canaries:
  |  |--cart.shop
  |  |--checkout.shop
  |--@candidates:
  |  |--mail.shop
  |--@namespace_shop:
  |  |--cart.shop
  |  |--checkout.shop
  |  |--mail.shop
  |--@phase_none:
  |  |--cart.shop
  |  |--checkout.shop
"""
    )


def test_it_can_be_kept_as_a_file_and_says_the_same(inventory):
    kept, _warnings = inventory.run("--list", "--yaml")
    (inventory.folder / "kept.yml").write_text(kept)
    assert inventory.list("kept.yml") == inventory.list()
    assert yaml.safe_load(kept)["all"]["children"]["canaries"]["hosts"]["checkout.shop"]["canary_version"] == "v2"


def test_hosts_are_local(inventory):
    found = inventory.list()["_meta"]["hostvars"]["mail.shop"]
    assert (found["ansible_connection"], found["ansible_python_interpreter"]) == (
        "local",
        "{{ ansible_playbook_python }}",
    )


def test_what_is_written_overrides_single_settings(inventory):
    hosts = {"checkout.shop": {"canary_version": "v9", "canary_steps": [50, 100]}}
    (inventory.folder / "overrides.yml").write_text(json.dumps({"canaries": {"hosts": hosts}}))
    for kind, name, settings in (
        ("host", "cart.shop", {"canary_routes": ["other"]}),
        ("group", "namespace_shop", {"canary_interval": 600}),
    ):
        folder = inventory.folder / f"{kind}_vars"
        folder.mkdir()
        (folder / f"{name}.yml").write_text(json.dumps(settings))
    found = inventory.list("canaries.istio.yml", "overrides.yml")
    checkout, cart = (found["_meta"]["hostvars"][name] for name in ("checkout.shop", "cart.shop"))
    assert (checkout["canary_version"], checkout["canary_steps"], checkout["canary_interval"]) == ("v9", [50, 100], 600)
    assert checkout["canary_stable_version"] == "v1"
    assert (cart["canary_routes"], cart["canary_version"], cart["canary_interval"]) == (["other"], "v2", 600)


def test_groups_and_variables_of_the_users_own(inventory):
    inventory.write(
        candidates=False,
        compose={"canary_interval": "300 if canary_service == 'cart' else 60"},
        groups={"fresh": "canary_found.phase == 'none'"},
        keyed_groups=[{"prefix": "team", "key": "canary_found.labels.team"}, {"key": "canary_app"}],
        leading_separator=False,
    )
    found = inventory.list()
    assert found["fresh"]["hosts"] == found["team_pay"]["hosts"] == ["cart.shop", "checkout.shop"]
    assert found["cart"]["hosts"] == ["cart.shop"]
    interval = found["_meta"]["hostvars"]["cart.shop"]["canary_interval"]
    assert int(interval) == 300  # text before ansible-core 2.19
    assert "candidates" not in found


def test_strict(inventory):
    inventory.write(compose={"canary_interval": "nothing.there"})
    assert inventory.list()["canaries"]["hosts"] == ["cart.shop", "checkout.shop"]
    inventory.write(compose={"canary_interval": "nothing.there"}, strict=True)
    _output, warnings = inventory.run("--list")
    assert "Could not set canary_interval for host" in warnings


def test_the_cache_is_of_the_same_configuration(inventory, estate):
    settings = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(inventory.folder / "cache")}
    inventory.environment["ANSIBLE_CACHE_PLUGIN"] = "memory"
    inventory.write(**settings)
    first = inventory.list()
    asked = len(estate.requests)
    assert inventory.list() == first
    assert len(estate.requests) == asked
    inventory.write(**settings, namespaces=["shop"])
    assert inventory.list() == first
    assert len(estate.requests) == asked + 2
    inventory.play([{"hosts": "none"}], "--flush-cache")
    assert len(estate.requests) == asked + 4


def test_texts_of_the_cluster_are_no_templates(inventory, estate):
    estate.put("virtualservices", routes(rule({TEMPLATE: 100, "v2": 0})))
    output, _warnings = inventory.run("--host", "checkout.shop")
    assert TEMPLATE in output
    task = {"ansible.builtin.debug": {"msg": "version {{ canary_stable_version }}"}}
    output, _warnings = inventory.play([{"hosts": "checkout.shop", "gather_facts": False, "tasks": [task]}])
    assert f"version {TEMPLATE}" in output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"api_key": "secret"}, "api_key is not an option of the plugin, which has kubeconfig, context"),
        ({"connections": [{"contxt": "eu"}]}, "contxt"),
        ({"context": "eu"}, "lists nothing, for it cannot list the services of eu: context eu is not used"),
    ],
)
def test_what_fails_is_one_sentence_and_no_playbook_runs_for_localhost(inventory, options, sentence):
    inventory.write(**options)
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"var": "groups"}}]}]
    output, warnings = inventory.play(play)
    assert sentence in warnings
    assert "Traceback" not in warnings
    assert '"canaries": []' in output, "without the group, playbooks run for localhost"


def test_a_cluster_that_cannot_be_read_is_left_out_on_request(inventory):
    inventory.write(skip_unreachable=True, connections=[{}, {"name": "asia", "context": "none"}])
    output, warnings = inventory.run("--graph")
    assert "checkout.shop@" in output
    assert "left out: the services of asia: context none is not used" in warnings


def test_clusters_that_cannot_be_told_apart_are_refused(inventory, estate):
    config = {
        "current-context": "admin",
        "contexts": [{"name": "admin", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": estate.url}}],
    }
    for name in ("one", "two"):
        (inventory.folder / name).write_text(json.dumps(config))
    inventory.environment.pop("K8S_AUTH_HOST")
    inventory.environment.pop("K8S_AUTH_API_KEY")
    inventory.write(connections=[{"kubeconfig": "one"}, {"kubeconfig": "two"}])
    _output, warnings = inventory.run("--graph")
    assert "two clusters have a service cart.shop@admin" in warnings
    inventory.write(connections=[{"kubeconfig": "one"}, {"kubeconfig": "two", "name": "two"}])
    output, _warnings = inventory.run("--graph")
    assert "cart.shop@admin" in output
    assert "cart.shop@two" in output


def test_other_file_names_are_not_for_it(inventory):
    (inventory.folder / "canaries.yml").write_text(json.dumps({"plugin": PLUGIN}))
    _output, warnings = inventory.run("--graph", sources=("canaries.yml",))
    assert "could not be verified by inventory plugin" in warnings
