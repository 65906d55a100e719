# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Service a host means, by the rules of Istio. Pure."""

from __future__ import annotations

from typing import NamedTuple


class ServiceName(NamedTuple):
    """A Service and its namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def service_of(host: str, namespace: str) -> ServiceName | None:
    """The Service that `host` means in an object of `namespace`; None for a host outside the cluster.

    Istio completes only names without a dot, so `name.namespace` is no Service.
    """
    if "." not in host:
        return ServiceName(namespace, host)
    labels = host.split(".")
    if len(labels) > 3 and labels[2] == "svc":
        return ServiceName(labels[1], labels[0])
    return None


class HostSubset(NamedTuple):
    """A subset of a host; an empty subset is the whole host."""

    host: ServiceName | str
    subset: str

    def __str__(self) -> str:
        return f"subset {self.subset} of {self.host}" if self.subset else str(self.host)


def short_name(host: str, namespace: str) -> str:
    """A host as briefly as an object of `namespace` may name it; one of another namespace keeps its domain."""
    service = service_of(host, namespace)
    return service.name if service and service.namespace == namespace else host


def full_name(host: str, namespace: str) -> str:
    """A host as it may be written in any namespace. The domain makes no difference to what it means."""
    return host if "." in host else f"{host}.{namespace}.svc.cluster.local"


def identity(host: str, namespace: str) -> ServiceName | str:
    """Equal for two hosts exactly if they mean the same."""
    return service_of(host, namespace) or host


def same_host(one: str, its_namespace: str, other: str, other_namespace: str) -> bool:
    """Whether two hosts, each read in its object's namespace, mean the same."""
    return identity(one, its_namespace) == identity(other, other_namespace)
