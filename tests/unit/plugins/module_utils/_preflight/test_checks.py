# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks at once: a right mesh has no finding, and what is skipped is said."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus, Mesh
from ansible_collections.progressive.istio.plugins.module_utils._preflight import checks
from broken_mesh import (
    HOST,
    Change,
    World,
    deployment,
    destination,
    destination_rule,
    elsewhere,
    found,
    four_of_v1,
    gateway,
    meta,
    move,
    not_ready,
    pod,
    virtual_service,
    without_sidecars,
)

# What looks like one of the above and is right.
ACQUITTED: list[tuple[str, Change]] = [
    ("nothing changed", lambda w: None),
    ("whole namespace in focus", lambda w: setattr(w, "focus", Focus("default"))),
    ("everything in focus", lambda w: setattr(w, "focus", Focus())),
    (
        "gateway of another namespace",
        lambda w: (move(w.gateways[0], "edge"), w.virtual_services[0]["spec"].update(gateways=["edge/pong-gateway"])),
    ),
    ("gateway of its own namespace", lambda w: w.virtual_services[0]["spec"].update(gateways=["./pong-gateway"])),
    (
        "gateway by its old full name",
        lambda w: w.virtual_services[0]["spec"].update(gateways=["pong-gateway.default.svc.cluster.local"]),
    ),
    ("gateway for its own namespace", lambda w: w.gateways.__setitem__(0, gateway(hosts=["./*"]))),
    (
        "one of two proxies ready",
        lambda w: (w.proxies.append(pod("b", "istio-system", istio="ingressgateway")), not_ready(w.proxies[0])),
    ),
    (
        "narrower host",
        lambda w: (
            w.gateways.__setitem__(0, gateway(hosts=["*.example.com"])),
            w.virtual_services[0]["spec"].update(hosts=["a.example.com"]),
        ),
    ),
    (
        "another VirtualService for another host",
        lambda w: w.virtual_services.append(elsewhere("other", hosts=["a.example"])),
    ),
    (
        "another VirtualService on another port",
        lambda w: (
            w.gateways.append(gateway("admin", port=8081)),
            w.virtual_services.append(elsewhere("other", gateways=["admin"])),
        ),
    ),
    (
        "another VirtualService for sidecars",
        lambda w: w.virtual_services.append(elsewhere("other", gateways=["mesh"], hosts=[HOST])),
    ),
    ("a part of a VirtualService", lambda w: w.virtual_services.append(elsewhere("part", gateways=[], hosts=[]))),
    ("another Gateway for other proxies", lambda w: w.gateways.append(gateway("other", selector={"istio": "edge"}))),
    (
        "a narrower route first",
        lambda w: w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", None)]}),
    ),
    ("a redirect", lambda w: w.http.insert(0, {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/"}})),
    (
        "a catch-all of another gateway first",
        lambda w: w.http.insert(0, {"match": [{"gateways": ["x"]}], "route": [destination("v1", None)]}),
    ),
    ("weights at an end", lambda w: w.weights(100, 0)),
    (
        "a rule for what has most of the requests",
        lambda w: w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", None)]}),
    ),
    (
        "sidecars that call no service",
        lambda w: w.sidecars.extend(
            [
                *w.pods,
                {**pod("gate", "edge"), "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "router"]}]}},
                {**pod("done", "edge"), "status": {"phase": "Succeeded"}},
            ]
        ),
    ),
    (
        "callers who are routed",
        lambda w: (
            w.sidecars.append(pod("caller", "edge")),
            w.gateways.__setitem__(0, gateway(hosts=["a.example"])),
            w.virtual_services[0]["spec"].update(hosts=["a.example", HOST], gateways=["pong-gateway", "mesh"]),
        ),
    ),
    ("a single destination without weight", lambda w: w.weights(None)),
    ("a single destination with weight 100", lambda w: w.weights(100)),
    (
        "a bare host",
        lambda w: w.http[0].update(
            route=[destination("v1", 80, "pong-server-service"), destination("v2", 20, "pong-server-service")]
        ),
    ),
    (
        "a host outside",
        lambda w: (
            w.service_entries.append({"spec": {"hosts": ["*.example.com"]}}),
            w.http[0].update(route=[destination(None, None, "api.example.com")]),
        ),
    ),
    (
        "a rule for all Services",
        lambda w: w.destination_rules.append(destination_rule("all", host="*.default.svc.cluster.local")),
    ),
    (
        "a rule for some clients",
        lambda w: w.destination_rules.append(destination_rule("some", workloadSelector={"matchLabels": {"a": "b"}})),
    ),
    (
        "a rule that clients elsewhere have for themselves",
        lambda w: w.destination_rules.append(destination_rule("own", "edge")),
    ),
    (
        "no port where there is one",
        lambda w: w.http[0].update(route=[destination("v1", 80, port=None), destination("v2", 20, port=None)]),
    ),
    ("exported to the gateway", lambda w: w.virtual_services[0]["spec"].update(exportTo=[".", "istio-system"])),
    ("a port named http-web", lambda w: w.services[0]["spec"].update(ports=[{"name": "http-web", "port": 80}])),
    ("a port named grpc-web", lambda w: w.services[0]["spec"].update(ports=[{"name": "grpc-web", "port": 80}])),
    ("a port that is not routed to", lambda w: w.services[0]["spec"]["ports"].append({"name": "admin", "port": 81})),
    (
        "a Service without selector",
        lambda w: (
            w.services[0]["spec"].pop("selector"),
            without_sidecars()(w),
            w.deployments.__setitem__(0, deployment("v1", app="pong-server")),
        ),
    ),
    (
        "a broken VirtualService of that name elsewhere",
        lambda w: w.virtual_services.append(
            virtual_service(namespace="edge", hosts=["a.example"], http=[{"route": [destination("v1", 0)]}])
        ),
    ),
    (
        "a pod with the same labels elsewhere",
        lambda w: w.pods.append(pod("x", "edge", sidecar=False, app="pong-server", version="v1")),
    ),
    (
        "other labels for clients elsewhere",
        lambda w: w.destination_rules.insert(
            0, destination_rule("own", "edge", subsets=[{"name": "v1", "labels": {"a": "b"}}])
        ),
    ),
    ("a Gateway for one host of all", lambda w: w.gateways.__setitem__(0, gateway(hosts=["a.example"]))),
    (
        "a rule for no host elsewhere",
        lambda w: w.destination_rules.append(destination_rule("stray", "edge", host="nix")),
    ),
    (
        "exported to the gateway beside it",
        lambda w: (move(w.proxies[0], "default"), w.virtual_services[0]["spec"].update(exportTo=["."])),
    ),
    (
        "a narrower route before one for all",
        lambda w: (
            w.http[0].pop("match"),
            w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [destination("v1", None)]}),
        ),
    ),
    (
        "hosts for the gateway and for the mesh",
        lambda w: (
            w.gateways.__setitem__(0, gateway(hosts=["*.example.com"])),
            w.virtual_services[0]["spec"].update(hosts=["a.example.com", HOST], gateways=["pong-gateway", "mesh"]),
            w.virtual_services.append(elsewhere("other", hosts=[HOST])),
        ),
    ),
    (
        "a port with appProtocol alone",
        lambda w: w.services[0]["spec"].update(ports=[{"port": 80, "appProtocol": "HTTP2"}]),
    ),
    (
        "another Deployment beside it",
        lambda w: w.deployments.append({"metadata": meta("x"), "spec": {"selector": {}, "template": {"metadata": {}}}}),
    ),
    ("as many pods as the weight needs", lambda w: (four_of_v1(w), w.weights(75, 25))),
    (
        "a pod that goes",
        lambda w: w.pods.append(
            {
                **pod("old", sidecar=False, app="pong-server", version="v1"),
                "metadata": {**meta("old", app="pong-server", version="v1"), "deletionTimestamp": "now"},
            }
        ),
    ),
    ("injection by revision", lambda w: w.label(**{"istio.io__rev": "default"})),
    (
        "an injector that may fail",
        lambda w: (
            not_ready(w.injectors[0]),
            [one.update(failurePolicy="Ignore") for one in w.mutating_webhooks[0]["webhooks"]],
        ),
    ),
    (
        "an injector outside",
        lambda w: [
            one.update(clientConfig={"url": "https://x", "caBundle": "LS0t"})
            for one in w.mutating_webhooks[0]["webhooks"]
        ],
    ),
    (
        "a native sidecar",
        lambda w: w.pods[0]["spec"].update(containers=[{"name": "app"}], initContainers=[{"name": "istio-proxy"}]),
    ),
    (
        "an ambient pod",
        lambda w: (
            without_sidecars()(w),
            [one["metadata"].update(annotations={"ambient.istio.io/redirection": "enabled"}) for one in w.pods],
        ),
    ),
]


@pytest.mark.parametrize("change", [case[1] for case in ACQUITTED], ids=[case[0] for case in ACQUITTED])
def test_what_is_right_is_not_accused(change: Change) -> None:
    world = World()
    change(world)
    assert [str(finding) for finding in found(world)] == []


def test_every_check_says_what_the_rule_is() -> None:
    assert all(check.rule.endswith(".") and "\n" not in check.rule for check in checks.CHECKS)


def test_needs_are_fields_of_the_snapshot() -> None:
    names = {field.name for field in fields(Mesh)} - {"focus", "unread"}
    assert checks.needs() == names


def test_skipped_checks_find_nothing() -> None:
    world = World()
    world.weights(0)
    results = checks.examine(world.mesh(), skip=["weights_complete"])
    assert checks.findings(results) == []
    assert [(result.check, result.skipped) for result in results if result.mark == "skipped"] == [
        ("weights_complete", "by skip_checks")
    ]


def test_what_may_not_be_read_is_not_judged() -> None:
    world = World()
    world.pods.clear()
    mesh = replace(world.mesh(), unread={"pods": "LIST Pod was refused"})
    results = checks.examine(mesh)
    assert checks.findings(results) == []
    assert {result.check: result.skipped for result in results if result.skipped} == dict.fromkeys(
        ("subset_selects_ready_pods", "capacity_for_weight", "pods_injected"), "LIST Pod was refused"
    )


def test_errors_come_first_and_marks_tell_the_worst() -> None:
    world = World()
    world.services[0]["spec"]["ports"] = [{"port": 80}]
    world.http.append({"route": [destination("v9", None)]})
    results = checks.examine(world.mesh())
    assert [finding.severity for finding in checks.findings(results)] == ["error", "warning", "warning"]
    marks = {result.check: result.mark for result in results}
    assert (marks["subset_defined"], marks["port_named_http"], marks["host_resolves"]) == ("error", "warning", "ok")


def test_only_the_focus_is_accused() -> None:
    world = World()
    world.virtual_services.append(
        virtual_service("other", hosts=["a.example"], http=[{"route": [destination("v9", None)]}])
    )
    assert found(world) == []
    world.focus = Focus("default")
    assert [finding.name for finding in found(world)] == ["other"]


def test_all_fields_are_optional() -> None:
    assert checks.findings(checks.examine(Mesh())) == []
