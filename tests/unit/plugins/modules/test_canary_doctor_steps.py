# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor lets through, a step accepts: on a service of somebody else, changed in one way at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import encode
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import Phase, State
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import ANNOTATION
from ansible_collections.progressive.istio.plugins.modules import canary, canary_doctor
from api_server import Answer, ApiServer, Request
from printed import assert_harmless

HOST = "checkout.shop.svc.cluster.local"
OWN = {
    ("virtualservice", "shop", "checkout-routes"),
    ("destinationrule", "shop", "checkout-tracks"),
    ("service", "shop", "checkout"),
    ("deployment", "shop", "checkout-blue"),
    ("deployment", "shop", "checkout-green"),
}

Run = Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]


def named(name: str, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "uid": f"{namespace}-{name}",
        "resourceVersion": "7",
    }


def to(subset: str | None, weight: int | None = None, host: str = HOST) -> dict[str, Any]:
    target = {"host": host, "port": {"number": 8088}} | ({"subset": subset} if subset else {})
    return {"destination": target} | ({} if weight is None else {"weight": weight})


class World:
    """The objects that a case changes, and the options of both modules."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"stable": "blue", "canary": "green", "destination_host": HOST}
        self.http: list[dict[str, Any]] = [{"route": [to("blue", 100), to("green", 0)]}]
        self.spec: dict[str, Any] = {"hosts": ["checkout.example"], "gateways": ["entry"]}
        self.subsets = [{"name": name, "labels": {"track": name}} for name in ("blue", "green")]
        self.rule_host = HOST
        self.selector = {"workload": "checkout"}
        self.service: dict[str, Any] = {"ports": [{"name": "http-web", "port": 8088}]}
        self.home = "shop"  # the namespace of the Service, its subsets and its pods
        self.ready = {"blue": True, "green": True}
        self.containers = [{"name": "server"}, {"name": "istio-proxy"}]
        self.gate: dict[str, Any] = {"selector": {"istio": "gateway"}}
        self.gate["servers"] = [{"port": {"number": 80}, "hosts": ["checkout.example"]}]
        self.others: list[tuple[str, dict[str, Any]]] = []
        self.annotations: dict[str, str] = {}

    def put(self, server: ApiServer) -> None:
        server.put("namespaces", {"metadata": {"name": "shop"}})
        meta = {**named("checkout-routes"), "annotations": self.annotations}
        server.put("virtualservices", {"metadata": meta, "spec": {**self.spec, "http": self.http}})
        rule = {"host": self.rule_host, "subsets": self.subsets}
        server.put("destinationrules", {"metadata": named("checkout-tracks", self.home), "spec": rule})
        service = {"selector": self.selector, **self.service}
        server.put("services", {"metadata": named("checkout", self.home), "spec": service})
        server.put("gateways", {"metadata": named("entry"), "spec": self.gate})
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        for version in ("blue", "green"):
            labels = {"workload": "checkout", "track": version}
            status = "True" if self.ready[version] else "False"
            state = {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}
            owner = {"kind": "ReplicaSet", "name": f"checkout-{version}-abc", "controller": True}
            meta = named(f"checkout-{version}-a", self.home, **labels, **{"pod-template-hash": "abc"})
            pod = {"metadata": {**meta, "ownerReferences": [owner]}, "spec": {"containers": self.containers}}
            server.put("pods", {**pod, "status": state})
            template = {"metadata": {"labels": labels}}
            spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
            server.put("deployments", {"metadata": named(f"checkout-{version}", self.home), "spec": spec, "status": {}})
        gate = {"metadata": named("gate-a", "gates", istio="gateway"), "spec": {"containers": []}, "status": ready}
        server.put("pods", gate)
        webhook = {"name": "validation", "rules": [{"apiGroups": ["networking.istio.io"]}]}
        server.put("validatingwebhookconfigurations", {"metadata": {"name": "istio"}, "webhooks": [webhook]})
        for kind, thing in self.others:
            server.put(kind, thing)


Change = Callable[[World], object]


def in_another_namespace(world: World) -> None:
    """The routes of one team lead to the Service of another one."""
    host = "checkout.team.svc.cluster.local"
    world.home, world.rule_host = "team", host
    world.options["destination_host"] = host
    world.http[0]["route"] = [to("blue", 100, host), to("green", 0, host)]
    world.others.append(("namespaces", {"metadata": {"name": "team"}}))


def without_port(world: World) -> None:
    for each in world.http[0]["route"]:
        del each["destination"]["port"]


def delegated(world: World) -> None:
    """The root has the hosts and the gateways, and the release is on what it delegates to."""
    root = {"hosts": ["checkout.example"], "gateways": ["entry"], "http": [{"delegate": {"name": "checkout-routes"}}]}
    world.others.append(("virtualservices", {"metadata": named("root"), "spec": root}))
    world.spec = {}


def gate_of_another_namespace(world: World) -> None:
    world.others.append(("gateways", {"metadata": named("common", "gates"), "spec": world.gate}))
    world.spec["gateways"] = ["gates/common"]


FILES = {"match": [{"uri": {"prefix": "/files"}}], "route": [to("blue")]}


def release_of_red(world: World) -> None:
    """Somebody releases another version over the same stable one."""
    since = datetime(2026, 1, 31, 12, tzinfo=UTC)
    state = State("blue", "red", Phase.PROGRESSING, 20, since, steps=(Step(20), Step(100)))
    world.annotations = {ANNOTATION: encode(state)}
    world.subsets.append({"name": "red", "labels": {"workload": "checkout"}})
    world.http[0]["route"] = [to("blue", 80), to("green", 0), to("red", 20)]


RIVAL = {
    "metadata": named("rival", "else"),
    "spec": {"hosts": ["checkout.example"], "gateways": ["shop/entry"], "http": [{"route": [to(None, host="x")]}]},
}

# What is changed, and whether a step is possible then; None: the doctor says more, such as that pods are not ready.
CASES: dict[str, tuple[Change, bool | None]] = {
    "nothing": (lambda w: None, True),
    "a named rule": (lambda w: (w.http[0].update(name="main"), w.options.update(routes=["main"])), True),
    "a rule of another name": (lambda w: (w.http[0].update(name="main"), w.options.update(routes=["primary"])), False),
    "an unnamed rule that is asked for by name": (lambda w: w.options.update(routes=["primary"]), False),
    "two rules with both versions, alike": (
        lambda w: w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [to("blue", 100), to("green", 0)]}),
        True,
    ),
    "two rules with both versions": (
        lambda w: w.http.insert(0, {"match": [{"uri": {"prefix": "/a"}}], "route": [to("blue", 90), to("green", 10)]}),
        False,
    ),
    "two of which one is asked for": (
        lambda w: (
            w.http[0].update(name="main"),
            w.options.update(routes=["main"]),
            w.http.insert(
                0, {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "route": [to("blue", 90), to("green", 10)]}
            ),
        ),
        True,
    ),
    "another host": (lambda w: w.options.update(destination_host="pong-server-service.shop.svc.cluster.local"), False),
    "the bare host": (lambda w: w.options.update(destination_host="checkout"), True),
    "a short host with a dot": (
        lambda w: w.http[0].update(route=[to("blue", 100, "checkout.shop"), to("green", 0, "checkout.shop")]),
        False,
    ),
    "a short host with a dot that is asked for": (
        lambda w: (
            w.http[0].update(route=[to("blue", 100, "checkout.shop"), to("green", 0, "checkout.shop")]),
            w.options.update(destination_host="checkout.shop"),
        ),
        False,
    ),
    "a subset that is not defined": (lambda w: w.subsets.pop(), False),
    "no DestinationRule for the host": (lambda w: setattr(w, "rule_host", "cart.shop.svc.cluster.local"), False),
    "versions that are not in the route": (lambda w: w.options.update(stable="v1", canary="v2"), False),
    "a canary that is not in the route": (lambda w: w.options.update(canary="red"), False),
    "one version twice": (lambda w: w.options.update(canary="blue"), False),
    "no versions named": (lambda w: [w.options.pop(name) for name in ("stable", "canary")], True),
    "no versions named, and none to be told": (
        lambda w: ([w.options.pop(name) for name in ("stable", "canary")], w.http[0].update(route=[to("blue")])),
        None,
    ),
    "a destination twice": (lambda w: w.http[0]["route"].append(to("green", 0)), False),
    "a single destination": (lambda w: w.http[0].update(route=[to("blue")]), True),
    "a Service that selects nothing": (lambda w: setattr(w, "selector", {}), False),
    "a subset that repeats a label of the Service": (
        lambda w: w.subsets[0]["labels"].update(workload="checkout"),
        True,
    ),
    "a Service that selects the version": (lambda w: w.selector.update(track="blue"), False),
    "a rule that takes everything before": (lambda w: w.http.insert(0, {"route": [to("blue")]}), False),
    "a Gateway for other hosts": (lambda w: w.gate["servers"][0].update(hosts=["cart.example"]), False),
    "a Gateway without pods": (lambda w: w.gate.update(selector={"istio": "nobody"}), False),
    "no Gateway": (lambda w: w.spec.update(gateways=["gone"]), False),
    "a rival for the host": (lambda w: w.others.append(("virtualservices", RIVAL)), False),
    "not exported to the gateway": (lambda w: w.spec.update(exportTo=["."]), False),
    "other destinations take all": (
        lambda w: w.http[0].update(route=[to("blue", 0), to("green", 0), to(None, 100)]),
        False,
    ),
    "a release of another version in progress": (release_of_red, True),
    "weights of 80 and 40": (lambda w: w.http[0].update(route=[to("blue", 80), to("green", 40)]), True),
    "weights of 2 and 1": (lambda w: w.http[0].update(route=[to("blue", 2), to("green", 1)]), True),
    "no weights": (lambda w: w.http[0].update(route=[to("blue"), to("green")]), False),
    "one rule with both among others": (
        lambda w: (w.http.insert(0, deepcopy(FILES)), w.http[1].update(match=[{"uri": {"prefix": "/"}}])),
        True,
    ),
    "three destinations": (
        lambda w: (
            w.http[0].update(route=[to("blue", 80), to("green", 0), to("red", 20)])
            or w.subsets.append({"name": "red", "labels": {"track": "blue"}})
        ),
        True,
    ),
    "a Service of another namespace": (in_another_namespace, True),
    "no port": (without_port, True),
    "no port, and a Service with two": (
        lambda w: (without_port(w), w.service["ports"].append({"name": "http-admin", "port": 9090})),
        False,
    ),
    "a port that the Service has not": (lambda w: w.service.update(ports=[{"name": "http", "port": 80}]), False),
    "a headless Service": (lambda w: w.service.update(clusterIP="None"), True),
    "a Service that is a name outside": (
        lambda w: (setattr(w, "selector", {}), w.service.update(type="ExternalName", externalName="checkout.example")),
        False,
    ),
    "a canary without ready pods": (lambda w: w.ready.update(green=False), None),
    "no ready pods": (lambda w: w.ready.update(blue=False, green=False), None),
    "pods without sidecars": (lambda w: w.containers.pop(), None),
    "a Gateway of another namespace": (gate_of_another_namespace, True),
    "mesh only": (lambda w: (w.spec.pop("gateways"), w.spec.update(hosts=[HOST])), True),
    "mesh and gateway": (lambda w: w.spec.update(hosts=["checkout.example", HOST], gateways=["entry", "mesh"]), True),
    "mirrored": (lambda w: w.http[0].update(mirror=to("green")["destination"]), True),
    "a fault": (lambda w: w.http[0].update(fault={"abort": {"httpStatus": 503, "percentage": {"value": 1}}}), True),
    "a delegate": (delegated, True),
    "a root, which delegates": (
        lambda w: w.http.__setitem__(
            slice(None), [{"name": "all", "delegate": {"name": "other", "namespace": "shop"}}]
        ),
        False,
    ),
    "TCP only": (lambda w: (w.spec.update(tcp=[{"route": [to("blue", 100), to("green", 0)]}]), w.http.clear()), True),
}


@pytest.fixture
def both(server: ApiServer, run_module: Callable[..., dict[str, Any]]) -> Callable[[World], list[dict[str, Any]]]:
    """What the doctor and what a step in check mode say."""

    def run(world: World) -> list[dict[str, Any]]:
        world.put(server)
        options = {"host": server.url, "api_key": "secret", "name": "checkout-routes", "namespace": "shop"}
        options |= {"proof": "none", **world.options}
        named = {"stable": "blue", "canary": "green"}
        doctor = run_module(canary_doctor.main, options)
        step = run_module(canary.main, {**named, **options, "state": "weighted", "weight": 20, "wait_timeout": 0}, True)
        return [doctor, step]

    return run


@pytest.mark.parametrize(("change", "possible"), CASES.values(), ids=CASES)
def test_what_the_doctor_lets_through_a_step_accepts(
    both: Callable[[World], list[dict[str, Any]]], server: ApiServer, change: Change, possible: bool | None
) -> None:
    world = World()
    change(world)
    doctor, step = both(deepcopy(world))
    assert not doctor.get("failed"), doctor["msg"]
    said = f"{doctor['msg']}\n{step['msg']}"
    if possible is not None:
        assert (doctor["ok"], not step.get("failed")) == (possible, possible), said
    assert doctor["ok"] or step.get("failed") or possible is None, said
    assert step.get("failed") is not True or not doctor["ok"], said
    assert server.sent("PATCH") == [] or not step.get("failed"), "the doctor sends no patch, not even a dry run"
    for problem in doctor["problems"]:
        assert not problem["command"] or assert_harmless(problem["command"], OWN)


# What the doctor says to set instead, where the settings are what is wrong.
REMEDIES = {
    "a rule of another name": "set canary_routes: [main]",
    "an unnamed rule that is asked for by name": "set canary_routes: [number 1]",
    "another host": f"set canary_host: {HOST}",
    "versions that are not in the route": "set canary_stable_version: blue and canary_version: green",
    "a canary that is not in the route": "set canary_version: green",
    "one version twice": "set canary_version: green",
    "no versions named, and none to be told": "set canary_stable_version: blue",
    "a root, which delegates": "set canary_namespace: shop and canary_virtual_service: other",
}


@pytest.mark.parametrize(("case", "remedy"), REMEDIES.items(), ids=REMEDIES)
def test_the_setting_is_named_with_its_value_and_a_step_is_possible_with_it(
    both: Callable[[World], list[dict[str, Any]]], case: str, remedy: str
) -> None:
    world = World()
    CASES[case][0](world)
    doctor, _step = both(deepcopy(world))
    assert [each["remedy"] for each in doctor["problems"] if each["severity"] == "error"] == [remedy]
    if case in ("a root, which delegates", "no versions named, and none to be told"):
        return
    names = {"canary_routes": "routes", "canary_host": "destination_host"}
    names |= {"canary_stable_version": "stable", "canary_version": "canary"}
    for setting in remedy.removeprefix("set ").split(" and "):
        name, value = setting.split(": ")
        world.options[names[name]] = value.strip("[]").split(", ") if name == "canary_routes" else value
    doctor, step = both(world)
    assert (doctor["ok"], step.get("failed", False)) == (True, False), doctor["msg"]


def test_of_several_routes_the_names_are_listed(both: Callable[[World], list[dict[str, Any]]]) -> None:
    world = World()
    second = {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "route": [to("blue", 90), to("green", 10)]}
    world.http.insert(0, second)
    assert both(deepcopy(world))[0]["problems"][0]["remedy"] == "set canary_routes: [a] or [number 2]"
    world.http[1]["name"] = "b"
    assert both(world)[0]["problems"][0]["remedy"] == "set canary_routes: [a] or [b]"


def test_a_refusal_is_told_once(both: Callable[[World], list[dict[str, Any]]]) -> None:
    """A rule of the mesh that stands in the way is the cause; that a step would be refused for it is its symptom."""
    world = World()
    world.subsets.pop()
    doctor, _step = both(world)
    (problem,) = [each for each in doctor["problems"] if each["severity"] == "error"]
    assert problem["check"] in ("subset_defined", "step_possible")


@pytest.mark.parametrize("lists", ["deployments", "gateways", "services"])
def test_what_may_not_be_read_is_said(
    both: Callable[[World], list[dict[str, Any]]], server: ApiServer, lists: str
) -> None:
    def before(_number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", "not yours") if f"/{lists}" in request.path else None

    server.before = before
    doctor, _step = both(World())
    assert doctor["unseen"], doctor["msg"]
    blind = any(each.startswith("whether a step can be taken: ") for each in doctor["unseen"])
    assert blind == (lists == "services"), "a step does not need the others"


def test_what_is_seen_for_a_step_is_told_where_the_rest_may_not_be_read(
    both: Callable[[World], list[dict[str, Any]]], server: ApiServer
) -> None:
    """The Gateways of the route may be read by name, and all Gateways may not be listed."""
    server.before = lambda _number, request: (
        Answer(403, "Forbidden", "not yours") if request.path.endswith("/v1/gateways") else None
    )
    world = World()
    world.gate["servers"][0]["hosts"] = ["cart.example"]
    doctor, step = both(world)
    assert (doctor["ok"], step["failed"]) == (False, True)
    assert [each["check"] for each in doctor["problems"] if each["severity"] == "error"] == ["host_in_gateway"]
