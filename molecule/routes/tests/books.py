"""The service `books` has a VirtualService at the gateway, one for sidecars, and a delegate; the first one leads."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from foreign import Foreign
from moves import KUBE, NAMESPACE, istio_object, move, start_anew

BOOKS = Foreign(NAMESPACE, name="books")
LEADER, MESH, LEAF, ROOT = "books-routes", "books-mesh", "books-leaf", "books-root"
FOLLOWERS = [{"name": MESH}, {"name": LEAF}]
LIBRARY = f"library.{NAMESPACE}.test"
# Where the gateway has the routes: of the leader, and of the delegate.
ENTRIES = {LEADER: (BOOKS.public, "/version"), LEAF: (LIBRARY, "/shelf")}

Object = dict[str, Any]


def rules() -> dict[str, list[Object]]:
    route = BOOKS.destinations({"blue": 100, "green": 0})
    fixed = {"name": "teapot", "match": [{"uri": {"prefix": "/teapot"}}], "directResponse": {"status": 418}}
    return {
        LEADER: [fixed, {"name": "all", "timeout": "9s", "route": route}],
        MESH: [{"name": "inside", "retries": {"attempts": 2}, "route": route}],
        LEAF: [{"name": "shelf", "rewrite": {"uri": "/version"}, "timeout": "8s", "route": route}],
    }


def set_up() -> None:
    made, known = BOOKS.objects(), rules()
    for each in made:
        if each["kind"] == "Gateway":
            each["spec"]["servers"][0]["hosts"] = [BOOKS.public, LIBRARY]
        if each["kind"] == "VirtualService":
            each["spec"]["http"] = known[LEADER]
    shelf = {"name": "books", "match": [{"uri": {"prefix": "/shelf"}}], "delegate": {"name": LEAF}}
    near = {"exportTo": [".", "istio-system"]}
    inside = istio_object("VirtualService", MESH, hosts=[BOOKS.host], http=known[MESH], exportTo=["."])
    root = istio_object("VirtualService", ROOT, hosts=[LIBRARY], gateways=["books-entry"], http=[shelf], **near)
    KUBE.set_up([*made, inside, istio_object("VirtualService", LEAF, http=known[LEAF]), root])


def reset() -> None:
    for name, known in rules().items():
        start_anew(name, known)


def specs() -> dict[str, Object]:
    """Of those that are there."""
    found = json.loads(KUBE.run("get", "virtualservices", "-o", "json"))["items"]
    named = {each["metadata"]["name"]: each["spec"] for each in found}
    return {name: named[name] for name in (LEADER, MESH, LEAF, ROOT) if name in named}


def without_weights(found: dict[str, Object]) -> dict[str, Object]:
    """All that others have written."""
    left = deepcopy(found)
    for spec in left.values():
        for entry in (entry for rule in spec["http"] for entry in rule.get("route", [])):
            entry.pop("weight", None)
    return left


def greens() -> dict[str, int]:
    """What green has in each VirtualService."""
    return {
        name: entry.get("weight", 0)
        for name, spec in specs().items()
        for rule in spec["http"]
        for entry in rule.get("route", [])
        if entry["destination"]["subset"] == "green"
    }


def canary(state: str, **options: Any) -> Object:
    """Run the module on all three; nothing soaks."""
    fixed = {"stable": "blue", "canary": "green", "virtual_services": FOLLOWERS, "skip_checks": ["callers_routed"]}
    return move(LEADER, state, **{**fixed, **options})
