"""The versions of `baskets` are Services of their own, one of which fails; two rules split requests between them."""

from __future__ import annotations

from typing import Any

from foreign import Foreign
from moves import KUBE, NAMESPACE, start_anew

BASKETS = Foreign(
    NAMESPACE, name="baskets", label="release", versions={"one": {}, "two": {}, "bad": {"PONG_ERROR_RATE": "1"}}
)
ROUTES = f"{BASKETS.name}-routes"
ONE, TWO, BAD = (f"{BASKETS.name}-{version}" for version in BASKETS.versions)

Object = dict[str, Any]


def full(name: str) -> str:
    return f"{name}.{NAMESPACE}.svc.cluster.local"


def to(name: str, weight: int) -> Object:
    return {"destination": {"host": name, "port": {"number": 8088}}, "weight": weight}


def rules(canary: str = TWO) -> list[Object]:
    """By the short name and by the full one, in either order."""
    version = {"match": [{"uri": {"prefix": "/baskets"}}], "rewrite": {"uri": "/version"}, "timeout": "9s"}
    return [
        {"name": "baskets", **version, "route": [to(ONE, 100), to(full(canary), 0)]},
        {"route": [to(canary, 0), {**to(full(ONE), 100), "headers": {"response": {"set": {"x-rule": "rest"}}}}]},
    ]


def objects() -> list[Object]:
    """A Service for each version; the one that callers know selects the pods of all."""
    made = [each for each in BASKETS.objects() if each["kind"] != "DestinationRule"]
    whole = next(each for each in made if each["kind"] == "Service")
    services = [
        {
            **whole,
            "metadata": {**whole["metadata"], "name": f"{BASKETS.name}-{version}"},
            "spec": {**whole["spec"], "selector": {**whole["spec"]["selector"], BASKETS.label: version}},
        }
        for version in BASKETS.versions
    ]
    entry = next(each for each in made if each["kind"] == "VirtualService")
    near = {"exportTo": [".", "istio-system"], "hosts": [BASKETS.public, BASKETS.host]}
    entry["spec"] |= {"http": rules(), "gateways": [f"{BASKETS.name}-entry", "mesh"], **near}
    return [*made, *services]


def reset(canary: str = TWO) -> None:
    """The rules as they were made, with this canary, and no release known."""
    start_anew(ROUTES, rules(canary))


def shares() -> list[dict[str, int]]:
    """The weights of each rule, by Service."""
    http = KUBE.get("virtualservice", ROUTES)["spec"]["http"]
    return [{each["destination"]["host"].split(".")[0]: each["weight"] for each in rule["route"]} for rule in http]
