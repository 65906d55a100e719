# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the services of clusters: VirtualServices and DestinationRules, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._common.background import begin
from .._k8s.auth import AUTH_ARGUMENTS, ClusterError
from .._k8s.client import DESTINATION_RULE, VIRTUAL_SERVICE, Cluster, Kind, Objects, connect
from .connections import Connection
from .hosts import InventoryHost, Place, hosts
from .services import services

IN_CLUSTER = "in-cluster"


@dataclass(frozen=True)
class Estate:
    """The hosts of one cluster. error: why there are none. warnings: what looks wrong, one sentence each."""

    place: Place
    hosts: tuple[InventoryHost, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""


def read_all(connections: Sequence[Connection]) -> list[Estate]:
    """The services of each cluster; all are read at the same time."""
    several = len(connections) > 1
    begun = [begin(lambda each=each: _read(each, several)) for each in connections]  # type: ignore[misc]
    return [each.result() for each in begun]


def _read(connection: Connection, several: bool) -> Estate:
    place = Place(connection.name or connection.context, connection.context, connection.kubeconfig)
    try:
        params = ArgumentSpecValidator(AUTH_ARGUMENTS).validate(dict(connection.access)).validated_parameters
        cluster = connect(params)
        if connection.context and cluster.context != connection.context:
            raise ClusterError(
                f"context {connection.context} is not used, for variables of the environment such as K8S_AUTH_HOST and "
                f"K8S_AUTH_API_KEY lead to {cluster.server}: unset them, or remove `context`"
            )
        place = _place(connection, cluster, several)
        selector = ",".join(connection.label_selectors)
        routes = _list(cluster, VIRTUAL_SERVICE, connection, selector)
        rules = _list(cluster, DESTINATION_RULE, connection)
    except ClusterError as error:
        return Estate(place, error=str(error))
    known = {each["metadata"]["namespace"] for each in routes}
    warnings = tuple(
        f"namespace {name} in {cluster.where} has no VirtualService{' with these labels' if selector else ''}: "
        "correct `namespaces` if its name is another"
        for name in connection.namespaces
        if name not in known
    )
    return Estate(place, tuple(hosts(services(routes, rules), place)), warnings)


def _place(connection: Connection, cluster: Cluster, several: bool) -> Place:
    name = connection.name or cluster.context
    # Other playbooks find a cluster without a context by the environment, as this one was found.
    named = cluster.context not in (IN_CLUSTER, cluster.server)
    context = cluster.context if named else ""
    return Place(name, context, connection.kubeconfig, name if several or connection.name else "")


def _list(cluster: Cluster, kind: Kind, connection: Connection, labels: str = "") -> Objects:
    """All objects of the kind; one request, or one for each namespace that is given."""
    found: Objects = []
    for namespace in dict.fromkeys(connection.namespaces) or [None]:
        try:
            found += cluster.list(kind, namespace, labels)
        except ClusterError as error:
            if error.status == 403:
                raise ClusterError(f"{error}; {_remedy(namespace)}", error.status, error.reason) from error
            raise
    return found


def _remedy(namespace: str | None) -> str:
    verbs = "grant the account `list` on virtualservices and destinationrules (networking.istio.io)"
    if namespace:
        return f"{verbs} in namespace {namespace}, or remove it from `namespaces`"
    return f"{verbs} in all namespaces, or set `namespaces` to those where it has it"
