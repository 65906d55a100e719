# SPDX-License-Identifier: GPL-3.0-or-later
"""How requests reach a version otherwise than by its weight: a version at 0 % may still get some. Pure.

A destination leads to a version if all pods of the version have the labels that the destination selects by: the same
subset, one that overlaps with it, the Service without a subset, or another Service of the same pods.
A consistent hash is no such way: Envoy chooses the weighted destination first, and hashes among its pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._common.text import listing, plural
from .._k8s.selectors import includes
from .._routing.hosts import HostSubset, ServiceName, identity, service_of
from .._routing.subsets import subsets_of
from .._routing.virtual_service import Route, RuleId, titled
from .mesh import Mesh, Object, Rule, RuleDestination, destinations_of, hosts_overlap, in_mesh, name_of, rules_of

_DOMAIN = "cluster.local"  # for wildcards alone; a full host is compared by its Service
NAMED = 3  # how many conditions of a match a sentence names
MOST = 5  # how many bypasses of a version are listed
_NAMES = {"headers": "header", "withoutHeaders": "without header", "queryParams": "parameter", "sourceLabels": "label"}


@dataclass(frozen=True)
class MovedRules:
    """The rules whose weights a release moves. route: one of them. elsewhere: those that follow."""

    virtual_service: Object
    rules: frozenset[RuleId]
    route: Route
    elsewhere: frozenset[tuple[ServiceName, RuleId]] = frozenset()

    @property
    def namespace(self) -> str:
        return str(self.virtual_service["metadata"]["namespace"])

    def has(self, virtual_service: Object, rule: Rule) -> bool:
        """Whether the release moves this rule."""
        name = name_of(virtual_service)
        own = name == name_of(self.virtual_service) and rule.id in self.rules
        return own or (name, rule.id) in self.elsewhere


@dataclass(frozen=True)
class Bypass:
    """A way to a version otherwise than by its weight. thing: the object with it; problem: half a sentence about it."""

    version: str
    kind: str
    thing: Object
    problem: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def bypasses(split: MovedRules, version: str, world: Mesh) -> Iterator[Bypass]:
    """The rules of any VirtualService that lead to the version otherwise; those of its own first."""
    own, ours = name_of(split.virtual_service), _Pods.of(split, version, world)
    others = [each for each in world.virtual_services if name_of(each) != own]
    for virtual_service in (split.virtual_service, *others):
        for destination in destinations_of(virtual_service):
            rule = destination.rule
            in_split = split.has(virtual_service, rule)
            is_weight = in_split and ours.is_named(destination.host, destination.subset, destination.namespace)
            if destination.share and not is_weight and ours.behind(destination, world):
                within = f"the weight of {_called(destination)} in " if in_split else ""
                yield _through(version, virtual_service, rule, within, "is also reached by", "sends requests to")
        for rule, mirror in _mirrors(virtual_service):
            if ours.behind(mirror, world):
                part = "the mirror of "
                yield _through(version, virtual_service, rule, part, "also gets copies by", "copies requests to")


def past(split: MovedRules, stable: str, canary: str) -> tuple[str, ...]:
    """The other rules of its VirtualService that lead to the stable version alone, one sentence each."""
    own, found = name_of(split.virtual_service), []
    old, new = split.route.place(stable), split.route.place(canary)
    for rule in rules_of(split.virtual_service):
        entries = [entry["destination"] for entry in rule.content.get("route") or []]
        places = {HostSubset(identity(each["host"], split.namespace), each.get("subset", "")) for each in entries}
        own_places = {place for place in places if place.host in (old.host, new.host)}
        if rule.id not in split.rules and own_places == {old}:
            found.append(
                f"{_place(rule)} of VirtualService {own} leads past {canary}, to {stable} alone{_matched(rule)}"
            )
    return tuple(found[:MOST])


def unrouted_callers(split: MovedRules, version: str, world: Mesh) -> Bypass | None:
    """Set if callers inside the mesh get pods of any version, since no VirtualService routes the Service for them."""
    if split.route.by_service:
        return None  # who calls the Service of a version means it
    service = service_of(split.route.host, split.namespace)
    found = next((each for each in world.services if name_of(each) == service), None)
    if service is None or found is None:
        return None
    selector = found["spec"].get("selector") or {}
    if not selector or not includes(selector, _Pods.of(split, version, world).labels):
        return None
    routing = [each for each in (split.virtual_service, *world.virtual_services) if _routes_callers(each, service)]
    if any("*" in (each["spec"].get("exportTo") or ["*"]) for each in routing):
        return None
    if routing:
        whom, why = "callers in other namespaces", f"VirtualService {name_of(routing[0])} is not exported to them"
    else:
        whom, why = "callers inside the mesh", "no VirtualService bound to mesh routes it"
    problem = f"leads {whom} to all its pods, also to those of {version}: {why}"
    sentence = f"{version} is also reached through Service {service}: {whom} get any of its pods, for {why}"
    return Bypass(version, "Service", found, problem, sentence)


def sentences(split: MovedRules, version: str, world: Mesh, callers: bool = True) -> tuple[str, ...]:
    """The bypasses of a version, at most MOST of them. callers: whether a pod in the mesh could call it."""
    found = [*bypasses(split, version, world), *([unrouted_callers(split, version, world)] if callers else [])]
    listed = list(dict.fromkeys(str(each) for each in found if each))
    more = len(listed) - MOST
    rest = (
        (f"{version} is also reached by {plural(more, 'more place')}, which the module mesh_info lists",)
        if more > 0
        else ()
    )
    return (*listed[:MOST], *rest)


def _through(version: str, virtual_service: Object, rule: Rule, part: str, passive: str, active: str) -> Bypass:
    place, matched = f"{part}{_place(rule)}", _matched(rule)
    sentence = f"{version} {passive} {place} of VirtualService {name_of(virtual_service)}{matched}"
    problem = f"{active} {version} beside its weight, by {place}{matched}"
    return Bypass(version, "VirtualService", virtual_service, problem, sentence)


@dataclass(frozen=True)
class _Pods:
    """The pods of a version, and the labels that all of them have."""

    place: HostSubset
    selector: Mapping[str, str]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, split: MovedRules, version: str, world: Mesh) -> _Pods:
        place = split.route.place(version)
        selector = _selector(place.host, world) or {}
        subset = subsets_of(split.route.host, split.namespace, world.destination_rules).get(place.subset)
        return cls(place, selector, {**selector, **(subset.labels if subset else {})})

    def is_named(self, host: str, subset: str, namespace: str) -> bool:
        return HostSubset(identity(host, namespace), subset) == self.place

    def behind(self, destination: RuleDestination, world: Mesh) -> bool:
        """Whether a destination leads to them, judged by labels."""
        if self.is_named(destination.host, destination.subset, destination.namespace):
            return True
        service, own = identity(destination.host, destination.namespace), self.place.host
        same = service == own
        selector = self.selector if same else _selector(service, world)
        if selector is None or isinstance(own, str) or isinstance(service, str):
            return same and not destination.subset
        wanted = dict(selector)
        if destination.subset:
            subset = subsets_of(destination.host, destination.namespace, world.destination_rules).get(
                destination.subset
            )
            if subset is None:
                return False
            for key, value in subset.labels.items():
                if wanted.setdefault(key, value) != value:
                    return False
        return service.namespace == own.namespace and includes(wanted, self.labels)


def _selector(service: ServiceName | str, world: Mesh) -> Mapping[str, str] | None:
    """The selector of a Service; None if it is unknown or selects nothing."""
    found = next((each for each in world.services if name_of(each) == service), None)
    return (found["spec"].get("selector") or None) if found else None


def _routes_callers(virtual_service: Object, service: ServiceName) -> bool:
    """Whether it configures sidecars for requests to the Service."""
    namespace, full = virtual_service["metadata"]["namespace"], f"{service.name}.{service.namespace}.svc.{_DOMAIN}"
    return in_mesh(virtual_service) and any(
        identity(host, namespace) == service or (host.startswith("*") and hosts_overlap(host, full))
        for host in virtual_service["spec"].get("hosts") or []
    )


def _mirrors(virtual_service: Object) -> Iterator[tuple[Rule, RuleDestination]]:
    for rule in rules_of(virtual_service):
        content = rule.content
        percentage = (content.get("mirrorPercentage") or {}).get("value", content.get("mirrorPercent", 100))
        places = [(content["mirror"], percentage)] if content.get("mirror") else []
        for each in content.get("mirrors") or []:
            places.append((each["destination"], (each.get("percentage") or {}).get("value", 100)))
        for target, share in places:
            if share:
                port = (target.get("port") or {}).get("number")
                subset = target.get("subset", "")
                yield rule, RuleDestination(virtual_service, rule, target["host"], subset, port, share)


def _place(rule: Rule) -> str:
    return titled([rule.id.name(rule.content.get("name") or "")])


def _called(destination: RuleDestination) -> str:
    return f"subset {destination.subset}" if destination.subset else f"{destination.host} without subset"


def _matched(rule: Rule) -> str:
    """The conditions of a rule, the first NAMED of them."""
    matches: Iterable[Mapping[str, Any]] = rule.content.get("match") or []
    conditions = list(dict.fromkeys(one for match in matches for one in _conditions(match)))
    return f" ({listing(conditions, NAMED)})" if conditions else ""


def _conditions(match: Mapping[str, Any]) -> Iterator[str]:
    for key, value in match.items():
        if key in _NAMES:
            yield from (f"{_NAMES[key]} {name}" for name in value)
        elif key in ("uri", "authority", "method", "scheme"):
            yield from (f"{key} {how} {what}" for how, what in value.items())
        elif key in ("port", "sourceNamespace"):
            yield f"{key} {value}"
        elif key in ("gateways", "sniHosts"):
            yield f"{key} {' '.join(value)}"
