"""The routes of `stocks` are a delegate: VirtualServices of another team have its hosts, at a gateway and inside."""

from __future__ import annotations

from typing import Any

from foreign import GATEWAY_SELECTOR, Foreign
from molecule_helpers import Kube
from moves import KUBE, NAMESPACE, istio_object, start_anew

STOCKS = Foreign(NAMESPACE, name="stocks")
FRONT = f"{NAMESPACE}-front"
LEAF, OUTSIDE, INSIDE = "stocks-leaf", "front", "inside"
# What matches each of its rules at the gateway.
PATHS = {"levels": "/stock/levels", "number 2": "/stock"}

Object = dict[str, Any]


def rules() -> list[Object]:
    route = STOCKS.destinations({"blue": 100, "green": 0})
    version = {"rewrite": {"uri": "/version"}}
    return [
        {"name": "levels", "match": [{"uri": {"prefix": "/stock/levels"}}], "timeout": "9s", **version, "route": route},
        {"route": route, **version},
    ]


def set_up() -> None:
    made = [each for each in STOCKS.objects() if each["kind"] not in ("VirtualService", "Gateway")]
    KUBE.set_up([*made, istio_object("VirtualService", LEAF, http=rules())])
    delegate = {"name": LEAF, "namespace": NAMESPACE}
    stock = {"name": "stock", "match": [{"uri": {"prefix": "/stock"}}], "delegate": delegate}
    gone = {"name": "gone", "match": [{"uri": {"prefix": "/gone"}}], "directResponse": {"status": 410}}
    near = {"exportTo": [NAMESPACE, "istio-system"]}
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [f"{FRONT}/{STOCKS.public}"]}
    Kube(FRONT).set_up(
        [
            istio_object("Gateway", "entry", FRONT, selector=GATEWAY_SELECTOR, servers=[server]),
            istio_object(
                "VirtualService", OUTSIDE, FRONT, hosts=[STOCKS.public], gateways=["entry"], http=[gone, stock], **near
            ),
            istio_object("VirtualService", INSIDE, FRONT, hosts=[STOCKS.host], http=[{"delegate": delegate}], **near),
        ],
        wait=False,
    )


def reset() -> None:
    """The rules as they were made, and no release known."""
    start_anew(LEAF, rules())


def greens() -> list[int]:
    """What green has in each rule."""
    http = KUBE.get("virtualservice", LEAF)["spec"]["http"]
    return [entry["weight"] for rule in http for entry in rule["route"] if entry["destination"]["subset"] == "green"]


def roots() -> list[Object]:
    """What belongs to others."""
    return [Kube(FRONT).get("virtualservice", name)["metadata"] for name in (OUTSIDE, INSIDE)]
