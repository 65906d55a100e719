# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route that proxies have lost is told, with their names, and one that they never had is not."""

from __future__ import annotations

import json

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import rules_of
from ansible_collections.progressive.istio.plugins.module_utils._watch.rule_presence import LOST, RulePresence
from loopback_mesh import Envoy
from pong_mesh import virtual_service
from rule_ids import http

ONE, TWO = (Proxy("gateway", "gateways", name, name) for name in ("one", "two"))
WITH = Envoy("one", 80, 20).routes("")
WITHOUT = json.dumps({"configs": []}).encode()


def lost(*answers: dict[Proxy, bytes]) -> str:
    presence = RulePresence(rules_of(virtual_service(80, 20), http(1)))
    for answer in answers:
        presence.add(answer)
    return presence.lost(answers[-1])


@pytest.mark.parametrize(
    ("answers", "names"),
    [
        ([{ONE: WITH, TWO: WITH}] * 4, ""),
        ([{ONE: WITH, TWO: WITH}, *[{ONE: WITHOUT, TWO: WITH}] * LOST], "gateway gateways/one"),
        (
            [{ONE: WITH, TWO: WITH}, *[{ONE: WITHOUT, TWO: WITHOUT}] * LOST],
            "gateway gateways/one, gateway gateways/two",
        ),
        ([{ONE: WITH}, *[{ONE: WITHOUT}] * (LOST - 1)], ""),  # for a moment
        ([{ONE: WITH}, {ONE: WITHOUT}, {ONE: WITH}, {ONE: WITHOUT}], ""),
        ([{ONE: WITHOUT}] * 4, ""),  # a sidecar that never had it
        ([{ONE: WITH}, *[{ONE: WITHOUT}] * LOST, {TWO: WITH}], ""),  # it went
        ([{ONE: WITH}, *[{ONE: b"no JSON"}] * 4], ""),
    ],
)
def test_which_proxies_have_lost_the_rule(answers: list[dict[Proxy, bytes]], names: str) -> None:
    assert lost(*answers) == (f"shop/pong has no route any more in {names}" if names else "")


def test_which_rule_of_several_is_lost() -> None:
    moved = virtual_service(80, 20)
    moved["spec"]["http"].append({**moved["spec"]["http"][1], "name": "beta"})
    beta = json.loads(WITH)
    for host in beta["configs"][0]["route_config"]["virtual_hosts"]:
        host["routes"] += [{**route, "name": "beta"} for route in host["routes"] if route["name"] == "primary"]
    presence = RulePresence(rules_of(moved, http(1, 2)))
    for answer in (json.dumps(beta).encode(), *[WITH] * LOST):
        presence.add({ONE: answer})
    assert presence.lost([ONE]) == "HTTP route beta of shop/pong has no route any more in gateway gateways/one"
