# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for Services and their pods: each broken one is one finding."""

from __future__ import annotations

from ansible_collections.progressive.istio.plugins.module_utils._preflight import workloads
from broken_mesh import (
    Case,
    RuleTests,
    World,
    deployment,
    destination,
    follow,
    found,
    four_of_v1,
    not_ready,
)


def only_v1_by_selector(world: World) -> None:
    world.services[0]["spec"]["selector"]["version"] = "v1"
    world.http[0]["route"] = [destination("v1", 100)]


CASES: list[Case] = [
    (
        "service_selector_without_version",
        "error",
        "Service default/pong-server-service",
        only_v1_by_selector,
        "selects by version=v1, the label that its subsets differ in, so others get no pods; "
        "remove version from its selector if no caller needs it, or route to a Service of all versions: "
        "kubectl get service -n default pong-server-service -o yaml",
    ),
    (
        "port_named_http",
        "warning",
        "Service default/pong-server-service",
        lambda w: w.services[0]["spec"].update(ports=[{"port": 80}]),
        "gets HTTP on port 80, which has no name and no appProtocol that says HTTP; set appProtocol to its "
        "protocol, such as http, http2 or grpc: kubectl get service -n default pong-server-service -o yaml",
    ),
    (
        "port_named_http",
        "warning",
        "Service default/pong-server-service",
        lambda w: w.services[0]["spec"].update(ports=[{"name": "web", "port": 80}]),
        "gets HTTP on port 80, which is named web and has no appProtocol that says HTTP",
    ),
    (
        "port_named_http",
        "warning",
        "Service default/pong-server-service",
        lambda w: (
            w.services[0]["spec"].update(ports=[{"port": 80}]),
            w.http[0].update(route=[destination("v1", 80, port=None), destination("v2", 20, port=None)]),
        ),
        "gets HTTP on port 80",
    ),
    (
        "deployments_apart",
        "error",
        "Deployment default/pong-v1",
        lambda w: w.deployments.__setitem__(0, deployment("v1", app="pong-server")),
        "selects by app=pong-server, which the pods of Deployment pong-v2 have too",
    ),
    (
        "subset_selects_ready_pods",
        "error",
        "Service default/pong-server-service",
        lambda w: not_ready(w.pods[1]),
        "has 0 ready of 1 pod of subset v2, which gets 20 % of the requests: pod pong-v2-a is not ready; "
        "see why: kubectl describe pods -n default -l app=pong-server,version=v2",
    ),
    (
        "subset_selects_ready_pods",
        "error",
        "Service default/pong-server-service",
        lambda w: (w.pods.pop(), w.deployments.pop()),
        "has 0 ready of 0 pods of subset v2, which gets 20 % of the requests: "
        "no Deployment makes pods with app=pong-server,version=v2",
    ),
    (
        "subset_selects_ready_pods",
        "warning",
        "Service default/pong-server-service",
        lambda w: (w.pods.pop(), w.weights(100, 0)),
        "has 0 ready of 0 pods of subset v2, which gets 0 % of the requests: "
        "Deployment pong-v2 has not made its pods yet",
    ),
    (
        "subset_selects_ready_pods",
        "error",
        "Service default/pong-server-service",
        lambda w: (w.pods.clear(), w.http[0].update(route=[destination(None, None)])),
        "has 0 ready of 0 pods, which gets 100 % of the requests",
    ),
    (
        "capacity_for_weight",
        "warning",
        "Service default/pong-server-service",
        four_of_v1,
        "has 1 ready pod of subset v2 for 45 % of the requests, where 4 carry all; scale that version to 2 replicas",
    ),
]


class TestRules(RuleTests):
    module, cases = workloads, CASES


def test_a_subset_is_given_the_pods_that_bear_its_name() -> None:
    world = World()
    world.destination_rules[0]["spec"]["subsets"][1]["labels"] = {"version": "v7"}
    (finding,) = found(world)
    assert (finding.check, finding.severity) == ("subset_selects_ready_pods", "error")
    follow(world, finding.command)
    assert found(world) == []
