# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes of a VirtualService that split traffic between versions: find, read and patch them. Pure.

They are of HTTP requests, or of TLS and TCP connections; the weights mean the same in all of them.

A version is a subset of the Service that a rule leads to, or a Service of its own, without a subset; then its name is
the host as `short_name` writes it.

Shares are percentages of what the versions of a release have together. That is everything in the usual route; in a
route with further destinations it is the rest, and the weights of those are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

from .._common.shares import Share, exact, share_of
from .._common.text import joined
from .hosts import HostSubset, ServiceName, identity, same_host, service_of, short_name

ANNOTATION = "progressive.istio/canary"

Operations = list[dict[str, Any]]

EVERY_POD = "without subset, so every pod behind it"
HTTP, TLS, TCP = "http", "tls", "tcp"
PROTOCOLS = (HTTP, TLS, TCP)  # the lists of rules in a VirtualService


class RouteError(Exception):
    """One sentence: why no route can be moved."""


class RuleId(NamedTuple):
    """Where a rule is: in which list of `spec`, and its index there."""

    protocol: str
    position: int

    @property
    def path(self) -> str:
        """Its JSON pointer."""
        return f"/spec/{self.protocol}/{self.position}"

    def name(self, label: str = "") -> str:
        """What it is called: its label, or else its number; only rules for HTTP have labels."""
        return (
            label or f"number {self.position + 1}" if self.protocol == HTTP else f"{self.protocol}:{self.position + 1}"
        )

    def called(self, label: str = "") -> str:
        """The same as text."""
        return f"{'http ' * (self.protocol == HTTP)}route {self.name(label)}"

    def is_called(self, name: str, label: str | None = None) -> bool:
        """Whether this is its label, or its number, also as messages write it."""
        return name in ((label, str(self.position + 1)) if self.protocol == HTTP else ()) or name == self.name()


@dataclass(frozen=True)
class Destination:
    """A version in a rule. weight: as Istio applies it, which may differ from the written one. host: as it is written.

    port: None if none is named.
    """

    index: int
    weight: int
    host: str = ""
    port: int | None = None


@dataclass(frozen=True)
class Route:
    """One rule, and its destinations of one host, or those that are Services of the versions.

    protocol, rule: in which list, and its index there. label: its name, or empty. host: that of its first destination.
    destinations: by subset, or by Service. total: the sum of all weights of the rule, including those of its other
    destinations. elsewhere: the weights of those, by host and subset. namespace: of its VirtualService.
    by_service: the versions are Services.
    """

    rule: int
    label: str
    host: str
    port: Mapping[str, Any] | None
    destinations: Mapping[str, Destination]
    total: int
    elsewhere: Mapping[tuple[str, str], int] = field(default_factory=dict)
    namespace: str = ""
    by_service: bool = False
    protocol: str = HTTP

    @property
    def id(self) -> RuleId:
        """Where it is."""
        return RuleId(self.protocol, self.rule)

    @property
    def order(self) -> tuple[int, int]:
        """By which routes are sorted."""
        return PROTOCOLS.index(self.protocol), self.rule

    @property
    def name(self) -> str:
        """Its name, or else its number."""
        return self.id.name(self.label)

    @property
    def key(self) -> str:
        """The same as annotations have it."""
        return self.label or str(self.rule + 1) if self.protocol == HTTP else self.name

    def place(self, version: str) -> HostSubset:
        """Where a version is, also one that is no destination yet."""
        if self.by_service:
            return HostSubset(identity(version, self.namespace), "")
        return HostSubset(identity(self.host, self.namespace), version)

    def service(self, *versions: str) -> str:
        """What the service is known by: its host, or else the Services of these versions, separated by commas."""
        return ",".join(versions) if self.by_service else self.host

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
                f"{titled([self.name])} leaves {' and '.join(shares)} nothing to share: "
                "its other destinations take everything"
            )
        if any(share * whole % 100 for share in shares.values()):
            possible = ", ".join(str(share) for share in range(101) if not share * whole % 100)
            raise RouteError(
                f"{', '.join(f'{name} {share} %' for name, share in shares.items())} cannot be set in "
                f"{titled([self.name])}: its other destinations leave {whole} of {self.total}, and possible "
                f"percentages of that are: {possible}"
            )
        return {name: int(share * whole // 100) for name, share in shares.items()}


def locate(
    virtual_service: Mapping[str, Any],
    versions: Iterable[str],
    *,
    routes: Sequence[str] = (),
    host: str | None = None,
) -> tuple[Route, ...]:
    """The rules of one host that a release between these versions moves.

    routes: the names or numbers of rules; empty for all with two of the versions, or else the one with one of them.
    RouteError where it is not clear which rules or which host is meant, or where no rule has any.
    """
    wanted = frozenset(versions)
    found = candidates(virtual_service, wanted, routes=routes, host=host)
    namespace, place = virtual_service["metadata"]["namespace"], _place(virtual_service)
    hosts: dict[object, list[Route]] = {}
    for route in found:
        hosts.setdefault(None if route.by_service else identity(route.host, namespace), []).append(route)
    most = max(len(route.weights(wanted)) for route in found)
    fitting = [own for own in hosts.values() if any(len(route.weights(wanted)) == most for route in own)]
    if len(fitting) > 1:
        services = ", ".join(f"{own[0].host} in {listed(own)}" for own in fitting)
        raise RouteError(
            f"{place} routes to {' and '.join(sorted(wanted))} of {len(fitting)} hosts ({services}): "
            "name one of them by `destination_host`"
        )
    own = fitting[0]
    if routes:
        others = [route for route in found if route.id not in {each.id for each in own}]
        if others:
            raise RouteError(
                f"{listed(others)} of {place} lead to {others[0].host}, and {listed(own)} to {own[0].host}"
            )
        return tuple(own)
    telling = tuple(route for route in own if len(route.weights(wanted)) > 1)
    if not telling and len(own) > 1:
        only = joined(list(dict.fromkeys(name for route in own for name in route.weights(sorted(wanted)))))
        raise RouteError(
            f"{listed(own)} of {place} lead to {only} alone of these versions: name those that the release is to "
            "move by `routes`, or give each of them a destination for the other version with weight 0"
        )
    return telling or tuple(own)


def candidates(
    virtual_service: Mapping[str, Any],
    versions: Iterable[str],
    *,
    routes: Sequence[str] = (),
    host: str | None = None,
) -> list[Route]:
    """All rules, each with one host, that have any of these versions. RouteError if none has, or no named one is there.

    routes: the names or numbers of rules; empty for all. host: of subsets; versions that are Services name theirs.
    """
    namespace, wanted, place = virtual_service["metadata"]["namespace"], frozenset(versions), _place(virtual_service)
    rules = dict(rules_in(virtual_service))
    absent = [name for name in routes if not has_route(virtual_service, name)]
    if absent or not rules:
        none = titled(absent) if absent else "HTTP route"
        raise RouteError(f"{place} has no {none}; its {_all_of(virtual_service)}")
    chosen = {rule: content for rule, content in rules.items() if not routes or _is_any(rule, content, routes)}
    found = [
        _route(rule, content, key, namespace, wanted)
        for rule, content in chosen.items()
        for key in _identities(content, namespace)
        if not host or key == identity(host, namespace)
    ]
    found += [_service_route(rule, content, namespace, wanted) for rule, content in chosen.items()]
    having = [route for route in found if route.weights(wanted)]
    without = {rule: content for rule, content in chosen.items() if rule not in {route.id for route in having}}
    if without and (routes or not having):
        names = [_name(rule, content) for rule, content in without.items()]
        where = f"{titled(names)} of {place}" if routes else place
        of_host = f" of host {host}" if host else ""
        raise RouteError(
            f"{where} has no destination with subset or host {' or '.join(sorted(wanted))}{of_host}; "
            f"it has {', '.join(_described(content) for content in without.values())}"
        )
    return having


def names_of(routes: Iterable[Route]) -> list[str]:
    """The names or numbers of these rules, in their order."""
    return [route.name for route in sorted(routes, key=lambda each: each.order)]


def listed(routes: Iterable[Route]) -> str:
    """The same as text, such as "HTTP routes cart, pay and number 3"."""
    return titled(names_of(routes))


def titled(names: Sequence[str]) -> str:
    """Names or numbers of rules as that text."""
    http = "" if any(name.startswith((f"{TLS}:", f"{TCP}:")) for name in names) else "HTTP "
    return f"{http}route{'s' * (len(names) > 1)} {joined(names)}"


def rules_in(virtual_service: Mapping[str, Any]) -> Iterator[tuple[RuleId, Mapping[str, Any]]]:
    """All rules."""
    spec = virtual_service.get("spec") or {}
    for protocol in PROTOCOLS:
        for index, rule in enumerate(spec.get(protocol) or []):
            yield RuleId(protocol, index), rule


def every_route(virtual_service: Mapping[str, Any]) -> list[Route]:
    """All rules with destinations, each with one host, or with the Services that it splits requests between."""
    namespace = virtual_service["metadata"]["namespace"]
    found: list[Route] = []
    for rule, content in rules_in(virtual_service):
        split = services_in(content, namespace)
        if len(split) > 1:
            found.append(_service_route(rule, content, namespace, frozenset(split)))
        whole = {identity(name, namespace) for name in split} if len(split) > 1 else set()
        for key in _identities(content, namespace):
            if key not in whole or _subsets_in(content, key, namespace):
                found.append(_route(rule, content, key, namespace, frozenset()))
    return found


def hosts_of(virtual_service: Mapping[str, Any]) -> set[ServiceName | str]:
    """The hosts of all destinations of its rules."""
    namespace = virtual_service["metadata"]["namespace"]
    return {key for _rule, content in rules_in(virtual_service) for key in _identities(content, namespace)}


def services_in(rule: Mapping[str, Any], namespace: str) -> list[str]:
    """The Services that a rule leads to without a subset, by short name, in their order."""
    hosts = [each["destination"]["host"] for each in rule.get("route") or [] if not each["destination"].get("subset")]
    return list(dict.fromkeys(short_name(host, namespace) for host in hosts if service_of(host, namespace)))


def has_route(virtual_service: Mapping[str, Any], name: str) -> bool:
    """Whether there is a route of this name or number."""
    return any(_is_any(rule, content, [name]) for rule, content in rules_in(virtual_service))


def users(virtual_service: Mapping[str, Any], version: HostSubset) -> list[str]:
    """The rules of any kind that lead to a version, at any weight."""
    meta, found = virtual_service["metadata"], []
    for rule, content in rules_in(virtual_service):
        entries = [*(content.get("route") or []), *(content.get("mirrors") or [])]
        places = [*(entry["destination"] for entry in entries), *([content["mirror"]] if content.get("mirror") else [])]
        if any(
            HostSubset(identity(place["host"], meta["namespace"]), place.get("subset", "")) == version
            for place in places
        ):
            found.append(f"{rule.called(str(content.get('name') or ''))} of {meta['namespace']}/{meta['name']}")
    return found


def pair(
    virtual_service: Mapping[str, Any], *, routes: Sequence[str] = (), host: str | None = None
) -> tuple[str, str] | None:
    """The two versions that all rules with two versions of a host split between, in the order of their destinations.

    routes: the names or numbers of the rules; empty for all. host: of subsets; empty for any.
    """
    namespace, found = virtual_service["metadata"]["namespace"], set()
    for place, rule in rules_in(virtual_service):
        if routes and not _is_any(place, rule, routes):
            continue
        places = [entry["destination"] for entry in rule.get("route") or []]
        services, subsets = services_in(rule, namespace), [each.get("subset") for each in places]
        if len(places) == len(services) == 2:
            found.add((services[0], services[1]))
        of_host = not host or all(same_host(place["host"], namespace, host, namespace) for place in places)
        if of_host and len(subsets) == 2 and all(subsets) and len(set(subsets)) == 2:
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

    note: the new annotation; None keeps the present one. RouteError with all routes that cannot have these shares.
    """
    changes, mistakes = [], []
    for route in routes:
        try:
            changes += _changes(route, before, shares)
        except RouteError as error:
            mistakes.append(str(error))
    if mistakes:
        raise RouteError("; ".join(mistakes))
    return _guarded(virtual_service, changes, note)


def _changes(route: Route, before: Iterable[str], shares: Mapping[str, Share]) -> Operations:
    """The changes of one route.

    A version without a destination takes over one of a version in `before` that has no weight and is no longer
    needed, or else gets a new one.
    """
    base, key = f"{route.id.path}/route", "host" if route.by_service else "subset"
    numbers = route.numbers(before, shares)
    retired = [route.destinations[name] for name in before if name not in shares and name in route.destinations]
    free = [place for place in retired if not place.weight]
    changes: Operations = []
    for version, weight in numbers.items():
        place = route.destinations.get(version)
        if place is None and free:
            place = free.pop()
            changes.append(_set(f"{base}/{place.index}/destination/{key}", version))
        if place is None:
            destination = {"host": route.host} | {key: version} | ({"port": route.port} if route.port else {})
            changes.append(_set(f"{base}/-", {"destination": destination, "weight": weight}))
        else:
            changes.append(_set(f"{base}/{place.index}/weight", weight))
    return changes


def remove(virtual_service: Mapping[str, Any], routes: Iterable[Route], version: str, note: str) -> Operations:
    """The patch that removes a version from the routes that have it, and writes the annotation."""
    paths = [
        f"{route.id.path}/route/{route.destinations[version].index}"
        for route in routes
        if version in route.destinations
    ]
    return _guarded(virtual_service, [{"op": "remove", "path": path} for path in paths], note)


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


def _route(at: RuleId, rule: Mapping[str, Any], key: object, namespace: str, wanted: frozenset[str]) -> Route:
    """The destinations of one host, by subset."""

    def version_of(place: Mapping[str, Any]) -> str | None:
        return place.get("subset", "") if identity(place["host"], namespace) == key else None

    return _with_destinations(_empty(at, namespace), rule, version_of, wanted)


def _service_route(at: RuleId, rule: Mapping[str, Any], namespace: str, wanted: frozenset[str]) -> Route:
    """The destinations that are a Service of one of these versions."""

    def version_of(place: Mapping[str, Any]) -> str | None:
        name = short_name(place["host"], namespace)
        return name if name in wanted and not place.get("subset") else None

    return _with_destinations(replace(_empty(at, namespace), by_service=True), rule, version_of, wanted)


def _empty(at: RuleId, namespace: str) -> Route:
    return Route(at.position, "", "", None, {}, 0, {}, namespace, protocol=at.protocol)


def _with_destinations(
    route: Route,
    rule: Mapping[str, Any],
    version_of: Callable[[Mapping[str, Any]], str | None],
    wanted: frozenset[str],
) -> Route:
    """version_of: the version of a destination, None for one that is of no version."""
    entries = rule.get("route") or []
    # Istio ignores the weight of a single destination.
    weights = [100] if len(entries) == 1 else [entry.get("weight") or 0 for entry in entries]
    destinations: dict[str, Destination] = {}
    elsewhere: dict[tuple[str, str], int] = {}
    first: Mapping[str, Any] = {}
    for position, entry in enumerate(entries):
        place = entry["destination"]
        version = version_of(place)
        if version is None:
            other = (place["host"], place.get("subset", ""))
            elsewhere[other] = elsewhere.get(other, 0) + weights[position]
            continue
        if version in destinations and version in wanted:
            raise RouteError(f"{titled([_name(route.id, rule)])} has more than one destination {version}: merge them")
        first = first or place
        port = (place.get("port") or {}).get("number")
        destinations.setdefault(version, Destination(position, weights[position], place["host"], port))
    return replace(
        route,
        label=str(rule.get("name") or ""),
        host=first.get("host", ""),
        port=first.get("port"),
        destinations=destinations,
        total=sum(weights),
        elsewhere=elsewhere,
    )


def _identities(rule: Mapping[str, Any], namespace: str) -> list[ServiceName | str]:
    return list(dict.fromkeys(identity(entry["destination"]["host"], namespace) for entry in rule.get("route") or []))


def _subsets_in(rule: Mapping[str, Any], key: object, namespace: str) -> bool:
    """Whether a rule leads to subsets of this host."""
    places = [entry["destination"] for entry in rule.get("route") or []]
    return any(place.get("subset") and identity(place["host"], namespace) == key for place in places)


def _place(virtual_service: Mapping[str, Any]) -> str:
    meta = virtual_service["metadata"]
    return f"VirtualService {meta['namespace']}/{meta['name']}"


def _is_any(rule: RuleId, content: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether one of these is its name or number."""
    return any(rule.is_called(name, content.get("name")) for name in names)


def _name(rule: RuleId, content: Mapping[str, Any]) -> str:
    return rule.name(str(content.get("name") or ""))


def _all_of(virtual_service: Mapping[str, Any]) -> str:
    """All rules as text, such as "HTTP routes: cart, number 2"."""
    rules = [(rule, _name(rule, content)) for rule, content in rules_in(virtual_service)]
    http = "HTTP " * all(rule.protocol == HTTP for rule, _called in rules)
    return f"{http}routes: {', '.join(name for _rule, name in rules) or 'none'}"


def described(virtual_service: Mapping[str, Any], routes: Sequence[str] = ()) -> list[str]:
    """The destinations of each rule, or of those with these names or numbers."""
    return [
        f"{_name(rule, content)}: {_described(content)}"
        for rule, content in rules_in(virtual_service)
        if not routes or _is_any(rule, content, routes)
    ]


def _described(rule: Mapping[str, Any]) -> str:
    if rule.get("delegate"):
        named = rule["delegate"]
        where = f"namespace {named['namespace']}" if named.get("namespace") else "the same namespace"
        return f"the delegate {named['name']} of {where}, a VirtualService to name in its place"
    found = [entry["destination"] for entry in rule.get("route") or []]
    return ", ".join(f"{each['host']} {each.get('subset', EVERY_POD)}" for each in found) or "no destination"
