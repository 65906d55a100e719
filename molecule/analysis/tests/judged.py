"""The service under analysis."""

from __future__ import annotations

import json
from typing import Any

from molecule_helpers import Kube, module
from pong import Pong

VIRTUAL_SERVICE = "pong-server-virtual-service"
RULE = "pong-server-destination-rule"


class Judged:
    """One service, and the module that moves it."""

    def __init__(self, pong: Pong) -> None:
        self._pong = pong
        self.kube = Kube(pong.namespace)
        self.options = {"name": VIRTUAL_SERVICE, "namespace": pong.namespace, "wait_timeout": 30}

    def reset(self, stable: str = "v1", canary: str = "v2") -> None:
        """As the role leaves a new route, with these two versions."""
        route = [
            {"destination": {"host": self._pong.host, "subset": name, "port": {"number": 80}}, "weight": weight}
            for name, weight in ((stable, 100), (canary, 0))
        ]
        parts = [("/spec/http/0/route", route), ("/metadata/annotations", {})]
        patch = [{"op": "add", "path": path, "value": value} for path, value in parts]
        self.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=json", "-p", json.dumps(patch))

    def step(self, canary: str, analysis: dict[str, Any], *, stable: str = "v1", **options: Any) -> dict[str, Any]:
        """One step, judged."""
        fixed = {"state": "advanced", "steps": [20, 50, 100], "interval": 30}
        return module(
            "canary", **self.options, **{**fixed, "stable": stable, "canary": canary, "analysis": analysis, **options}
        )

    @property
    def weights(self) -> dict[str, int]:
        return self.kube.weights()
