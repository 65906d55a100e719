# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh in which everything is right, ways to break it, and what holds for every finding about it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import fields
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus, Mesh
from ansible_collections.progressive.istio.plugins.module_utils._preflight import checks
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import Finding
from printed import READS, assert_harmless

HOST = "pong-server-service.default.svc.cluster.local"


READY = [{"type": "Ready", "status": "True"}]


def meta(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": namespace,
        "labels": {key.replace("__", "/"): value for key, value in labels.items()},
    }


def destination(subset: str | None, weight: int | None, host: str = HOST, port: int | None = 80) -> dict[str, Any]:
    target: dict[str, Any] = {"host": host}
    target |= {"subset": subset} if subset else {}
    target |= {"port": {"number": port}} if port else {}
    return {"destination": target} | ({"weight": weight} if weight is not None else {})


def virtual_service(name: str = "pong", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    route = [destination("v1", 80), destination("v2", 20)]
    http = [{"name": "primary", "match": [{"uri": {"prefix": "/"}}], "route": route}]
    return {
        "metadata": meta(name, namespace),
        "spec": {"hosts": ["*"], "gateways": ["pong-gateway"], "http": http, **spec},
    }


def elsewhere(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """Another VirtualService, which leads to stable alone."""
    return virtual_service(name, namespace, http=[{"route": [destination("v1", None)]}], **spec)


def destination_rule(name: str = "pong", namespace: str = "default", *versions: str, **spec: Any) -> dict[str, Any]:
    subsets = [{"name": version, "labels": {"version": version}} for version in versions or ("v1", "v2")]
    return {"metadata": meta(name, namespace), "spec": {"host": HOST, "subsets": subsets, **spec}}


def gateway(name: str = "pong-gateway", namespace: str = "default", port: int = 80, **spec: Any) -> dict[str, Any]:
    server = {"port": {"number": port, "name": "http", "protocol": "HTTP"}, "hosts": spec.pop("hosts", ["*"])}
    selector = {"istio": "ingressgateway"}
    return {"metadata": meta(name, namespace), "spec": {"selector": selector, "servers": [server], **spec}}


def service(name: str, namespace: str, selector: dict[str, str], *ports: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": meta(name, namespace), "spec": {"selector": selector, "ports": list(ports)}}


def pod(name: str, namespace: str = "default", sidecar: bool = True, **labels: str) -> dict[str, Any]:
    containers = [{"name": "app"}] + ([{"name": "istio-proxy"}] if sidecar else [])
    return {
        "metadata": meta(name, namespace, **labels),
        "spec": {"containers": containers},
        "status": {"phase": "Running", "conditions": READY},
    }


def deployment(version: str, **match: str) -> dict[str, Any]:
    labels = {"app": "pong-server", "version": version}
    spec = {"selector": {"matchLabels": match or labels}, "template": {"metadata": {"labels": labels}}}
    return {"metadata": meta(f"pong-{version}"), "spec": spec, "status": {}}


def webhook(name: str, expressions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    client = {"service": {"namespace": "istio-system", "name": "istiod"}, "caBundle": "LS0t"}
    selector = {"matchExpressions": expressions}
    own = {"matchExpressions": [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]}
    return {"name": name, "clientConfig": client, "namespaceSelector": selector, "objectSelector": own, **more}


class World:
    """The objects of a cluster, by the field of the snapshot."""

    def __init__(self) -> None:
        http = {"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"}
        proxy = {"istio": "ingressgateway"}
        self.focus = Focus("default", "pong")
        self.virtual_services = [virtual_service()]
        self.destination_rules = [destination_rule()]
        self.gateways = [gateway()]
        self.services = [
            service("pong-server-service", "default", {"app": "pong-server"}, http),
            service("istio-ingressgateway", "istio-system", proxy, {"name": "http2", "port": 80}),
            service("istiod", "istio-system", {"app": "istiod"}, {"name": "https-webhook", "port": 443}),
        ]
        self.service_entries: list[dict[str, Any]] = []
        self.pods = [pod(f"pong-{version}-a", app="pong-server", version=version) for version in ("v1", "v2")]
        self.proxies = [pod("ingress-a", "istio-system", istio="ingressgateway")]
        self.injectors = [pod("istiod-a", "istio-system", sidecar=False, app="istiod")]
        self.sidecars: list[dict[str, Any]] = []
        self.deployments = [deployment("v1"), deployment("v2")]
        self.namespaces: list[dict[str, Any]] = [
            {"metadata": {"name": "default", "labels": {"istio-injection": "enabled"}}}
        ]
        by_label = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
        by_revision = {"key": "istio.io/rev", "operator": "In", "values": ["default"]}
        unlabelled = {"key": "istio-injection", "operator": "DoesNotExist"}
        self.mutating_webhooks = [
            {
                "metadata": {"name": "istio-sidecar-injector", "labels": {"istio.io/rev": "default"}},
                "webhooks": [
                    webhook("namespace.sidecar-injector.istio.io", [by_label]),
                    webhook("rev.namespace.sidecar-injector.istio.io", [by_revision, unlabelled]),
                    webhook(
                        "object.sidecar-injector.istio.io",
                        [unlabelled],
                        objectSelector={"matchLabels": {"sidecar.istio.io/inject": "true"}},
                    ),
                ],
            },
            {
                "metadata": {"name": "certificates"},
                "webhooks": [webhook("inject.certificates.example", [], clientConfig={"url": "https://x"})],
            },
        ]
        rules = [{"apiGroups": ["security.istio.io", "networking.istio.io"]}]
        validator = {"name": "rev.validation.istio.io", "failurePolicy": "Fail", "rules": rules}
        other = {"name": "check.certificates.example", "rules": [{"apiGroups": ["certificates.example"]}]}
        self.validating_webhooks = [{"metadata": {"name": "istio-validator"}, "webhooks": [validator, other]}]

    @property
    def http(self) -> list[Any]:
        rules: list[Any] = self.virtual_services[0]["spec"]["http"]
        return rules

    @property
    def route(self) -> list[Any]:
        route: list[Any] = self.http[0]["route"]
        return route

    def weights(self, *weights: int | None) -> None:
        self.http[0]["route"] = [destination(f"v{n}", weight) for n, weight in enumerate(weights, 1)]

    def label(self, **labels: str) -> None:
        self.namespaces[0]["metadata"]["labels"] = {key.replace("__", "/"): value for key, value in labels.items()}

    def mesh(self) -> Mesh:
        objects = {name: tuple(value) for name, value in vars(self).items() if name != "focus"}
        return Mesh(self.focus, **objects)


Change = Callable[[World], object]


def not_ready(thing: dict[str, Any]) -> None:
    thing["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


def move(thing: dict[str, Any], namespace: str) -> None:
    thing["metadata"]["namespace"] = namespace


def made(world: World) -> None:
    """The pods as those of their Deployments, without a sidecar."""
    for each in world.pods:
        each["spec"]["containers"] = [{"name": "app"}]
        labels = each["metadata"]["labels"]
        labels["pod-template-hash"] = "abc"
        owner = f"pong-{labels['version']}-abc"
        each["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "controller": True}]


def without_sidecars(*marks: str) -> Change:
    def change(world: World) -> None:
        world.pods = [pod(one["metadata"]["name"], sidecar=False, **one["metadata"]["labels"]) for one in world.pods]
        for mark in marks:
            if mark == "hostNetwork":
                world.pods[0]["spec"]["hostNetwork"] = True
                world.pods[1]["spec"]["hostNetwork"] = True
            if mark == "opt-out":
                for one in world.pods:
                    one["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
            if mark == "unlabelled":
                world.label()

    return change


def four_of_v1(world: World) -> None:
    world.pods += [pod(f"pong-v1-{letter}", app="pong-server", version="v1") for letter in "bcd"]
    world.weights(55, 45)


def found(world: World) -> list[Finding]:
    return checks.findings(checks.examine(world.mesh()))


FIELDS = {"virtualservice": "virtual_services", "destinationrule": "destination_rules"}


def follow(world: World, command: str) -> None:
    """What kubectl does with a patch."""
    words = shlex.split(command)
    things: list[dict[str, Any]] = getattr(world, FIELDS[words[2]])
    place = (words[4], words[5])
    thing = next(each for each in things if (each["metadata"]["namespace"], each["metadata"]["name"]) == place)
    for operation in json.loads(words[-1]):
        apply(thing, operation)


def apply(thing: dict[str, Any], operation: dict[str, Any]) -> None:
    """One operation of a JSON patch."""

    def place(path: str) -> tuple[Any, Any]:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
        parent: Any = thing
        for part in way:
            parent = parent[int(part) if isinstance(parent, list) else part]
        return parent, (len(parent) if last == "-" else int(last)) if isinstance(parent, list) else last

    parent, key = place(operation["path"])
    value = operation.get("value")
    if operation["op"] == "remove":
        del parent[key]
    elif isinstance(parent, list) and operation["op"] == "add":
        parent.insert(key, value)
    else:
        parent[key] = value


# The service of somebody else: nothing is named as the tutorial does it.
FOREIGN = {
    "pong-server-service": "checkout-http",
    "pong-server": "checkout",
    "pong": "checkout",
    "default": "shop",
    '"version"': '"track"',
    "version=": "track=",
    '"app"': '"workload"',
    "v1": "blue",
    "v2": "green",
    '"primary"': '"all"',
    '"port": 80,': '"port": 8088,',
}


OWN = {
    ("virtualservice", "shop", "checkout"),
    ("destinationrule", "shop", "checkout"),
    ("service", "shop", "checkout-http"),
    ("deployment", "shop", "checkout-blue"),
    ("deployment", "shop", "checkout-green"),
}


def foreign(world: World) -> World:
    """The same world with the names of somebody else."""

    def renamed(value: Any) -> Any:
        text = json.dumps(value)
        for old, new in FOREIGN.items():
            text = text.replace(old, new)
        return json.loads(text)

    for name, objects in vars(world).items():
        if name != "focus":
            setattr(world, name, renamed(objects))
    world.focus = Focus(*(renamed(text) for text in (world.focus.namespace, world.focus.name)))
    return world


CHANGING = {
    "destination_port_exists",
    "exported_to_gateway",
    "host_resolves",
    "pods_injected",
    "route_named",
    "subset_defined",
}

Case = tuple[str, str, str, Change, str]  # check, severity, object, what was changed, and words of the finding

# Checks with a remedy in words alone, since nothing more can be shown.
WITHOUT_COMMAND = {"gateway_port_served", "weights_complete", "capacity_for_weight"}


class RuleTests:
    """What holds for every rule of a file. module: that file; cases: ways to break each of its rules."""

    module: ModuleType
    cases: list[Case]

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        if "everything" in metafunc.fixturenames:
            metafunc.parametrize("everything", [False, True], ids=["one", "everything"])
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", cls.cases, ids=[case[0] for case in cls.cases])

    def test_a_broken_rule_is_one_finding(self, case: Case) -> None:
        """One broken rule is one finding. Its command, if it is a patch, fixes it; without one, only words remain."""
        check, severity, place, change, words = case
        world = World()
        change(world)
        (finding,) = found(world)
        assert (finding.check, finding.severity, finding.place) == (check, severity, place)
        assert words in f"{finding.problem}; {finding.advice}"
        assert str(finding) == f"{place} {finding.problem} -> {finding.advice}"
        if check != "subset_defined":  # without a DestinationRule there is nothing to show
            assert (not finding.command) == (check in WITHOUT_COMMAND)
        if finding.command.startswith("kubectl patch"):
            assert finding.command not in finding.remedy
            routes = len(world.http)
            follow(world, finding.command)
            assert len(world.http) == routes, "nothing is fixed by removing it"
            assert check not in {each.check for each in found(world) if each.severity == severity}

    def test_a_command_is_safe(self, case: Case, everything: bool) -> None:
        """A command shows something, or changes one object of the service, whatever its names are."""
        check, change = case[0], case[3]
        world = World()
        change(world)
        foreign(world)
        if everything and check != "virtual_service_exists":
            world.focus = Focus()
        commands = [finding.command for finding in found(world) if finding.check == check]
        assert commands
        for command in filter(None, commands):
            verb = assert_harmless(command, OWN)
            assert check in CHANGING or verb in READS, "a new command that changes something: is it safe at 3 a.m.?"

    def test_what_belongs_to_others_is_only_shown(self, case: Case) -> None:
        """The routes of one team lead to the Service of another, in its namespace."""
        world = World()
        case[3](world)
        for each in world.virtual_services:
            move(each, "team")
            each["spec"]["gateways"] = [
                name if "/" in name or name == "mesh" else f"default/{name}"
                for name in each["spec"].get("gateways") or []
            ]
        if world.focus.name:
            world.focus = Focus("team", world.focus.name)
        for finding in found(world):
            own = {("virtualservice", "team", "pong")}
            assert not finding.command or assert_harmless(finding.command, own)

    def test_a_check_reads_what_it_needs(self, case: Case) -> None:
        """With all else empty the check finds the same, in the right cluster and in the broken one."""
        check = next(each for each in checks.CHECKS if each.name == case[0])
        for change in (lambda world: None, case[3]):
            world = World()
            change(world)
            whole = world.mesh()
            unneeded = {field.name: () for field in fields(Mesh)} | {"focus": whole.focus, "unread": {}}
            needed = {name: getattr(whole, name) for name in check.needs}
            assert list(check.find(Mesh(**{**unneeded, **needed}))) == list(check.find(whole))

    def test_every_check_has_a_case(self) -> None:
        own = {each.name for each in checks.CHECKS if each.find.__module__ == self.module.__name__}
        assert {case[0] for case in self.cases} == own
