"""The service under analysis."""

from __future__ import annotations

import json
from typing import Any

from molecule_helpers import Kube, module

VIRTUAL_SERVICE = "pong-server-virtual-service"
RULE = "pong-server-destination-rule"
HOST = "pong-server-service.analysis.svc.cluster.local"
OPTIONS = {"name": VIRTUAL_SERVICE, "namespace": "analysis", "wait_timeout": 30}


class Judged:
    """One service, and the module that moves it."""

    def __init__(self) -> None:
        self.kube = Kube("analysis")

    def reset(self, stable: str = "v1", canary: str = "v2") -> None:
        """As the role leaves a new route, with these two versions."""
        route = [
            {"destination": {"host": HOST, "subset": name, "port": {"number": 80}}, "weight": weight}
            for name, weight in ((stable, 100), (canary, 0))
        ]
        patch = [{"op": "replace", "path": "/spec/http/0/route", "value": route}]
        self.kube.run("patch", "virtualservice", VIRTUAL_SERVICE, "--type=json", "-p", json.dumps(patch))
        self.kube.run("annotate", "virtualservice", VIRTUAL_SERVICE, "progressive.istio/canary-")

    def step(self, canary: str, analysis: dict[str, Any], *, stable: str = "v1", **options: Any) -> dict[str, Any]:
        """One step, judged."""
        fixed = {"state": "advanced", "steps": [20, 50, 100], "interval": 30}
        return module(
            "canary", **OPTIONS, **{**fixed, "stable": stable, "canary": canary, "analysis": analysis, **options}
        )

    @property
    def weights(self) -> dict[str, int]:
        return self.kube.weights()
