# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the snapshot that the mesh rules check, by two rounds of concurrent requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import partial
from typing import Any

from .._k8s.auth import ClusterError
from .._k8s.client import (
    DEPLOYMENT,
    DESTINATION_RULE,
    GATEWAY,
    MUTATING_WEBHOOK,
    NAMESPACE,
    POD,
    SERVICE,
    SERVICE_ENTRY,
    VALIDATING_WEBHOOK,
    VIRTUAL_SERVICE,
    Cluster,
    Kind,
)
from .._k8s.selectors import as_text
from .injection import is_injector
from .mesh import Focus, Mesh, Object, gateway_names, name_of

Read = Callable[[], list[Any]]

# The first round: of all namespaces, since other routes and gateways may be anywhere.
_EVERYWHERE = {
    "virtual_services": VIRTUAL_SERVICE,
    "destination_rules": DESTINATION_RULE,
    "gateways": GATEWAY,
    "services": SERVICE,
    "service_entries": SERVICE_ENTRY,
    "mutating_webhooks": MUTATING_WEBHOOK,
    "validating_webhooks": VALIDATING_WEBHOOK,
}
_OWN = {"destination_rules": DESTINATION_RULE, "services": SERVICE, "deployments": DEPLOYMENT, "pods": POD}
_CONNECTIONS = 4
INJECTED = "security.istio.io/tlsMode=istio"  # the label of every pod with an injected sidecar
SIDECARS = 200  # how many of them are read


def read(cluster: Cluster, focus: Focus, needs: Collection[str]) -> Mesh:
    """A snapshot with the fields that are needed.

    `unread` has the fields that the account may not read. Without VirtualServices nothing can be checked, so that
    refusal is raised (ClusterError), as every other failure is.
    """
    reads: list[tuple[str, Read]] = [(field, partial(cluster.list, kind)) for field, kind in _EVERYWHERE.items()]
    reads.append(("sidecars", lambda: cluster.some(POD, SIDECARS, INJECTED)[0]))
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        mesh = _gather(pool.map, reads, needs, Mesh(focus))
        return _gather(pool.map, _behind(cluster, mesh), needs, mesh)


def read_own(cluster: Cluster, focus: Focus, why: str) -> Mesh:
    """The VirtualService and what is in its namespace, for accounts that may read no more. why: of the refusal."""
    reads: list[tuple[str, Read]] = [
        (name, partial(cluster.list, kind, focus.namespace)) for name, kind in _OWN.items()
    ]
    reads.append(("virtual_services", partial(_named, cluster, VIRTUAL_SERVICE, focus.name, focus.namespace)))
    known = {"focus", "unread", *dict(reads)}
    unread = {field.name: why for field in fields(Mesh) if field.name not in known}
    return _gather(map, reads, known, Mesh(focus, unread=unread))


def _gather(run: Any, reads: Iterable[tuple[str, Read]], needs: Collection[str], mesh: Mesh) -> Mesh:
    """The snapshot with the needed fields added. run: `map` or that of a pool."""
    needed = [(field, one) for field, one in reads if field in needs]
    found: dict[str, dict[tuple[str, ...], Object]] = {field: {} for field, _read in needed}
    unread = dict(mesh.unread)
    for field, objects, refusal in run(lambda one: (one[0], *_attempt(*one)), needed):
        found[field].update({name_of(thing): thing for thing in objects})
        if refusal:
            unread[field] = refusal
    values: dict[str, Any] = {field: tuple(things.values()) for field, things in found.items()}
    return replace(mesh, unread=unread, **values)


def _behind(cluster: Cluster, mesh: Mesh) -> Iterator[tuple[str, Read]]:
    """What is read once the destinations of the VirtualServices are known."""
    destinations = {each.service.namespace for each in mesh.destinations() if each.service}
    for namespace in sorted(destinations | {mesh.focus.namespace} - {""}):
        yield "namespaces", partial(_named, cluster, NAMESPACE, namespace)
    for namespace in sorted(destinations):
        yield "deployments", partial(cluster.list, DEPLOYMENT, namespace)
        yield "pods", partial(cluster.list, POD, namespace)
    for selector in sorted(_gateway_selectors(mesh)):
        yield "proxies", partial(cluster.list, POD, labels=selector)
    for namespace in sorted(_injector_namespaces(mesh)):
        yield "injectors", partial(cluster.list, POD, namespace)


def _gateway_selectors(mesh: Mesh) -> set[str]:
    """The selectors of the Gateways of the focused VirtualServices."""
    names = {name for each in mesh.focused() for name in gateway_names(each)}
    gateways = [gateway for gateway in mesh.gateways if name_of(gateway) in names]
    selectors = [gateway["spec"].get("selector") or {} for gateway in gateways]
    return {as_text(each) for each in selectors if each}


def _injector_namespaces(mesh: Mesh) -> set[str]:
    webhooks = [webhook for each in mesh.mutating_webhooks for webhook in each.get("webhooks") or []]
    return {
        webhook["clientConfig"]["service"]["namespace"]
        for webhook in webhooks
        if is_injector(webhook) and "service" in webhook["clientConfig"]
    }


def _named(cluster: Cluster, kind: Kind, name: str, namespace: str | None = None) -> list[Any]:
    found = cluster.get(kind, name, namespace)
    return [found] if found else []


def _attempt(field: str, read: Read) -> tuple[list[Any], str]:
    """The objects, or the message of the refusal."""
    try:
        return read(), ""
    except ClusterError as error:
        if error.status != 403 or field == "virtual_services":
            raise
        return [], str(error)
