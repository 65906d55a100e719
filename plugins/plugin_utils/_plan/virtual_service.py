# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write into a VirtualService."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils._common.printable import printable
from ...module_utils._routing.hosts import identity
from .objects import NotOurs, Object, about, changed, missing, named, new, objects_of


@dataclass(frozen=True)
class Wanted:
    """The route as the settings describe it."""

    name: str
    namespace: str
    host: str
    port: int
    stable: str
    canary: str
    route: str
    gateways: list[str]
    hosts: list[str]

    def destination(self, subset: str, weight: int) -> Object:
        """A new destination."""
        return {"destination": {"host": self.host, "subset": subset, "port": {"number": self.port}}, "weight": weight}


def plan(found: Mapping[str, Any], **settings: Any) -> Object:
    """Ensure a route with both versions as destinations; existing weights, and everything else, stay."""
    wanted = Wanted(**{**settings, "port": int(settings["port"])})
    with about("VirtualService", wanted.namespace, wanted.name):
        definition, note = _definition(objects_of(found, "VirtualService"), wanted)
    return {"definition": definition, "note": printable(note)}


def _definition(objects: list[Object], wanted: Wanted) -> tuple[Object | None, str]:
    current = named(objects, wanted.name)
    if current is None:
        _refuse_rivals(objects, wanted)
        destinations = [wanted.destination(wanted.stable, 100), wanted.destination(wanted.canary, 0)]
        route = {"name": wanted.route, "match": [{"uri": {"prefix": "/"}}], "route": destinations}
        spec = {"hosts": wanted.hosts, "gateways": wanted.gateways, "http": [route]}
        return new("VirtualService", wanted.name, wanted.namespace, spec), ""
    spec = current["spec"]
    http: list[Object] = list(spec.get("http") or [])
    index = _index(http, wanted)
    destinations, note = _destinations(list(http[index]["route"]), wanted)
    http[index] = {**http[index], "name": wanted.route, "route": destinations}
    # Without gateways Istio reads `mesh`, which must be written out when another one is added.
    gateways: list[str] = list(spec.get("gateways") or ["mesh"])
    known = [_qualified(gateway, wanted.namespace) for gateway in gateways]
    more = [gateway for gateway in wanted.gateways if _qualified(gateway, wanted.namespace) not in known]
    hosts: list[str] = list(spec["hosts"])
    fields: Object = {"http": http, "hosts": [*hosts, *missing(hosts, wanted.hosts)]}
    if more:
        fields["gateways"] = [*gateways, *more]
    remedy = (
        f"its owner can give {wanted.stable} and {wanted.canary} a destination each in http route {wanted.route}, "
        "or give another name as canary_virtual_service"
    )
    return changed("VirtualService", current, fields, remedy), note


def _refuse_rivals(objects: list[Object], wanted: Wanted) -> None:
    """Istio merges VirtualServices of one host and gateway in no sure order."""
    gateways = {_qualified(gateway, wanted.namespace) for gateway in wanted.gateways}
    for rival in objects:
        spec, name = rival["spec"], rival["metadata"]["name"]
        bound = {_qualified(gateway, wanted.namespace) for gateway in spec.get("gateways") or ["mesh"]}
        shared = sorted(set(spec.get("hosts") or []) & set(wanted.hosts))
        if shared and bound & gateways:
            raise NotOurs(
                f"{name} has the host {shared[0]} on {sorted(bound & gateways)[0]} already, and Istio merges the "
                f"two in no defined order: set canary_virtual_service={name}, or canary_gateway_hosts to another host"
            )


def _qualified(gateway: str, namespace: str) -> str:
    return gateway if gateway == "mesh" or "/" in gateway else f"{namespace}/{gateway}"


def _index(http: list[Object], wanted: Wanted) -> int:
    """The index of the canary's route: the one with its name, or else the only unnamed one to its Service."""
    matches = [index for index, route in enumerate(http) if route.get("name") == wanted.route]
    if not matches:
        matches = [index for index, route in enumerate(http) if not route.get("name") and _ours(route, wanted)]
    if len(matches) > 1:
        raise NotOurs(f"{len(matches)} of its http routes could be the canary's: name one of them {wanted.route}")
    if not matches:
        names = ", ".join(route["name"] for route in http if route.get("name"))
        hosts = ", ".join(sorted({one["destination"]["host"] for route in http for one in route.get("route") or []}))
        raise NotOurs(
            f"it has no http route {wanted.route}{f' (but {names})' if names else ''} and no single unnamed one "
            f"to {wanted.host} ({f'its destinations are {hosts}' if hosts else 'it has no destinations'}): "
            "give the route's name as canary_routes, correct its host, or give another name as canary_virtual_service"
        )
    if not _ours(http[matches[0]], wanted):
        hosts = ", ".join(one["destination"]["host"] for one in http[matches[0]].get("route") or [])
        raise NotOurs(
            f"its route {wanted.route} leads to {hosts or 'no destination'}, not to {wanted.host}: correct its host, "
            "or give another canary_routes or canary_virtual_service"
        )
    return matches[0]


def _ours(route: Object, wanted: Wanted) -> bool:
    hosts = [one["destination"]["host"] for one in route.get("route") or []]
    return {identity(host, wanted.namespace) for host in hosts} == {identity(wanted.host, wanted.namespace)}


def _destinations(route: list[Object], wanted: Wanted) -> tuple[list[Object], str]:
    """The destinations with the weights they have, and with the second version if there is only one."""
    if len(route) == 1:  # Istio gives a single destination everything, whatever its weight
        destination = route[0]["destination"]
        subset = destination.get("subset") or wanted.stable
        route = [{**route[0], "destination": {**destination, "subset": subset}, "weight": 100}]
        if subset == wanted.stable:
            return [*route, wanted.destination(wanted.canary, 0)], ""
        if subset == wanted.canary:
            return [wanted.destination(wanted.stable, 0), *route], ""
    weights = {one["destination"].get("subset"): one.get("weight", 0) for one in route}
    shares = ", ".join(f"{weight} to {name or 'all versions'}" for name, weight in weights.items())
    if len(weights) < len(route) or None in weights or not any(weights.values()):
        raise NotOurs(
            f"its route {wanted.route} cannot be read as a split ({shares}): "
            "give each destination a subset of its own, and weights of 100 together"
        )
    if wanted.stable not in weights:
        raise NotOurs(
            f"its route {wanted.route} sends {shares} and has no destination {wanted.stable}: "
            "give the version that serves now as canary_stable_version"
        )
    if wanted.canary not in weights:
        return route, (
            f"Route {wanted.route} of VirtualService {wanted.namespace}/{wanted.name} sends {shares}: "
            f"it stays as it is, and {wanted.canary} is added when its release starts."
        )
    return route, ""
