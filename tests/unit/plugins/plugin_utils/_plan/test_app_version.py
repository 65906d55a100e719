# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new Deployment gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

FILE = Path(__file__).parents[3] / "roles" / "app_version" / "vars" / "main.yml"


def templated(name: str, **variables: Any) -> Any:
    text = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text[name]))


@pytest.mark.parametrize(
    ("value", "text"),
    [("v2", "v2"), ('say "hi"', 'say "hi"'), (True, "true"), (False, "false"), (0.5, "0.5"), (7, "7"), ("7", "7")],
)
def test_the_environment_is_text_as_yaml_has_it(value: object, text: str) -> None:
    found = templated("__app_version_environment", app_version_env={"NAME": value})
    assert found == [{"name": "NAME", "value": text}]


def sleeps(version: str, *deployments: dict[str, Any]) -> bool:
    text = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    objects = {"found": {"kubernetes": {"resources": [{"version": version}]}}}
    present = trust_as_template(text["__app_version_present"])
    found = {"__app_version_deployments": list(deployments), "__app_version_present": present}
    return bool(templated("__app_version_sleeps", __app_version_objects=objects, **found))


def deployment(**container: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "pong", **container}]}}}}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1.27.16", False),
        ("v1.29.9-eks-a737599", False),
        ("v1.30.0", True),
        ("v1.31.4+k3s1", True),
        ("v1.100.1-gke.12", True),
    ],
)
def test_a_new_pod_sleeps_before_it_stops_where_the_server_knows_how(version: str, expected: bool) -> None:
    assert sleeps(version) is expected


def test_what_is_there_keeps_what_it_has() -> None:
    assert sleeps("", deployment(lifecycle={"preStop": {"sleep": {"seconds": 5}}}))
    assert not sleeps("v1.34.1", deployment())
