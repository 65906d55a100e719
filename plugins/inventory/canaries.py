# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory plugin `canaries`: the services of clusters whose routes tell versions apart."""

from __future__ import annotations

DOCUMENTATION = r"""
name: canaries
short_description: The services of a cluster that canaries can be made of
version_added: 1.1.0
author: progressive.istio contributors (@progressive-istio)
description:
  - Lists every service for which a route of a VirtualService names two or more versions, each a subset or a
    Service of its own, as a host of the group C(canaries), on which the playbooks of this collection run. Its host
    variables are all the settings that the playbooks need to find it, so none is left to give.
  - A service for which a release lacks something, such as a second version in the route, is a host of the group
    C(candidates). No playbook moves it unless it is asked to by C(-e canary_hosts=candidates). What it lacks is in
    C(canary_found.why).
  - A host has the name C(SERVICE.NAMESPACE), or C(VIRTUALSERVICE.NAMESPACE) where each version is a Service. Where
    several VirtualServices route a service, their names follow. The hosts of several clusters end in C(@CLUSTER).
  - Hosts are also in groups C(namespace_NAMESPACE) and, where clusters have names, C(cluster_CLUSTER). Those of
    C(canaries) are in C(phase_PHASE) too, with the phase of M(progressive.istio.canary_info). Other characters than
    letters and digits become underscores.
  - The stable version and the canary are those of the release. Once it is over and one of them has left the route, they
    are the version that has the requests and the one that is new in the route. Without a release, the first
    destination of the route is the stable version.
  - C(advance.yml) begins a release of a canary that has no requests yet. To continue only what has been begun, run it
    with C(--limit '!phase_none').
  - What a later inventory source, C(host_vars) or C(-e) says of a host has precedence over the variables found here.
    Settings that are not found here, such as C(canary_steps), can be set by C(group_vars) too.
  - The file name must end in C(istio.yml) or C(istio.yaml), such as C(canaries.istio.yml).
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [progressive.istio.canaries]
  kubeconfig:
    description:
      - Path of a kubeconfig, relative to the folder of this file. The hosts get it as C(canary_kubeconfig).
      - Without it, what the E(K8S_AUTH_KUBECONFIG) variable names, else as for the modules of this collection.
    type: str
  context:
    description:
      - Context of the kubeconfig. Without it, that of the E(K8S_AUTH_CONTEXT) variable, else the current one. The hosts
        get it as C(canary_context).
    type: str
  namespaces:
    description:
      - Namespaces whose VirtualServices and DestinationRules are read, by two requests each. The right to list them
        there is enough then. Without it, all namespaces are read.
    type: list
    elements: str
  label_selectors:
    description: Label selectors that VirtualServices must match, all of them.
    type: list
    elements: str
  connections:
    description:
      - The clusters, if there are several. What a connection does not say is taken from the options of the same name
        beside it. All clusters are read at the same time.
      - Without it, there is one cluster.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the cluster in the names of hosts and groups. The default is its context, and no name in those
            of hosts if it is the only cluster.
          - Give one if several files of this plugin are used together.
        type: str
      kubeconfig:
        description: See O(kubeconfig).
        type: str
      context:
        description: See O(context).
        type: str
      namespaces:
        description: See O(namespaces).
        type: list
        elements: str
      label_selectors:
        description: See O(label_selectors).
        type: list
        elements: str
  candidates:
    description: Whether to list the services of the group C(candidates).
    type: bool
    default: true
  skip_unreachable:
    description:
      - Whether a cluster that cannot be read is left out with a warning.
      - By default nothing of this file is listed then, so that no part of an estate is taken for all of it. Ansible
        warns of that and continues with its other sources, unless E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) is set.
        If no other source has canaries, the playbooks of this collection fail then, for the group C(canaries) is empty.
    type: bool
    default: false
extends_documentation_fragment:
  - constructed
  - inventory_cache
notes:
  - Playbooks find the cluster in the same way as this plugin, so other ways to log in are variables of the environment
    such as E(K8S_AUTH_HOST), E(K8S_AUTH_API_KEY) and E(K8S_AUTH_SSL_CA_CERT), as for the modules of this collection.
  - The only rights that it needs are those to list VirtualServices and DestinationRules.
  - C(canary_found) holds the phase, the weights, the labels of the VirtualService and the cluster at the time of the
    read, for O(groups), O(keyed_groups) and O(compose). No playbook reads it.
  - With O(cache) the versions and phases are those of the time of the read. A step is refused if they no longer fit.
requirements:
  - Python library C(kubernetes), in Ansible's own Python.
"""

EXAMPLES = r"""
# fmt: code
# canaries.istio.yml: the cluster of the environment. This line is all that is needed.
#   ansible-inventory -i canaries.istio.yml --graph
#   ansible-playbook -i canaries.istio.yml progressive.istio.status
plugin: progressive.istio.canaries

---
# shop.istio.yml: two namespaces, and only what their team has marked. `list` in these namespaces is enough.
plugin: progressive.istio.canaries
namespaces: [shop, payments]
label_selectors: [release=canary]

---
# estate.istio.yml: several clusters. The hosts are checkout.shop@europe, checkout.shop@asia and so on.
plugin: progressive.istio.canaries
connections:
  - name: europe
    context: gke_shop_europe-west1_main
  - name: asia
    kubeconfig: ~/.kube/asia
    namespaces: [shop]
# One cluster that does not answer does not keep the others.
skip_unreachable: true

---
# teams.istio.yml: settings and groups from what was found.
plugin: progressive.istio.canaries
compose:
  canary_interval: 600 if canary_namespace == 'payments' else 120
groups:
  moving: canary_found.phase in ['progressing', 'paused', 'held']
keyed_groups:
  - prefix: team
    key: canary_found.labels.team | default('unknown')
"""

from collections.abc import Mapping
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._estate.connections import (
    ARGUMENTS,
    InvalidOptions,
    InventoryOptions,
    options_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._estate.hosts import CANARIES, CANDIDATES
from ansible_collections.progressive.istio.plugins.module_utils._estate.reader import read_all

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 every text is a template, unless it is marked as unsafe

    def trust_as_template(value: str) -> str:
        return value


LOCAL = {
    "ansible_connection": trust_as_template("local"),
    "ansible_python_interpreter": trust_as_template("{{ ansible_playbook_python }}"),
}
TEMPLATES = ("{{", "{%", "{#")
Host = dict[str, Any]


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]  # Ansible is not typed
    """Read by Ansible."""

    NAME = "progressive.istio.canaries"

    def verify_file(self, path: str) -> bool:
        """Whether the file may be one for this plugin."""
        return bool(super().verify_file(path)) and path.endswith(("istio.yml", "istio.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the services to the inventory."""
        super().parse(inventory, loader, path, cache)
        inventory.add_group(CANARIES)  # also where this fails: without the group, playbooks would run for localhost
        config = self._read_config_data(path)
        try:
            asked = self._asked(config, path)
        except InvalidOptions as invalid:
            raise AnsibleParserError(f"{path}: {invalid}") from invalid
        found = self._hosts(asked, dumps(config, sort_keys=True, default=str), path, cache)
        hosts = [host for host in found if asked.candidates or CANDIDATES not in host["groups"]]
        for group in sorted({name for host in hosts for name in host["groups"]}):  # the order of --graph
            inventory.add_group(group)
        for host in hosts:
            self._add(host)

    def _asked(self, config: Mapping[str, Any], path: str) -> InventoryOptions:
        known = C.config.get_configuration_definitions("inventory", self._load_name)
        unknown = sorted(str(name) for name in config.keys() - known.keys())
        if unknown:
            hint = "log in by variables of the environment such as K8S_AUTH_API_KEY"
            own = ", ".join(ARGUMENTS)
            raise InvalidOptions(f"{', '.join(unknown)} is not an option of the plugin, which has {own}; {hint}")
        return options_of({name: config[name] for name in ARGUMENTS if name in config}, Path(path).absolute().parent)

    def _hosts(self, asked: InventoryOptions, config: str, path: str, cache: bool) -> list[Host]:
        """From the cache if it has those of the same configuration, else from the clusters."""
        caches, key = self.get_option("cache"), self.get_cache_key(path)
        if caches and cache:
            try:
                cached = self._cache[key]
                if cached["config"] == config:
                    return list(cached["hosts"])
            except KeyError:
                pass
        hosts = self._read(asked, path)
        if caches:
            self._cache[key] = {"config": config, "hosts": hosts}
        return hosts

    def _read(self, asked: InventoryOptions, path: str) -> list[Host]:
        estates = read_all(asked.connections)
        errors = [f"the services of {each.place.name or 'the cluster'}: {each.error}" for each in estates if each.error]
        if errors and not asked.skip_unreachable:
            raise AnsibleParserError(f"{path} lists nothing, for it cannot list {'; '.join(map(printable, errors))}")
        for warning in [f"left out: {error}" for error in errors] + [
            text for each in estates for text in each.warnings
        ]:
            self.display.warning(printable(f"{path}: {warning}"))
        return [asdict(host) for each in estates for host in each.hosts]

    def _add(self, host: Host) -> None:
        name, variables = host["name"], {key: _inert(value) for key, value in host["variables"].items()}
        self._require_same_cluster(name, variables)
        self.inventory.add_host(name)
        for group in host["groups"]:
            self.inventory.add_child(group, name)
        for key, value in (LOCAL | variables).items():
            self.inventory.set_variable(name, key, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)

    def _require_same_cluster(self, name: str, variables: Mapping[str, Any]) -> None:
        """A host that another cluster has too would get the settings of both."""
        other = self.inventory.hosts.get(name)
        if other and "canary_found" in other.vars:
            places = [
                [each.get(f"canary_{part}", "") for part in ("context", "kubeconfig")]
                for each in (other.vars, variables)
            ]
            if places[0] != places[1]:
                raise AnsibleParserError(
                    f"two clusters have a service {name}, in contexts {places[0][0]} and {places[1][0]}: "
                    "distinguish them by the `name` of their `connections`"
                )


def _inert(value: Any) -> Any:
    """A value from a cluster that is no template, whoever wrote it.

    A text without a mark of one can be trusted, and is printed as it is by `ansible-inventory --list` then.
    """
    if isinstance(value, Mapping):
        return {key: _inert(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_inert(each) for each in value]
    if not isinstance(value, str):
        return value
    return wrap_var(value) if any(mark in value for mark in TEMPLATES) else trust_as_template(value)
