"""A service of the estate, as kubectl and the collection's own module see it."""

from __future__ import annotations

from typing import Any

from molecule_helpers import Kube, module


class Service:
    def __init__(self, name: str) -> None:
        self._kube = Kube("schedule")
        self._options = {
            "name": f"{name}-virtual-service",
            "namespace": "schedule",
            "stable": "v1",
            "canary": "v2",
        }

    def reset(self) -> None:
        module("canary", **self._options, state="rolled_back")
        self._kube.run("annotate", "virtualservice", self._options["name"], "progressive.istio/canary-")

    def weigh(self, weight: int) -> None:
        result = module("canary", **self._options, state="weighted", weight=weight)
        assert not result.get("failed"), result["msg"]

    @property
    def weights(self) -> dict[str, int]:
        return self._kube.weights(self._options["name"])

    @property
    def info(self) -> dict[str, Any]:
        return module("canary_info", **self._options)
