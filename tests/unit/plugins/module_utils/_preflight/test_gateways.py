# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for Gateways: each broken one is one finding."""

from __future__ import annotations

from ansible_collections.progressive.istio.plugins.module_utils._preflight import gateways
from broken_mesh import (
    HOST,
    Case,
    RuleTests,
    elsewhere,
    gateway,
    not_ready,
)

CASES: list[Case] = [
    (
        "gateway_exists",
        "error",
        "VirtualService default/pong",
        lambda w: w.virtual_services[0]["spec"].update(gateways=["other/pong-gateway"]),
        "names Gateway other/pong-gateway, which does not exist; name an existing one, if it is meant: "
        "default/pong-gateway",
    ),
    (
        "gateway_selector_matches",
        "error",
        "Gateway default/pong-gateway",
        lambda w: w.gateways[0]["spec"].update(selector={"istio": "ingress"}),
        "selects no pod of any namespace by istio=ingress; ",
    ),
    (
        "gateway_selector_matches",
        "error",
        "Gateway default/pong-gateway",
        lambda w: not_ready(w.proxies[0]),
        "selects 1 pod by istio=ingressgateway, and none is ready; see why: "
        "kubectl describe pods -n istio-system -l istio=ingressgateway",
    ),
    (
        "gateway_selector_matches",
        "error",
        "Gateway default/pong-gateway",
        lambda w: w.proxies[0]["metadata"].update(deletionTimestamp="now"),
        "selects no pod of any namespace by istio=ingressgateway; ",
    ),
    (
        "gateway_port_served",
        "warning",
        "Gateway default/pong-gateway",
        lambda w: w.gateways[0]["spec"]["servers"].append({"port": {"number": 8081}, "hosts": ["a.example"]}),
        "opens port 8081, which Service istio-system/istio-ingressgateway does not have; use one of its ports (80)",
    ),
    (
        "host_in_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.gateways.__setitem__(0, gateway(hosts=["*.example.com"])),
            w.virtual_services[0]["spec"].update(hosts=["pong.example.com", "pong.example.org"]),
        ),
        "is for host pong.example.org, which Gateway default/pong-gateway does not accept: it accepts *.example.com",
    ),
    (
        "host_in_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: w.gateways.__setitem__(0, gateway(hosts=["other/*"])),
        "is for host *, which Gateway default/pong-gateway does not accept",
    ),
    (
        "one_gateway_per_host",
        "warning",
        "Gateway default/pong-gateway",
        lambda w: w.gateways.append(gateway("other", "edge")),
        "and Gateway edge/other both accept host * on the same port of the pods istio=ingressgateway",
    ),
    (
        "one_route_per_gateway_host",
        "error",
        "VirtualService default/pong",
        lambda w: w.virtual_services.append(elsewhere("rival", "edge", gateways=["default/pong-gateway"])),
        "and VirtualService edge/rival both route host * on the same gateway",
    ),
    (
        "one_route_per_gateway_host",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.virtual_services[0]["spec"].update(gateways=[], hosts=[HOST]),
            w.virtual_services.append(elsewhere("rival", gateways=["mesh"], hosts=["pong-server-service"])),
        ),
        "and VirtualService default/rival both route host default/pong-server-service on the same gateway",
    ),
]


class TestRules(RuleTests):
    module, cases = gateways, CASES
