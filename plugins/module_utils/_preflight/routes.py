# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for where a VirtualService sends requests: hosts, subsets, weights and the order of routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import count
from typing import Any

from .._common.shares import share_of
from .._istio.mesh import (
    ROOT_NAMESPACE,
    Mesh,
    Object,
    Rule,
    RuleDestination,
    destinations_of,
    hosts_overlap,
    name_of,
    rules_of,
)
from .._k8s.kubectl import Operation, add, listed, patch, replace, show
from .._routing.hosts import ServiceName, service_of
from . import subject as about
from .finding import ERROR, Finding, error, warning
from .timestamps import Timestamp, latest, written

_VIRTUAL_SERVICE = "VirtualService"
_DESTINATION_RULE = "DestinationRule"


def virtual_service_exists(mesh: Mesh) -> Iterator[Finding]:
    """The VirtualService exists."""
    if not mesh.focus.name or mesh.focused():
        return
    there = sorted(
        str(name_of(each).name) for each in mesh.virtual_services if _namespace(each) == mesh.focus.namespace
    )
    problem = f"does not exist; namespace {mesh.focus.namespace} has: {', '.join(there) or 'none'}"
    command = listed(_VIRTUAL_SERVICE, mesh.focus.namespace)
    remedy = "name the one that routes the service"
    yield Finding(ERROR, _VIRTUAL_SERVICE, mesh.focus.namespace, mesh.focus.name, problem, remedy, command=command)


def host_resolves(mesh: Mesh) -> Iterator[Finding]:
    """Every host of a destination, and of a DestinationRule in its namespace, is a Service or a ServiceEntry."""
    entries = [host for entry in mesh.service_entries for host in entry["spec"].get("hosts") or []]
    for destination in _first_of_each(mesh, lambda one: one.host):
        host, thing = destination.host, destination.virtual_service
        if not _resolves(mesh, host, destination.namespace, entries):
            near = _nearest(mesh, host, destination.namespace)
            command = _rewritten(destination, "host", near) if near and _is_meant(mesh, destination, near) else ""
            problem = f"sends {destination.rule.label} to host {host}"
            since = written(thing, "spec", destination.rule.protocol, later=True)
            yield _unresolved(_VIRTUAL_SERVICE, thing, problem, host, near, command, since, [_rule(destination)])
    for rule in mesh.destination_rules:
        host, namespace = rule["spec"].get("host", ""), _namespace(rule)
        mine = namespace in {_namespace(each) for each in mesh.focused()}
        if mine and "*" not in host and not _resolves(mesh, host, namespace, entries):
            near = _nearest(mesh, host, namespace)
            fixed = [replace("/spec/host", near)] if near and _is_ours(mesh, rule, near) else []
            command, since = patch(_DESTINATION_RULE, rule, fixed), written(rule, "spec", "host", later=True)
            meant = service_of(near, namespace) if near else None
            names = [each["name"] for each in rule["spec"].get("subsets") or []]
            theirs = [about.version(meant, name) for name in names] if meant else []
            yield _unresolved(_DESTINATION_RULE, rule, f"is for host {host}", host, near, command, since, theirs)


def destination_port_exists(mesh: Mesh) -> Iterator[Finding]:
    """A destination names a port of its Service, unless the Service has only one."""
    for destination in _first_of_each(mesh, lambda one: (one.host, one.port)):
        service = destination.service and mesh.service(destination.service)
        if not service:
            continue
        ports = [port["port"] for port in service["spec"].get("ports") or []]
        listed = ", ".join(map(str, ports)) or "none"
        if destination.port is None and len(ports) > 1:
            problem = f"names no port of Service {destination.service} in {destination.rule.label}, which has {listed}"
        elif destination.port is not None and destination.port not in ports:
            problem = (
                f"sends {destination.rule.label} to port {destination.port} of Service {destination.service}, "
                f"which has {listed}"
            )
        else:
            continue
        remedy = "set destination.port.number to one of them"
        command = show("Service", service)
        if len(ports) == 1:
            command = _rewritten(destination, "port", {"number": ports[0]})
        since = written(destination.virtual_service, "spec", destination.rule.protocol, later=True)
        yield error(
            _VIRTUAL_SERVICE, destination.virtual_service, problem, remedy, command, since, [_rule(destination)]
        )


def subset_defined(mesh: Mesh) -> Iterator[Finding]:
    """Every subset that a route names is defined by a DestinationRule for that host."""
    for destination in _first_of_each(mesh, lambda one: (one.service, one.subset)):
        service = destination.service
        if not destination.subset or not service or not mesh.service(service) or mesh.subset(destination):
            continue
        rules = mesh.rules_for(service)
        defined = sorted(subset["name"] for rule in rules for subset in rule["spec"].get("subsets") or [])
        where = f"DestinationRule {name_of(rules[0])} defines only {', '.join(defined) or 'none'}" if rules else ""
        problem = (
            f"sends {destination.share:g} % of {destination.rule.label} to subset {destination.subset} of Service "
            f"{service}, and {where or 'there is no DestinationRule for that host'}; such requests get 503"
        )
        command = _define(mesh, rules[0], destination.subset) if rules else ""
        if command:
            remedy = "define it"
        elif rules:
            remedy = "define it by the labels of its pods"
            command = listed("pods", service.namespace)
        else:
            remedy = _create(service, destination.subset)
        since = written(rules[0], "spec", "subsets") if rules else None
        theirs = [about.version(service, destination.subset)]
        yield error(_VIRTUAL_SERVICE, destination.virtual_service, problem, remedy, command, since, theirs)


def one_definition_per_subset(mesh: Mesh) -> Iterator[Finding]:
    """A subset is defined once: of several definitions only the first applies."""
    for service, rules in _visible_rules(mesh):
        definers: dict[str, list[Object]] = {}
        for rule in rules:
            for subset in rule["spec"].get("subsets") or []:
                definers.setdefault(subset["name"], []).append(rule)
        several: dict[tuple[ServiceName, ...], list[str]] = {}  # the subsets by their DestinationRules
        for subset, found in definers.items():
            if len(found) > 1:
                several.setdefault(tuple(map(name_of, found)), []).append(subset)
        for names, subsets in several.items():
            theirs = [rule for rule in rules if name_of(rule) in names]
            where, be = ", ".join(map(str, dict.fromkeys(names))), "is" if len(subsets) == 1 else "are"
            problem = (
                f"defines subset {', '.join(subsets)} of Service {service}, which {be} defined {len(names)} times "
                f"(in {where})"
            )
            since = latest(*(written(rule, "spec", "subsets") for rule in theirs))
            remedy = "keep one definition, as their owners agree"
            command = show(_DESTINATION_RULE, theirs[-1])
            concerned = [about.service(service)]
            yield error(_DESTINATION_RULE, theirs[0], problem, remedy, command, since, concerned)


def one_rule_per_host(mesh: Mesh) -> Iterator[Finding]:
    """A Service has one DestinationRule: several are merged in one namespace, and hide each other across them."""
    for service, rules in _visible_rules(mesh):
        if len(rules) < 2:
            continue
        others = ", ".join(str(name_of(rule)) for rule in rules[1:])
        merged = len({_namespace(rule) for rule in rules}) == 1
        what = "are merged, and only one traffic policy applies" if merged else "hide each other"
        problem = f"is one of {len(rules)} for Service {service}, with {others}: they {what}"
        remedy = f"put all subsets into {name_of(rules[0])}, as the owners of the others agree"
        since = latest(*(written(rule, "spec", "host") for rule in rules))
        say = warning if merged else error
        command, theirs = show(_DESTINATION_RULE, rules[1]), [about.service(service)]
        yield say(_DESTINATION_RULE, rules[0], problem, remedy, command, since, theirs)


def rule_in_service_namespace(mesh: Mesh) -> Iterator[Finding]:
    """The subsets of a Service are defined in its namespace: gateways look for them only there."""
    for destination in _first_of_each(mesh, lambda one: (one.service, one.subset)):
        subset, service = mesh.subset(destination), destination.service
        rules = [rule for rule in mesh.rules_for(service) if _defines(rule, destination.subset)] if service else []
        if not subset or not service or any(_namespace(rule) == service.namespace for rule in rules):
            continue
        rule = rules[0]
        seen = {_namespace(each) for each in rules} & {ROOT_NAMESPACE, *_clients(mesh, [destination])}
        whom = "all clients but those there" if seen else "the gateway and all clients elsewhere"
        problem = f"defines subset {subset.name} of Service {service} in another namespace, hidden from {whom}"
        remedy = f"move it to namespace {service.namespace}"
        theirs = [about.service(service), about.version(service, subset.name)]
        say = warning if seen else error
        yield say(_DESTINATION_RULE, rule, problem, remedy, show(_DESTINATION_RULE, rule), about=theirs)


def exported_to_gateway(mesh: Mesh) -> Iterator[Finding]:
    """The VirtualService, and the DestinationRules of its routes, are exported to the namespace of its gateway."""
    for virtual_service in mesh.focused():
        clients = mesh.client_namespaces(virtual_service)
        services = {each.service for each in destinations_of(virtual_service) if each.service}
        rules = [(_DESTINATION_RULE, rule) for service in services for rule in mesh.rules_for(service)]
        for kind, thing in [(_VIRTUAL_SERVICE, virtual_service), *rules]:
            exported = thing["spec"].get("exportTo") or ["*"]
            own = {_namespace(thing)} if "." in exported else set()
            missing = sorted(clients - own - set(exported)) if "*" not in exported else []
            if missing:
                problem = f"is exported to {', '.join(exported)} only, and the gateway runs in {', '.join(missing)}"
                remedy = f"add {', '.join(missing)} to spec.exportTo"
                command = show(kind, thing)  # routes may be hidden on purpose
                if kind == _DESTINATION_RULE and _is_own(mesh, thing):
                    command = patch(kind, thing, [add("/spec/exportTo/-", each) for each in missing])
                target = service_of(thing["spec"].get("host", ""), _namespace(thing))
                theirs = [about.service(target)] if target else [about.thing(kind, thing)]
                yield error(kind, thing, problem, remedy, command, written(thing, "spec", "exportTo"), theirs)


def weights_complete(mesh: Mesh) -> Iterator[Finding]:
    """Weights add up to 100, and a single destination has none."""
    for virtual_service in mesh.focused():
        for rule in rules_of(virtual_service):
            weights = [route.get("weight") for route in rule.content.get("route") or []]
            since, theirs = _routed(virtual_service, rule), [_place(virtual_service, rule)]
            total = sum(weight or 0 for weight in weights)
            added = " + ".join("none" if weight is None else str(weight) for weight in weights)
            if len(weights) == 1 and weights[0] not in (None, 100):
                problem = f"gives the only destination of {rule.label} weight {added}, but it gets all requests"
                remedy = "keep both versions as destinations and give them weights that add up to 100"
                say = warning if weights[0] else error
                yield say(_VIRTUAL_SERVICE, virtual_service, problem, remedy, since=since, about=theirs)
            elif len(weights) > 1 and not total:
                problem = f"gives the {len(weights)} destinations of {rule.label} no weight, which proxies reject"
                remedy = "give them weights that add up to 100"
                yield error(_VIRTUAL_SERVICE, virtual_service, problem, remedy, since=since, about=theirs)
            elif len(weights) > 1 and total != 100:
                shares = " and ".join(f"{share_of(weight or 0, total)} %" for weight in weights)
                problem = f"has the weights {added} = {total} in {rule.label}, which means {shares}"
                remedy = "write weights that add up to 100"
                yield warning(_VIRTUAL_SERVICE, virtual_service, problem, remedy, since=since, about=theirs)


def route_not_shadowed(mesh: Mesh) -> Iterator[Finding]:
    """No route comes after one that matches all of its requests."""
    for virtual_service in mesh.focused():
        http = [rule for rule in rules_of(virtual_service) if rule.protocol == "http"]
        for rule in http:
            before = next((each for each in http[: rule.index] if _takes_all_of(each, rule)), None)
            if before is None:
                continue
            weighted = len(rule.content.get("route") or []) > 1
            problem = f"never uses {rule.label}: {before.label} comes before it and matches the same requests"
            remedy = f"move {rule.label} before {before.label}, or narrow the match of {before.label}"
            command = show(_VIRTUAL_SERVICE, virtual_service)  # the first one may block requests on purpose
            say = error if weighted else warning
            since, theirs = _routed(virtual_service, rule), [_place(virtual_service, rule)]
            yield say(_VIRTUAL_SERVICE, virtual_service, problem, remedy, command, since, theirs)


def route_named(mesh: Mesh) -> Iterator[Finding]:
    """A route with several destinations has a name, so that it is found when routes are added or moved."""
    for virtual_service in mesh.focused():
        for rule in rules_of(virtual_service):
            if rule.protocol == "http" and len(rule.content.get("route") or []) > 1 and not rule.content.get("name"):
                name = _free_name(virtual_service)
                command = patch(_VIRTUAL_SERVICE, virtual_service, [add(f"/spec/http/{rule.index}/name", name)])
                problem, since = f"has no name for {rule.label}, which is weighted", _routed(virtual_service, rule)
                yield warning(_VIRTUAL_SERVICE, virtual_service, problem, "name it", command, since)


def _place(virtual_service: Object, rule: Rule) -> str:
    return about.rule(virtual_service, rule.protocol, rule.index)


def _rule(destination: RuleDestination) -> str:
    return _place(destination.virtual_service, destination.rule)


def _first_of_each(mesh: Mesh, key: Any) -> Iterator[RuleDestination]:
    """The destinations, only the first with each key in a VirtualService."""
    seen = set()
    for destination in mesh.destinations():
        mark = (name_of(destination.virtual_service), key(destination))
        if mark not in seen:
            seen.add(mark)
            yield destination


def _visible_rules(mesh: Mesh) -> Iterator[tuple[ServiceName, list[Object]]]:
    """The DestinationRules for each Service that gateways see."""
    for target, destinations in mesh.targets():
        service = name_of(target)
        places = {service.namespace, ROOT_NAMESPACE, *_clients(mesh, destinations)}
        yield service, [rule for rule in mesh.rules_for(service) if _namespace(rule) in places]


def _clients(mesh: Mesh, destinations: list[RuleDestination]) -> set[str]:
    return {namespace for each in destinations for namespace in mesh.client_namespaces(each.virtual_service)}


def _namespace(thing: Mapping[str, Any]) -> str:
    return str(thing["metadata"]["namespace"])


def _resolves(mesh: Mesh, host: str, namespace: str, entries: list[str]) -> bool:
    service = service_of(host, namespace)
    return (service is not None and mesh.service(service) is not None) or any(
        hosts_overlap(host, entry) for entry in entries
    )


def _nowhere(host: str) -> str:
    parts = host.split(".")
    if len(parts) in (2, 3) and parts[2:] in ([], ["svc"]):
        return "which Istio reads as a full name because of its dots, and no Service or ServiceEntry has it"
    return "which is no Service and no ServiceEntry"


def _unresolved(
    kind: str,
    thing: Object,
    problem: str,
    host: str,
    near: str,
    command: str,
    since: Timestamp | None,
    theirs: list[str],
) -> Finding:
    """near: the host that is probably meant; command: sets it, if it surely is."""
    remedy = f"write {near}" if near else "see which Services there are"
    command = command or listed("services", _wanted(host, _namespace(thing)))
    return error(kind, thing, f"{problem}, {_nowhere(host)}", remedy, command, since, theirs)


def _nearest(mesh: Mesh, host: str, namespace: str) -> str:
    """The full name of the Service that is probably meant; empty if none is like it."""
    name, wanted = host.split(".")[0], _wanted(host, namespace)
    there = [service["metadata"]["name"] for service in mesh.services if _namespace(service) == wanted]
    near = [name] if name in there else get_close_matches(name, there, n=1, cutoff=0.5)
    near += [each for each in there if each.startswith(name)][: 1 - len(near)]
    return f"{near[0]}.{wanted}.svc.cluster.local" if near else ""


def _wanted(host: str, namespace: str) -> str:
    """The namespace that a host names, or else that of its object."""
    _name, *rest = host.split(".")
    return rest[0] if rest and rest[1:2] in ([], ["svc"]) else namespace


def _defines(rule: Mapping[str, Any], subset: str) -> bool:
    return any(each["name"] == subset for each in rule["spec"].get("subsets") or [])


def _define(mesh: Mesh, rule: Object, subset: str) -> str:
    """The command that defines a subset by the label of the others; empty if that would be a guess."""
    defined = rule["spec"].get("subsets") or []
    keys = {key for each in defined for key in each.get("labels") or {}}
    if len(keys) != 1 or not _is_own(mesh, rule):
        return ""
    return patch(_DESTINATION_RULE, rule, [add("/spec/subsets/-", {"name": subset, "labels": {keys.pop(): subset}})])


def _is_meant(mesh: Mesh, destination: RuleDestination, near: str) -> bool:
    """Whether this Service is surely meant: it has the name, or the subset, that the destination names."""
    service = service_of(near, destination.namespace)
    if service is None:
        return False
    same = destination.host.split(".")[0] == service.name
    rules = mesh.rules_for(service)
    return same or (bool(destination.subset) and any(_defines(rule, destination.subset) for rule in rules))


def _is_ours(mesh: Mesh, rule: Object, near: str) -> bool:
    """Whether a DestinationRule without a Service has subsets that the routes name for this Service without one."""
    service = service_of(near, _namespace(rule))
    if service is not None and mesh.rules_for(service):
        return False
    wanted = {each.subset for each in mesh.destinations() if each.service == service and each.subset}
    return service is not None and mesh.owns(service) and any(_defines(rule, subset) for subset in wanted)


def _is_own(mesh: Mesh, rule: Object) -> bool:
    """Whether a DestinationRule is in the namespace of its Service, which belongs to the checked routes."""
    service = service_of(rule["spec"].get("host", ""), _namespace(rule))
    return service is not None and service.namespace == _namespace(rule) and mesh.owns(service)


def _free_name(virtual_service: Object) -> str:
    """A name that none of its rules has."""
    taken = {rule.content.get("name") for rule in rules_of(virtual_service)}
    names = (f"primary-{number}" if number > 1 else "primary" for number in count(1))
    return next(name for name in names if name not in taken)


def _create(service: ServiceName, subset: str) -> str:
    rule = f"create a DestinationRule in namespace {service.namespace} that defines {subset}"
    return f"{rule}, as the role progressive.istio.destination_rule does"


def _routed(virtual_service: Object, rule: Rule) -> Timestamp | None:
    return written(virtual_service, "spec", rule.protocol)


def _rewritten(wrong: RuleDestination, field: str, value: object) -> str:
    """The command that sets a field of all destinations that have what this one has there."""
    changes: list[Operation] = []
    for rule in rules_of(wrong.virtual_service):
        for index, entry in enumerate(rule.content.get("route") or []):
            target = entry["destination"]
            if (target["host"], (target.get("port") or {}).get("number")) == (wrong.host, wrong.port):
                path = f"/spec/{rule.protocol}/{rule.index}/route/{index}/destination/{field}"
                changes.append(add(path, value))  # in an object `add` replaces too
    return patch(_VIRTUAL_SERVICE, wrong.virtual_service, changes)


def _takes_all_of(before: Rule, rule: Rule) -> bool:
    """Whether the earlier rule matches all requests of the later one, judged by equal matches alone."""
    earlier, later = before.content.get("match") or [], rule.content.get("match") or []
    return (
        not earlier
        or any(_is_catch_all(each) for each in earlier)
        or (bool(later) and all(one in earlier for one in later))
    )


def _is_catch_all(match: Mapping[str, Any]) -> bool:
    conditions = {key: value for key, value in match.items() if key not in ("name", "ignoreUriCase", "statPrefix")}
    return conditions in ({}, {"uri": {"prefix": "/"}}, {"uri": {"regex": ".*"}})
