"""Many services on the pods of the one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.context import Bench
from bench.service import APP, NAMESPACE, VIRTUAL_SERVICE


@contextmanager
def services(bench: Bench, names: Sequence[str]) -> Iterator[None]:
    """A VirtualService of each name, with a Service and subsets of its own."""
    kube = bench.service.kube
    route = kube.get("virtualservice", VIRTUAL_SERVICE)
    rule = kube.get("destinationrule", f"{APP}-destination-rule")
    service = kube.get("service", f"{APP}-service")
    objects: list[dict[str, Any]] = []
    for name in names:
        host = f"{name}.{NAMESPACE}.svc.cluster.local"
        http = json.loads(json.dumps(route["spec"]["http"]).replace(rule["spec"]["host"], host))
        objects += [
            _made(service, name, {"selector": service["spec"]["selector"], "ports": _ports(service)}),
            _made(rule, name, {**rule["spec"], "host": host}),
            _made(route, name, {**route["spec"], "hosts": [f"{name}.bench.test"], "http": http}),
        ]
    kube.apply({"apiVersion": "v1", "kind": "List", "items": objects})
    try:
        yield
    finally:
        for kind in ("virtualservice", "destinationrule", "service"):
            kube.run("delete", kind, *names)


def _ports(service: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: port[key] for key in ("name", "port", "targetPort") if key in port} for port in service["spec"]["ports"]
    ]


def _made(model: dict[str, Any], name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object like the model, with this name and spec."""
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": model["apiVersion"], "kind": model["kind"], "metadata": meta, "spec": spec}
