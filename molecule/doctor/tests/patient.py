"""The service behind its own gateway: how it is broken, examined and mended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from foreign import Foreign
from ingress import ingress
from molecule_helpers import Kube, module, paste

NAMESPACE = "canary-doctor"
ANNOTATION = "progressive.istio/canary"
DOCTOR = "progressive-istio-doctor-examiner"
READER = "progressive-istio-doctor-reader"  # a name of its own, for scenarios run side by side
GATEWAY = "gateways.networking.istio.io"
CHECKOUT = Foreign(NAMESPACE, gateways=["checkout-entry"])
PUBLIC = CHECKOUT.public
VIRTUAL_SERVICE = "checkout-routes"
RULE = "checkout"
SKIPPED = ["callers_routed"]  # the cluster has sidecars of other scenarios
WORLD: dict[str, Any] = {"canary_namespace": NAMESPACE, "canary_app": "checkout", "canary_routes": ["main"]}
WORLD |= {"canary_stable_version": "blue", "canary_version": "green", "canary_skip_checks": SKIPPED}
WORLD |= {"canary_service": "checkout", "canary_destination_rule": RULE, "canary_virtual_service": VIRTUAL_SERVICE}
WORLD |= {"canary_gateway": "checkout-entry", "canary_gateway_hosts": [PUBLIC]}
WORLD |= {"canary_ingress_service": "doctor-ingress", "canary_ingress_namespace": NAMESPACE}
WORLD |= {"canary_ingress_selector": {"istio": "doctor-ingress"}}
OBSERVED = "deployments,services,gateways.networking.istio.io,destinationrules,virtualservices,pods"

Operation = dict[str, Any]


class Patient:
    """What people do to it, and what the doctor says."""

    def __init__(self) -> None:
        self.kube = Kube(NAMESPACE)

    def admit(self) -> None:
        """Set the service up, as its own team does."""
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [PUBLIC]}
        entry = {"selector": {"istio": "doctor-ingress"}, "servers": [server]}
        where = {"name": "checkout-entry", "namespace": NAMESPACE}
        gateway = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": where, "spec": entry}
        route = CHECKOUT.destinations({"blue": 100, "green": 0})
        rule = {"name": "main", "match": [{"uri": {"prefix": "/"}}], "route": route}
        service = replace(CHECKOUT, rules=[rule]).objects()
        self.kube.set_up([*ingress(NAMESPACE, "doctor-ingress"), gateway, *service])

    @property
    def weights(self) -> dict[str, int]:
        return self.kube.weights(VIRTUAL_SERVICE, "main")

    def examine(self, **options: Any) -> dict[str, Any]:
        again = f"-e '{json.dumps(WORLD)}'"
        options = {"route": "main", "playbook_options": again, "skip_checks": SKIPPED, **options}
        options |= {"stable": "blue", "canary": "green", "destination_host": CHECKOUT.host}
        return module("canary_doctor", name=VIRTUAL_SERVICE, namespace=NAMESPACE, **options)

    def canary(self, state: str, **options: Any) -> dict[str, Any]:
        stepwise = {"steps": [20, 50, 100], "interval": 0, "watch": 0} if state == "advanced" else {}
        where = {"name": VIRTUAL_SERVICE, "namespace": NAMESPACE, "stable": "blue", "canary": "green"}
        usual = {"skip_checks": SKIPPED, **stepwise}
        result = module("canary", **where, state=state, **{**usual, **options})
        assert not result.get("failed"), result["msg"]
        return result

    @property
    def phase(self) -> str:
        """What the VirtualService tells of a release."""
        annotations = self.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"].get("annotations", {})
        return str(json.loads(annotations.get(ANNOTATION, "{}")).get("phase"))

    def patch(self, kind: str, name: str, *operations: Operation) -> None:
        self.kube.run("patch", kind, name, "--type=json", "-p", json.dumps(operations))

    def settled(self, version: str = "checkout-green") -> None:
        self.kube.run("rollout", "status", "deployment", version, "--timeout=170s")

    def follow(self, command: str) -> str:
        """Paste a command into a shell; its output."""
        return paste(command)

    def look(self, command: str, *words: str) -> None:
        """Paste a command that only shows something: it shows these words, and nothing changes."""
        before = self.generations()
        shown = self.follow(command)
        assert all(word in shown for word in words), shown
        assert self.generations() == before, command

    def well(self, seconds: float = 60) -> dict[str, Any]:
        """What the doctor says once it is content, soon."""
        deadline = time.monotonic() + seconds
        while not all(map(late, (found := self.examine())["problems"])) or found["unseen"]:
            assert time.monotonic() < deadline, found["msg"]
            time.sleep(0.5)
        return found

    def generations(self, kinds: str = OBSERVED) -> dict[str, str]:
        """What there is, by its uid, and how often its content was changed."""
        items = json.loads(self.kube.run("get", kinds, "-o", "json"))["items"]
        return {each["metadata"]["uid"]: str(each["metadata"].get("generation")) for each in items}

    @contextmanager
    def kept(self, *objects: tuple[str, str]) -> Iterator[None]:
        """Put the specs of these objects back afterwards, whatever happens."""
        before = {each: self.kube.get(*each)["spec"] for each in objects}
        try:
            yield
        finally:
            for (kind, name), spec in before.items():
                if self.kube.get(kind, name)["spec"] != spec:
                    self.patch(kind, name, {"op": "replace", "path": "/spec", "value": spec})


def late(problem: Mapping[str, Any]) -> bool:
    """Whether it only tells that a proxy gave no answer in time, as on a machine that has too much to do."""
    return problem["severity"] == "warning" and problem["check"] in ("weights_live", "subsets_live")
