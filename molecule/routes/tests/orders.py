"""The service `orders` with rules of all kinds, and `carts` in the same VirtualService."""

from __future__ import annotations

import json
import re
from collections import Counter
from copy import deepcopy
from typing import Any

from foreign import Foreign
from moves import KUBE, NAMESPACE, move

ANNOTATION = "progressive.istio/canary"
ORDERS = Foreign(NAMESPACE, name="orders")
CARTS = Foreign(NAMESPACE, name="carts", label="edition")
ROUTES = f"{ORDERS.name}-routes"
NEW = {"blue": 100, "green": 0}
VERSION = {"rewrite": {"uri": "/version"}}
MOVED = ("exact", "number 2", "pattern", "number 5", "rest")
# A request that each of the rules gets: its path, and a header if it needs one.
REQUESTS = {
    "exact": ("/orders/exact", {}),
    "number 2": ("/orders/prefix", {}),
    "pattern": ("/orders/v42", {}),
    "number 5": ("/version", {"x-team": "shop"}),
    "rest": ("/version", {}),
}

Object = dict[str, Any]


def rules() -> list[Object]:
    orders, carts = ORDERS.destinations(NEW), CARTS.destinations(NEW)
    mirror = {"destination": {"host": CARTS.host, "subset": "blue"}, "percentage": {"value": 1}}
    delay = {"fixedDelay": "0.001s", "percentage": {"value": 1}}
    headers = {"response": {"set": {"x-rule": "team"}}}
    written = {"uriRegexRewrite": {"match": "^/orders/v[0-9]+", "rewrite": "/version"}}
    origins = {"allowOrigins": [{"exact": "https://shop.test"}], "allowMethods": ["GET"], "maxAge": "60s"}
    return [
        {"name": "exact", "match": [{"uri": {"exact": "/orders/exact"}}], "timeout": "5s", **VERSION, "route": orders},
        {
            "match": [{"uri": {"prefix": "/orders/prefix"}}, {"uri": {"prefix": "/orders/old"}}],
            "retries": {"attempts": 2, "perTryTimeout": "2s"},
            **VERSION,
            "route": orders,
        },
        {"name": "pattern", "match": [{"uri": {"regex": "/orders/v[0-9]+"}}], "corsPolicy": origins, "rewrite": written}
        | {"route": orders},
        {"name": "carts", "match": [{"uri": {"prefix": "/carts"}}], **VERSION, "route": carts},
        {
            "match": [{"headers": {"x-team": {"exact": "shop"}}}],
            "headers": headers,
            "fault": {"delay": delay},
            "mirrors": [mirror],
            "route": orders,
        },
        {"name": "fixed", "match": [{"uri": {"prefix": "/fixed"}}], **VERSION}
        | {"route": [{**orders[0], "weight": 100}]},
        {"name": "rest", "route": orders},
    ]


def set_up() -> None:
    """Both services, their pods, and one VirtualService for both, outside and inside the mesh."""
    made = Foreign(NAMESPACE, name="orders", rules=rules()).objects()
    entry = next(each for each in made if each["kind"] == "VirtualService")
    # No sidecar of the scenarios beside this one is concerned.
    near = {"exportTo": [".", "istio-system"], "hosts": [ORDERS.public, ORDERS.host]}
    entry["spec"] |= {"gateways": ["orders-entry", "mesh"], **near}
    others = [each for each in CARTS.objects() if each["kind"] not in ("VirtualService", "Gateway")]
    KUBE.set_up([*made, *others, caller()])


def caller() -> Object:
    """A pod inside the mesh that sends requests."""
    labels = {"workload": "caller"}
    container = {"name": "caller", "image": "localhost/fortio:lab", "args": ["server"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    meta = {"name": "caller", "namespace": NAMESPACE}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def called(requests: int, path: str, **headers: str) -> Counter[str]:
    """How many of these requests of the caller went to each version, as its Envoy counts them."""
    before = _counts()
    header = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    load = ("fortio", "load", "-quiet", "-c", "4", "-qps", "0", "-n", str(requests), *header)
    KUBE.run("exec", "deploy/caller", "-c", "caller", "--", *load, f"http://{ORDERS.host}:8088{path}")
    return _counts() - before


def _counts() -> Counter[str]:
    """The requests to each version until now, by the endpoints of the caller's Envoy."""
    ask = ("pilot-agent", "request", "GET", "clusters")
    shown = KUBE.run("exec", "deploy/caller", "-c", "istio-proxy", "--", *ask)
    counts: Counter[str] = Counter()
    for version, count in re.findall(rf"outbound[|]8088[|](\w+)[|]{ORDERS.host}::.*::rq_total::(\d+)", shown):
        counts[version] += int(count)
    return counts


def virtual_service() -> Object:
    return KUBE.get("virtualservice", ROUTES)


def greens(name: str = "orders") -> dict[str, int]:
    """What green has in each rule of a service that names it."""
    host = f"{name}.{NAMESPACE}.svc.cluster.local"
    return {
        rule.get("name", f"number {index}"): entry["weight"]
        for index, rule in enumerate(virtual_service()["spec"]["http"], start=1)
        for entry in rule.get("route", [])
        if entry["destination"]["host"] == host and entry["destination"]["subset"] == "green"
    }


def without_weights(service: Object) -> Object:
    """All that others have written."""
    left = deepcopy(service["spec"])
    for rule in left["http"]:
        for entry in rule.get("route", []):
            entry.pop("weight", None)
    return left


def states() -> Object:
    """The annotation."""
    return dict(json.loads(virtual_service()["metadata"]["annotations"][ANNOTATION]))


def canary(state: str, service: Foreign = ORDERS, **options: Any) -> Object:
    """Run the module on one of the services; nothing soaks."""
    fixed = {"stable": "blue", "canary": "green", "skip_checks": ["callers_routed"], "destination_host": service.host}
    return move(ROUTES, state, **{**fixed, **options})


def reset() -> None:
    """The rules as they were made, everything on blue, and no release known."""
    annotations = virtual_service()["metadata"].get("annotations") or {}
    annotations.pop(ANNOTATION, None)
    ORDERS.patch(
        "virtualservice",
        ROUTES,
        {"op": "replace", "path": "/spec/http", "value": rules()},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    )
