"""Ten services of all kinds, on the same pods."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

from foreign import GATEWAY_SELECTOR, Foreign
from molecule_helpers import Kube

API = "networking.istio.io/v1"
NAMESPACE, EDGE = "adopt", "adopt-entry"
KUBE = Kube(NAMESPACE)
PODS = Foreign(NAMESPACE, name="shop", label="track")
VERSIONS = ("blue", "green")
ANNOTATION = "progressive.istio/canary"
ENTRY = ("entry",)
RATE = 5  # requests a second to each of them: with ten, what a busy machine can answer

Object = dict[str, Any]


@dataclass(frozen=True)
class Adopted:
    """A Service over the pods, its DestinationRule, and its VirtualService `NAME-routes`.

    host: as its routes name it. before: the rules above the one with both versions, whose name is `route`. subsets: the
    labels of each version. port: of its destinations.
    """

    name: str
    gateways: Sequence[str] = ENTRY
    route: str = ""
    host: str = ""
    before: Sequence[Object] = ()
    subsets: Mapping[str, Mapping[str, str]] | None = None
    port: Mapping[str, Any] | None = None
    service: Mapping[str, Any] | None = None

    @property
    def full_host(self) -> str:
        return f"{self.name}.{NAMESPACE}.svc.cluster.local"

    @property
    def public(self) -> str:
        return f"{self.name}.adopt.test"

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(self.subsets or VERSIONS)

    @property
    def routes(self) -> str:
        """The name of its VirtualService."""
        return f"{self.name}-routes"

    def objects(self) -> list[Object]:
        subsets = self.subsets or {version: {"track": version} for version in VERSIONS}
        ports = [{"name": "http-web", "port": 8088, "targetPort": 8080}]
        service = {"selector": {"workload": "shop"}, "ports": ports, **(self.service or {})}
        rule = {"host": self.full_host, "subsets": [{"name": name, "labels": subsets[name]} for name in subsets]}
        return [
            made("v1", "Service", self.name, service),
            made(API, "DestinationRule", self.name, rule),
            self.virtual_service(dict(zip(self.versions, (100, 0), strict=True))),
        ]

    def virtual_service(self, weights: Mapping[str, int], **annotations: str) -> Object:
        port = {"port": self.port} if self.port else {}
        host = self.host or self.full_host
        route = [
            {"destination": {"host": host, "subset": version, **port}, "weight": weight}
            for version, weight in weights.items()
        ]
        moved = {
            **({"name": self.route} if self.route else {}),
            "headers": {"response": {"set": {"x-team": "shop"}}},
            "route": route,
        }
        hosts = [self.public] * any(each != "mesh" for each in self.gateways) + [self.full_host] * self.is_inside
        bound = {"gateways": list(self.gateways)} if self.gateways else {}
        # Sidecars of the scenarios beside this one have no part in it, and may be too busy to answer.
        bound |= {"exportTo": [".", "istio-system"]} if self.is_inside else {}
        found = made(API, "VirtualService", self.routes, {"hosts": hosts, **bound, "http": [*self.before, moved]})
        found["metadata"]["annotations"] = annotations
        return found

    @property
    def is_inside(self) -> bool:
        """Whether callers inside the mesh are routed."""
        return not self.gateways or "mesh" in self.gateways

    @property
    def is_outside(self) -> bool:
        return bool(self.gateways) and tuple(self.gateways) != ("mesh",)


def made(api: str, kind: str, name: str, spec: Mapping[str, Any], namespace: str = NAMESPACE) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": dict(spec)}


def entry(name: str, namespace: str, *hosts: str) -> Object:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": list(hosts)}
    return made(API, "Gateway", name, {"selector": GATEWAY_SELECTOR, "servers": [server]}, namespace)


OTHER = {"match": [{"uri": {"prefix": "/other"}}], "route": [{"destination": {"host": "short"}}]}
TESTERS = {
    "name": "testers",
    "match": [{"headers": {"x-tester": {"exact": "yes"}}}],
    "route": [{"destination": {"host": "several", "subset": "blue"}}],
}
NUMBER = {"number": 8088}
SERVICES = (
    Adopted("unnamed", port=NUMBER),
    Adopted("named", route="all", port=NUMBER),
    Adopted("several", route="web", before=(OTHER, TESTERS)),
    Adopted("inside", gateways=(), port=NUMBER),
    Adopted("both", gateways=("entry", "mesh")),
    Adopted("labelled", subsets={"old": {"track": "blue"}, "new": {"track": "green", "workload": "shop"}}),
    Adopted("port-name", service={"ports": [{"name": "http-web", "port": 8088, "targetPort": "web"}]}),
    Adopted("headless", service={"clusterIP": "None", "ports": [{"name": "http-web", "port": 8080}]}),
    Adopted("elsewhere", gateways=(f"{EDGE}/entry",)),
    Adopted("short", host="short"),
)


def pods() -> list[Object]:
    """The Deployments of both versions, with a name for the port, and a caller in the mesh."""
    deployments = [one for one in PODS.objects() if one["kind"] == "Deployment"]
    for one in deployments:
        one["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 8080}]
    container = {"name": "caller", "image": "localhost/fortio:lab", "args": ["server"]}
    labels = {"workload": "caller"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    return [
        *deployments,
        made("apps/v1", "Deployment", "caller", {"selector": {"matchLabels": labels}, "template": template}),
    ]


def set_up() -> None:
    """Also after an earlier run, whose releases go."""
    KUBE.run("delete", "virtualservices", "--all")
    Kube(EDGE).set_up([entry("entry", EDGE, "elsewhere.adopt.test")], wait=False)
    objects = [entry("entry", NAMESPACE, "*.adopt.test"), *(each for one in SERVICES for each in one.objects())]
    KUBE.set_up([*pods(), *objects])


def moved(service: Adopted, virtual_service: Object) -> list[Object]:
    """The destinations of the rule that is moved."""
    (rule,) = (
        rule
        for rule in virtual_service["spec"]["http"]
        if rule.get("name", "") == service.route and len(rule.get("match") or []) == 0
    )
    route: list[Object] = rule["route"]
    return route


KINDS = "deployments,services,gateways.networking.istio.io,destinationrules,virtualservices"


def objects() -> dict[str, Object]:
    """All objects as they are, without what the API server counts and what controllers report."""
    found = {}
    for namespace in (NAMESPACE, EDGE):
        for one in json.loads(Kube(namespace).run("get", KINDS, "-o", "json", "--show-managed-fields=false"))["items"]:
            for field in ("resourceVersion", "generation", "managedFields"):
                one["metadata"].pop(field, None)
            one.pop("status", None)
            found[f"{one['kind']} {namespace}/{one['metadata']['name']}"] = one
    return found


def lines(output: str) -> list[str]:
    """What a playbook has printed, without the lines that tell every 15 seconds what a busy machine waits for."""
    return [line for line in output.splitlines() if not re.search(r"^after \d+ s, of |  waits ", line)]


class Callers:
    """Requests of a pod in the mesh, some at a time until it is stopped."""

    def __init__(self, pool: ThreadPoolExecutor, url: str) -> None:
        self._url, self._over = url, Event()
        self._counts: Future[Counter[str]] = pool.submit(self._call)

    def stop(self) -> dict[str, int]:
        self._over.set()
        return dict(self._counts.result(60))

    def _call(self) -> Counter[str]:
        load = ["fortio", "load", "-quiet", "-json", "-", "-c", "2", "-qps", str(RATE), "-n", "20", "-timeout", "20s"]
        command = ["kubectl", "-n", NAMESPACE, "exec", "deploy/caller", "-c", "caller", "--", *load]
        command += ["-nocatchup", "-allow-initial-errors", self._url]
        found: Counter[str] = Counter()
        while not self._over.is_set():
            printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            # What an API server that is too busy to pass on its output has lost is no request.
            with suppress(json.JSONDecodeError):
                found.update(json.loads(printed)["RetCodes"])
        return found
