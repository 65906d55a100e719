# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP route of a VirtualService that splits requests between versions: find it, read it, patch weights. Pure.

Shares are percentages of what the versions of a release have together. That is everything in the usual route; in a
route with further destinations it is the rest, and the weights of those are never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .._common.shares import Share, exact, share_of
from .hosts import identity, same_host

ANNOTATION = "progressive.istio/canary"

Operations = list[dict[str, Any]]

EVERY_POD = "without subset, so every pod behind it"


class RouteError(Exception):
    """One sentence: why no route can be moved."""


@dataclass(frozen=True)
class Destination:
    """A version in a rule. weight: as Istio applies it, which may differ from the written one."""

    index: int
    weight: int


@dataclass(frozen=True)
class Route:
    """One rule of `spec.http`, and its destinations of one host.

    label: its name, or empty. destinations: by subset. total: the sum of all weights of the rule, including those of
    other hosts. elsewhere: the weights of those, by host and subset.
    """

    rule: int
    label: str
    host: str
    port: Mapping[str, Any] | None
    destinations: Mapping[str, Destination]
    total: int
    elsewhere: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name, or else its number."""
        return self.label or f"number {self.rule + 1}"

    def weights(self, versions: Iterable[str]) -> dict[str, int]:
        """The weights of those versions that are destinations."""
        return {name: self.destinations[name].weight for name in versions if name in self.destinations}

    def shares(self, versions: Iterable[str]) -> dict[str, Share]:
        """The percentage of each version, of what they have together."""
        weights = self.weights(versions)
        whole = sum(weights.values())
        return {name: share_of(weight, whole) if whole else 0 for name, weight in weights.items()}

    def of_all(self, shares: Mapping[str, Share]) -> dict[str, Share]:
        """These shares as percentages of all requests of the rule, and those of its other destinations.

        Another destination is named by its host, or by its subset if it has the same host.
        """
        others = {name: place.weight for name, place in self.destinations.items() if name not in shares}
        others = {name or self.host: weight for name, weight in others.items()} | {
            f"{subset} of {host}" if subset else host: weight for (host, subset), weight in self.elsewhere.items()
        }
        others = {name: weight for name, weight in others.items() if weight}
        if not others or not self.total:
            return dict(shares)
        left = self.total - sum(others.values())
        mine = {name: exact(Fraction(share) * left / self.total) for name, share in shares.items()}
        return mine | {name: share_of(weight, self.total) for name, weight in others.items()}

    def numbers(self, before: Iterable[str], shares: Mapping[str, Share]) -> dict[str, int]:
        """The weights to write for these shares of what the versions in `before` have now. Raises RouteError."""
        present = sum(self.weights(before).values())
        whole = 100 if present == self.total else present
        if not whole:
            raise RouteError(
                f"HTTP route {self.name} leaves {' and '.join(shares)} nothing to share: "
                "its other destinations take everything"
            )
        if any(share * whole % 100 for share in shares.values()):
            possible = ", ".join(str(share) for share in range(101) if not share * whole % 100)
            raise RouteError(
                f"{', '.join(f'{name} {share} %' for name, share in shares.items())} cannot be set in HTTP route "
                f"{self.name}: its other destinations leave {whole} of {self.total}, and possible "
                f"percentages of that are: {possible}"
            )
        return {name: int(share * whole // 100) for name, share in shares.items()}


def locate(
    virtual_service: Mapping[str, Any], versions: Iterable[str], *, name: str | None = None, host: str | None = None
) -> Route:
    """The one rule, with one host, that has the most of these versions. Raises RouteError if several have."""
    wanted = frozenset(versions)
    best = candidates(virtual_service, wanted, name=name, host=host)
    if len(best) > 1:
        meta = virtual_service["metadata"]
        raise RouteError(
            f"VirtualService {meta['namespace']}/{meta['name']} routes to "
            f"{' and '.join(sorted(best[0].weights(wanted)))} in {len(best)} places: "
            f"{', '.join(f'{route.name} ({route.host})' for route in best)}; "
            "say which one you mean by `route` and `destination_host`, and give unnamed routes a name"
        )
    return best[0]


def candidates(
    virtual_service: Mapping[str, Any], versions: Iterable[str], *, name: str | None = None, host: str | None = None
) -> list[Route]:
    """All rules, each with one host, that have the most of these versions. Raises RouteError if none has any."""
    meta = virtual_service["metadata"]
    namespace, wanted = meta["namespace"], frozenset(versions)
    place = f"VirtualService {namespace}/{meta['name']}"
    rules = (virtual_service.get("spec") or {}).get("http") or []
    chosen = [index for index, rule in enumerate(rules) if not name or rule.get("name") == name]
    if not chosen:
        names = ", ".join(_name(index, rule) for index, rule in enumerate(rules)) or "none"
        raise RouteError(f"{place} has no HTTP route{f' {name}' if name else ''}; its HTTP routes: {names}")
    found = [
        _route(index, rules[index], key, namespace, wanted)
        for index in chosen
        for key in _identities(rules[index], namespace)
        if not host or key == identity(host, namespace)
    ]
    most = max((len(route.weights(wanted)) for route in found), default=0)
    if not most:
        where = f"HTTP route {name} of {place}" if name else place
        of_host = f" of host {host}" if host else ""
        raise RouteError(
            f"{where} has no destination with subset {' or '.join(sorted(wanted))}{of_host}; "
            f"it has {', '.join(_described(rules[index]) for index in chosen)}"
        )
    return [route for route in found if len(route.weights(wanted)) == most]


def every_route(virtual_service: Mapping[str, Any]) -> list[Route]:
    """All rules with destinations, each with one host."""
    namespace = virtual_service["metadata"]["namespace"]
    rules = (virtual_service.get("spec") or {}).get("http") or []
    return [
        _route(index, rule, key, namespace, frozenset())
        for index, rule in enumerate(rules)
        for key in _identities(rule, namespace)
    ]


def has_route(virtual_service: Mapping[str, Any], name: str) -> bool:
    """Whether there is an HTTP route of this name."""
    return any(rule.get("name") == name for rule in (virtual_service.get("spec") or {}).get("http") or [])


def users(virtual_service: Mapping[str, Any], host: str, namespace: str, version: str) -> list[str]:
    """The rules of any kind that lead to a version of a host, at any weight. namespace: where the host is read."""
    meta, spec, found = virtual_service["metadata"], virtual_service.get("spec") or {}, []
    for kind in ("http", "tcp", "tls"):
        for index, rule in enumerate(spec.get(kind) or []):
            entries = [*(rule.get("route") or []), *(rule.get("mirrors") or [])]
            places = [*(entry["destination"] for entry in entries), *([rule["mirror"]] if rule.get("mirror") else [])]
            if any(
                place.get("subset") == version and same_host(place["host"], meta["namespace"], host, namespace)
                for place in places
            ):
                found.append(f"{kind} route {_name(index, rule)} of {meta['namespace']}/{meta['name']}")
    return found


def pair(virtual_service: Mapping[str, Any], *, name: str | None = None) -> tuple[str, str] | None:
    """The two versions of the only rule that splits requests between two, in the order of its destinations."""
    found = set()
    for rule in (virtual_service.get("spec") or {}).get("http") or []:
        subsets = [entry["destination"].get("subset") for entry in rule.get("route") or []]
        if len(subsets) == 2 and all(subsets) and len(set(subsets)) == 2 and (not name or rule.get("name") == name):
            found.add((subsets[0], subsets[1]))
    return found.pop() if len(found) == 1 else None


def move(
    virtual_service: Mapping[str, Any],
    routes: Iterable[Route],
    before: Iterable[str],
    shares: Mapping[str, Share],
    note: str | None,
) -> Operations:
    """The patch that gives these versions these shares in each route, unless the object has changed since.

    note: the new annotation; None keeps the present one.
    """
    changes = [change for route in routes for change in _changes(route, before, shares)]
    return _guarded(virtual_service, changes, note)


def _changes(route: Route, before: Iterable[str], shares: Mapping[str, Share]) -> Operations:
    """The changes of one route.

    A version without a destination takes over one of a version in `before` that has no weight and is no longer
    needed, or else gets a new one.
    """
    base = f"/spec/http/{route.rule}/route"
    numbers = route.numbers(before, shares)
    retired = [route.destinations[name] for name in before if name not in shares and name in route.destinations]
    free = [place for place in retired if not place.weight]
    changes: Operations = []
    for version, weight in numbers.items():
        place = route.destinations.get(version)
        if place is None and free:
            place = free.pop()
            changes.append(_set(f"{base}/{place.index}/destination/subset", version))
        if place is None:
            destination = {"host": route.host, "subset": version} | ({"port": route.port} if route.port else {})
            changes.append(_set(f"{base}/-", {"destination": destination, "weight": weight}))
        else:
            changes.append(_set(f"{base}/{place.index}/weight", weight))
    return changes


def remove(virtual_service: Mapping[str, Any], route: Route, version: str, note: str) -> Operations:
    """The patch that removes a version from the route and writes the annotation."""
    path = f"/spec/http/{route.rule}/route/{route.destinations[version].index}"
    return _guarded(virtual_service, [{"op": "remove", "path": path}], note)


def annotate(virtual_service: Mapping[str, Any], note: str) -> Operations:
    """The patch that writes only the annotation."""
    return _guarded(virtual_service, [], note)


def patched(virtual_service: Mapping[str, Any], operations: Operations) -> dict[str, Any]:
    """The object after one of the patches above, for predictions of several writes."""
    result: dict[str, Any] = deepcopy(dict(virtual_service))
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = result
        for part in way:
            place = place[int(part) if isinstance(place, list) else part]
        if operation["op"] == "remove":
            del place[int(last)]
        elif operation["op"] == "add" and isinstance(place, list):
            place.append(operation["value"])
        elif operation["op"] == "add":
            place[last] = operation["value"]
    return result


def note_of(virtual_service: Mapping[str, Any]) -> str | None:
    """The annotation, or None."""
    note = (virtual_service["metadata"].get("annotations") or {}).get(ANNOTATION)
    return None if note is None else str(note)


def _guarded(virtual_service: Mapping[str, Any], changes: Operations, note: str | None) -> Operations:
    meta = virtual_service["metadata"]
    unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]}
    if note is None:
        return [unchanged, *changes]
    if meta.get("annotations") is None:
        annotation = _set("/metadata/annotations", {ANNOTATION: note})
    else:
        annotation = _set(f"/metadata/annotations/{ANNOTATION.replace('/', '~1')}", note)
    return [unchanged, *changes, annotation]


def _set(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}  # in an object `add` replaces too


def _route(index: int, rule: Mapping[str, Any], key: object, namespace: str, wanted: frozenset[str]) -> Route:
    entries = rule["route"]
    # Istio ignores the weight of a single destination.
    weights = [100] if len(entries) == 1 else [entry.get("weight") or 0 for entry in entries]
    destinations: dict[str, Destination] = {}
    elsewhere: dict[tuple[str, str], int] = {}
    for position, entry in enumerate(entries):
        subset = entry["destination"].get("subset", "")
        if identity(entry["destination"]["host"], namespace) != key:
            other = (entry["destination"]["host"], subset)
            elsewhere[other] = elsewhere.get(other, 0) + weights[position]
            continue
        if subset in destinations and subset in wanted:
            raise RouteError(f"HTTP route {_name(index, rule)} has more than one destination {subset}: merge them")
        destinations.setdefault(subset, Destination(position, weights[position]))
    first = entries[min(place.index for place in destinations.values())]["destination"]
    label, total = str(rule.get("name") or ""), sum(weights)
    return Route(index, label, first["host"], first.get("port"), destinations, total, elsewhere)


def _identities(rule: Mapping[str, Any], namespace: str) -> list[object]:
    return list(dict.fromkeys(identity(entry["destination"]["host"], namespace) for entry in rule.get("route") or []))


def _name(index: int, rule: Mapping[str, Any]) -> str:
    return str(rule.get("name") or f"number {index + 1}")


def described(virtual_service: Mapping[str, Any], name: str | None = None) -> list[str]:
    """The destinations of each rule, or of the one of that name."""
    rules = (virtual_service.get("spec") or {}).get("http") or []
    named = [(_name(index, rule), rule) for index, rule in enumerate(rules) if not name or rule.get("name") == name]
    return [f"{label}: {_described(rule)}" for label, rule in named]


def _described(rule: Mapping[str, Any]) -> str:
    found = [entry["destination"] for entry in rule.get("route") or []]
    return ", ".join(f"{each['host']} {each.get('subset', EVERY_POD)}" for each in found) or "no destination"
