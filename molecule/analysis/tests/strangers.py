"""A service under analysis whose pods bear another label than `version`, and strangers who fail in its gateway."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from foreign import Foreign

SHOP = Foreign("analysis-foreign", versions={"blue": {}, "green": {}, "broken": {"PONG_ERROR_RATE": "1"}})
STRANGERS = Foreign("analysis-strangers", versions={"blue": {"PONG_ERROR_RATE": "1"}})

# Each path of the strangers fails in another way. What no rule matches has no route.
NO_CLUSTER, NO_ENDPOINT, NO_CONNECTION, BY_THE_SERVER, NO_ROUTE = "gone", "empty", "closed", "server", "nowhere"
ANSWERS = {NO_CLUSTER: "503", NO_ENDPOINT: "503", NO_CONNECTION: "503", BY_THE_SERVER: "500", NO_ROUTE: "404"}


def set_up(wait: bool) -> None:
    SHOP.kube.set_up([*SHOP.objects(), second_deployment()], wait)
    STRANGERS.kube.set_up(strangers(), wait)


def second_deployment() -> dict[str, Any]:
    """One more of the canary's version, under another name."""
    found = next(each for each in SHOP.objects() if each["metadata"]["name"] == "checkout-green")
    spec = json.loads(json.dumps(found["spec"]))
    for labels in (spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
        labels["zone"] = "b"
    return {**found, "metadata": {**found["metadata"], "name": "checkout-zone-b"}, "spec": spec}


def strangers() -> list[dict[str, Any]]:
    closed = {"metadata": {"name": "closed", "namespace": STRANGERS.namespace}}
    api = "networking.istio.io/v1"
    endpoint = {"address": "127.0.0.1", "ports": {"http": 9}}  # where nobody listens in the gateway
    places = {
        NO_CLUSTER: {"host": STRANGERS.host, "subset": "gone"},
        NO_ENDPOINT: {"host": STRANGERS.host, "subset": "empty"},
        NO_CONNECTION: {"host": "closed.test", "port": {"number": 80}},
        BY_THE_SERVER: {"host": STRANGERS.host, "subset": "blue"},
    }
    rules = [
        {"match": [{"uri": {"prefix": f"/{path}"}}], "rewrite": {"uri": "/version"}, "route": [{"destination": place}]}
        for path, place in places.items()
    ]
    entry = {
        "hosts": ["closed.test"],
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "resolution": "STATIC",
        "location": "MESH_EXTERNAL",
        "endpoints": [endpoint],
    }
    others = replace(STRANGERS, rules=rules).objects()
    rule = next(each for each in others if each["kind"] == "DestinationRule")
    rule["spec"]["subsets"].append({"name": "empty", "labels": {"track": "empty"}})
    return [*others, {"apiVersion": api, "kind": "ServiceEntry", **closed, "spec": entry}]
