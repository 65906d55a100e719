# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Helm gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_core import load_templates

ROLE = Path(__file__).parents[3] / "roles" / "observability"


def values(chart: str, **settings: Any) -> Any:
    variables = {**load_templates(ROLE / "defaults" / "main.yml"), **load_templates(ROLE / "vars" / "main.yml")}
    given = {**variables, "canary_cluster_domain": "cluster.local", **settings}
    return Templar(loader=DataLoader(), variables=given).template(variables[f"__observability_{chart}_values"])


def test_numbers_are_numbers_with_every_ansible_core() -> None:
    """Before 2.19 a template that is nothing but a number is text, which Kiali does not accept as port."""
    ports = {"observability_port": "9091", "observability_kiali_port": "20002"}
    assert values("prometheus", **ports)["server"]["service"] == {"type": "ClusterIP", "servicePort": 9091}
    assert values("kiali", **ports)["server"] == {"port": 20002}


def test_a_node_port_is_asked_for() -> None:
    assert values("prometheus", observability_expose="node_port")["server"]["service"]["type"] == "NodePort"
