# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Read the snapshot that the mesh rules are checked on, in two rounds of concurrent requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
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
    VIRTUAL_SERVICE,
    Cluster,
    Kind,
)
from .._k8s.selectors import as_text
from .injection import is_injector
from .mesh import Focus, Mesh, Object, gateway_names, name_of

SERVICE_ENTRY = Kind("networking.istio.io", "v1", "serviceentries", "ServiceEntry")
VALIDATING_WEBHOOK = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)

Read = Callable[[], list[Any]]

# What can be asked for at once: it is about other namespaces too, for that is where rivals and gateways are.
_EVERYWHERE = {
    "virtual_services": VIRTUAL_SERVICE,
    "destination_rules": DESTINATION_RULE,
    "gateways": GATEWAY,
    "services": SERVICE,
    "service_entries": SERVICE_ENTRY,
    "mutating_webhooks": MUTATING_WEBHOOK,
    "validating_webhooks": VALIDATING_WEBHOOK,
}
_OWN = {
    "destination_rules": DESTINATION_RULE,
    "services": SERVICE,
    "deployments": DEPLOYMENT,
    "pods": POD,
}
_CONNECTIONS = 4
INJECTED = "security.istio.io/tlsMode=istio"  # the label that injection gives to every pod with a sidecar
SIDECARS = 200  # how many of them are looked at


def read(cluster: Cluster, focus: Focus, needs: Collection[str]) -> Mesh:
    """The fields that are needed.

    What may not be read is noted in `unread`. Without the VirtualServices there is nothing to be said, so that failure
    is raised like every other one.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:

        def gather(reads: list[tuple[str, Read]], mesh: Mesh) -> Mesh:
            answers = pool.map(lambda one: (one[0], *_attempt(*one)), reads)
            found: dict[str, dict[tuple[str, ...], Object]] = {field: {} for field, _read in reads}
            unread = dict(mesh.unread)
            for field, objects, refusal in answers:
                found[field].update({name_of(thing): thing for thing in objects})
                if refusal:
                    unread[field] = refusal
            fields: dict[str, Any] = {field: tuple(things.values()) for field, things in found.items()}
            return replace(mesh, unread=unread, **fields)

        everywhere = [(field, _lister(cluster, kind)) for field, kind in _EVERYWHERE.items() if field in needs]
        sidecars = [("sidecars", _sidecars(cluster))] if "sidecars" in needs else []
        mesh = gather([*everywhere, *sidecars], Mesh(focus))
        return gather([(field, one) for field, one in _behind(cluster, mesh) if field in needs], mesh)


def read_own(cluster: Cluster, focus: Focus, why: str) -> Mesh:
    """The VirtualService and its namespace, for those who may see no more. why: the refusal of all else."""
    unread = {
        field.name: why for field in fields(Mesh) if field.name not in (*_OWN, "focus", "unread", "virtual_services")
    }
    mesh = Mesh(focus, unread=unread)
    virtual_service = cluster.get(VIRTUAL_SERVICE, focus.name, focus.namespace)
    mesh = replace(mesh, virtual_services=(virtual_service,) if virtual_service else ())
    for name, kind in _OWN.items():
        objects, refusal = _attempt(name, _lister(cluster, kind, focus.namespace))
        found: dict[str, Any] = {name: tuple(objects)}
        mesh = replace(mesh, unread={**mesh.unread, **({name: refusal} if refusal else {})}, **found)
    return mesh


def _behind(cluster: Cluster, mesh: Mesh) -> Iterable[tuple[str, Read]]:
    """What is read once it is known where the focused VirtualServices lead."""
    destinations = {each.service.namespace for each in mesh.destinations() if each.service}
    for namespace in sorted(destinations | {mesh.focus.namespace} - {""}):
        yield "namespaces", _getter(cluster, namespace)
    for namespace in sorted(destinations):
        yield "deployments", _lister(cluster, DEPLOYMENT, namespace)
        yield "pods", _lister(cluster, POD, namespace)
    for selector in sorted(_gateway_selectors(mesh)):
        yield "proxies", _lister(cluster, POD, labels=selector)
    for namespace in sorted(_injector_namespaces(mesh)):
        yield "injectors", _lister(cluster, POD, namespace)


def _gateway_selectors(mesh: Mesh) -> set[str]:
    """By what the pods of the Gateways are found, wherever they are."""
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


def _lister(cluster: Cluster, kind: Kind, namespace: str | None = None, labels: str = "") -> Read:
    return lambda: cluster.list(kind, namespace, labels)


def _sidecars(cluster: Cluster) -> Read:
    return lambda: cluster.some(POD, SIDECARS, INJECTED)[0]


def _getter(cluster: Cluster, namespace: str) -> Read:
    def get() -> list[Any]:
        found = cluster.get(NAMESPACE, namespace)
        return [found] if found else []

    return get


def _attempt(field: str, read: Read) -> tuple[list[Any], str]:
    """The objects, or the words in which they were refused."""
    try:
        return read(), ""
    except ClusterError as error:
        if error.status != 403 or field == "virtual_services":
            raise
        return [], str(error)
