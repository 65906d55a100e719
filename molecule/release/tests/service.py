"""The service under release: what it is, and what people do with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from molecule_helpers import Kube, Run, module
from pong import Pong

ANNOTATION = "progressive.istio/canary"
VIRTUAL_SERVICE = "pong-server-virtual-service"
OPTIONS = {"name": VIRTUAL_SERVICE, "namespace": "release", "stable": "v1", "canary": "v2"}
SERVICE = {"canary_namespace": "release", "canary_gateway_hosts": ["release.test"], "canary_probe_requests": 0}
PONG = Pong("release", "release.test")
STEPS = [10, 30, 50, 100]
RAISES = ("advanced", "confirmed", "promoted")


class Release:
    """The service under release: what it is, and what people do with it."""

    def __init__(self, play: Callable[..., Run]) -> None:
        self.kube = Kube("release")
        self._play = play

    def play(self, name: str, *options: str, **variables: Any) -> Run:
        return self._play(name, *options, **{**SERVICE, **variables})

    def canary(self, state: str, **options: Any) -> dict[str, Any]:
        """Run the module; steps, and no soaking unless a test says so."""
        stepwise = {"steps": STEPS, "interval": 0, "watch": 0} if state in ("advanced", "promoted") else {}
        return module("canary", **{**OPTIONS, "state": state, "wait_timeout": 5, **stepwise, **options})

    def info(self, **options: Any) -> dict[str, Any]:
        return module("canary_info", **{**OPTIONS, **options})

    @property
    def weights(self) -> dict[str, int]:
        return self.kube.weights()

    @property
    def state(self) -> dict[str, Any] | None:
        """The annotation, as it is in the cluster."""
        annotations = self.kube.get("virtualservice", VIRTUAL_SERVICE)["metadata"].get("annotations", {})
        return json.loads(annotations[ANNOTATION]) if ANNOTATION in annotations else None

    @property
    def agrees(self) -> bool:
        """Whether the annotation, if there is one, says the weights that are in the route."""
        state = self.state
        return state is None or [state["weights"]["stable"], state["weights"]["canary"]] == list(self.weights.values())

    @property
    def raised(self) -> list[int]:
        """The weights that the history says were gone through, in order."""
        return [past["weight"] for past in self.info()["history"] if past["event"] in RAISES]

    def annotate(self, text: str | None) -> None:
        change = f"{ANNOTATION}-" if text is None else f"{ANNOTATION}={text}"
        self.kube.run("annotate", "--overwrite", "virtualservice", VIRTUAL_SERVICE, change)

    def reset(self) -> None:
        """All requests to v1, no other version but v2 in the route, and no release."""
        routes = next(each for each in PONG.objects() if each["kind"] == "VirtualService")
        parts = [("/spec", routes["spec"]), ("/metadata/annotations", {})]
        patch = [{"op": "add", "path": path, "value": value} for path, value in parts]
        self.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=json", "-p", json.dumps(patch))

    def set_weights(self, stable: int, canary: int) -> None:
        """Move the weights by hand, as a person with kubectl would."""
        path = "/spec/http/0/route"
        values = [(0, stable), (1, canary)]
        patch = [{"op": "add", "path": f"{path}/{index}/weight", "value": value} for index, value in values]
        self.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=json", "-p", json.dumps(patch))
