# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for routes: each broken one is one finding."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus
from ansible_collections.progressive.istio.plugins.module_utils._preflight import routes
from broken_mesh import (
    Case,
    RuleTests,
    World,
    destination,
    destination_rule,
    elsewhere,
    follow,
    found,
    move,
    service,
)

CASES: list[Case] = [
    (
        "virtual_service_exists",
        "error",
        "VirtualService default/nix",
        lambda w: setattr(w, "focus", Focus("default", "nix")),
        "does not exist; namespace default has: pong; name the one that routes the service: "
        "kubectl get virtualservice -n default --show-labels",
    ),
    (
        "route_not_shadowed",
        "error",
        "VirtualService default/pong",
        lambda w: w.http.insert(0, {"name": "all", "route": [destination("v1", None)]}),
        "never uses route primary: route all comes before it and matches the same requests; "
        "move route primary before route all",
    ),
    (
        "route_not_shadowed",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http.append({"match": [{"uri": {"exact": "/a"}}], "route": [destination("v1", None)]}),
        "never uses http route number 2: route primary comes before it",
    ),
    (
        "route_not_shadowed",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.http[0].update(match=[{"uri": {"prefix": "/api"}}]),
            w.http.insert(0, {"match": [{"uri": {"prefix": "/api"}}, {"port": 1}], "route": [destination("v1", None)]}),
        ),
        "never uses route primary",
    ),
    (
        "route_named",
        "warning",
        "VirtualService default/pong",
        lambda w: w.http[0].pop("name"),
        "has no name for http route number 1, which is weighted; name it: kubectl patch virtualservice -n default pong "
        """--type json -p '[{"op": "add", "path": "/spec/http/0/name", "value": "primary"}]'""",
    ),
    (
        "weights_complete",
        "warning",
        "VirtualService default/pong",
        lambda w: w.weights(80, 40),
        "has the weights 80 + 40 = 120 in route primary, which means 66.67 % and 33.33 %",
    ),
    (
        "weights_complete",
        "error",
        "VirtualService default/pong",
        lambda w: w.weights(None, None),
        "gives the 2 destinations of route primary no weight, which proxies reject",
    ),
    (
        "weights_complete",
        "error",
        "VirtualService default/pong",
        lambda w: w.weights(0),
        "gives the only destination of route primary weight 0, but it gets all requests",
    ),
    (
        "weights_complete",
        "warning",
        "VirtualService default/pong",
        lambda w: w.weights(80),
        "gives the only destination of route primary weight 80, but it gets all requests",
    ),
    (
        "host_resolves",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination("v1", 80, "pong-server"), destination("v2", 20, "pong-server")]),
        "sends route primary to host pong-server, which is no Service and no ServiceEntry; "
        "write pong-server-service.default.svc.cluster.local",
    ),
    (
        "host_resolves",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination(None, None, "pong-server-service.default")]),
        "to host pong-server-service.default, which Istio reads as a full name because of its dots, and no Service or "
        "ServiceEntry has it; write pong-server-service.default.svc.cluster.local",
    ),
    (
        "host_resolves",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination(None, None, "zzz")]),
        "which is no Service and no ServiceEntry; see which Services there are: kubectl get services -n default",
    ),
    (
        "host_resolves",
        "error",
        "DestinationRule default/stray",
        lambda w: w.destination_rules.append(destination_rule("stray", host="pong-server")),
        "is for host pong-server, which is no Service and no ServiceEntry",
    ),
    (
        "destination_port_exists",
        "error",
        "VirtualService default/pong",
        lambda w: w.http[0].update(route=[destination("v1", 80, port=8080), destination("v2", 20, port=8080)]),
        "sends route primary to port 8080 of Service default/pong-server-service, which has 80",
    ),
    (
        "destination_port_exists",
        "error",
        "VirtualService default/pong",
        lambda w: (
            w.services[0]["spec"]["ports"].append({"name": "http-admin", "port": 81}),
            w.http[0].update(route=[destination("v1", 80, port=None), destination("v2", 20, port=None)]),
        ),
        "names no port of Service default/pong-server-service in route primary, which has 80, 81",
    ),
    (
        "subset_defined",
        "error",
        "VirtualService default/pong",
        lambda w: w.destination_rules.__setitem__(0, destination_rule("pong", "default", "v1")),
        "sends 20 % of route primary to subset v2 of Service default/pong-server-service, and DestinationRule "
        "default/pong defines only v1; such requests get 503; define it: kubectl patch destinationrule -n default pong "
        """--type json -p '[{"op": "add", "path": "/spec/subsets/-", """
        """"value": {"name": "v2", "labels": {"version": "v2"}}}]'""",
    ),
    (
        "subset_defined",
        "error",
        "VirtualService default/pong",
        lambda w: (w.destination_rules.clear(), w.weights(100)),
        "sends 100 % of route primary to subset v1 of Service default/pong-server-service, and there is no "
        "DestinationRule for that host; such requests get 503; create a DestinationRule in namespace default",
    ),
    (
        "one_definition_per_subset",
        "error",
        "DestinationRule default/pong",
        lambda w: w.destination_rules.__setitem__(0, destination_rule("pong", "default", "v1", "v2", "v1")),
        "defines subset v1 of Service default/pong-server-service, which is defined 2 times (in default/pong)",
    ),
    (
        "one_rule_per_host",
        "warning",
        "DestinationRule default/pong",
        lambda w: w.destination_rules.append(destination_rule("pool", "default", "v3", host="pong-server-service")),
        "is one of 2 for Service default/pong-server-service, with default/pool: they are merged, and only one traffic "
        "policy applies; put all subsets into default/pong, as the owners of the others agree",
    ),
    (
        "one_rule_per_host",
        "error",
        "DestinationRule default/pong",
        lambda w: w.destination_rules.append(destination_rule("pool", "istio-system", "v3")),
        "with istio-system/pool: they hide each other",
    ),
    (
        "rule_in_service_namespace",
        "error",
        "DestinationRule edge/pong",
        lambda w: (move(w.destination_rules[0], "edge"), w.weights(100)),
        "defines subset v1 of Service default/pong-server-service in another namespace, hidden from the gateway and "
        "all clients elsewhere; move it to namespace default",
    ),
    (
        "rule_in_service_namespace",
        "warning",
        "DestinationRule istio-system/pong",
        lambda w: (move(w.destination_rules[0], "istio-system"), w.weights(100)),
        "hidden from all clients but those there",
    ),
    (
        "exported_to_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: w.virtual_services[0]["spec"].update(exportTo=["."]),
        "is exported to . only, and the gateway runs in istio-system; add istio-system to spec.exportTo",
    ),
    (
        "exported_to_gateway",
        "error",
        "DestinationRule default/pong",
        lambda w: w.destination_rules[0]["spec"].update(exportTo=["default", "edge"]),
        "is exported to default, edge only, and the gateway runs in istio-system",
    ),
    (
        "exported_to_gateway",
        "error",
        "VirtualService default/pong",
        lambda w: (move(w.proxies[0], "default"), w.virtual_services[0]["spec"].update(exportTo=["edge"])),
        "is exported to edge only, and the gateway runs in default",
    ),
]


class TestRules(RuleTests):
    module, cases = routes, CASES


def test_a_destination_rule_without_a_service_is_given_the_one_that_lacks_its_subsets() -> None:
    world = World()
    world.destination_rules[0]["spec"]["host"] = "pong-server-servise"
    finding = next(each for each in found(world) if each.check == "host_resolves")
    follow(world, finding.command)
    assert found(world) == []


@pytest.mark.parametrize(("host", "near"), [("orders", "orders-old"), ("orderz", "orders")])
def test_a_service_that_only_sounds_alike_gets_no_requests(host: str, near: str) -> None:
    world = World()
    world.services.append(service(near, "default", {"app": near}, {"name": "http", "port": 80}))
    world.http.insert(0, {"match": [{"uri": {"exact": "/o"}}], "route": [destination(None, None, host)]})
    finding = next(each for each in found(world) if each.check == "host_resolves")
    assert finding.command == "kubectl get services -n default --show-labels"
    assert f"write {near}.default.svc.cluster.local" in finding.remedy


def test_a_rule_gets_a_name_that_no_other_has() -> None:
    world = World()
    world.http[0].pop("name")
    world.http.insert(0, {"name": "primary", "match": [{"port": 1}], "route": [destination("v1", None)]})
    (finding,) = found(world)
    assert '"value": "primary-2"' in finding.command


def test_a_rival_is_shown_and_nothing_of_it_is_removed() -> None:
    world = World()
    world.virtual_services.append(elsewhere("other"))
    world.destination_rules.append(destination_rule("copy"))
    commands = {finding.check: finding.command for finding in found(world)}
    assert commands == {
        "one_route_per_gateway_host": "kubectl get virtualservice -n default other -o yaml",
        "one_definition_per_subset": "kubectl get destinationrule -n default copy -o yaml",
        "one_rule_per_host": "kubectl get destinationrule -n default copy -o yaml",
    }
