# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sidecars get a route from istiod, judged by objects of the cluster. Pure.

A sidecar is excluded only if its configuration surely lacks the route or its Service: by `exportTo`, by the `Sidecar`
resource that applies to its pod, or by the sources in the matches of the rule. Whatever these objects leave open, such
as the defaults of the mesh configuration, counts as reachable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._k8s.selectors import Labels, includes, labels_of
from .._routing.hosts import ServiceName, service_of
from .._routing.virtual_service import RuleId
from .mesh import MESH, ROOT_NAMESPACE, hosts_overlap, name_of

Object = Mapping[str, Any]

EXPORT_TO = "networking.istio.io/exportTo"  # the annotation of a Service
ADDED_LABELS = "topology."  # labels that istiod adds to those of a pod begin with this


@dataclass(frozen=True)
class SourceMatch:
    """The pods that a match applies to: with these labels and, if set, in this namespace."""

    labels: Labels
    namespace: str = ""

    def admits(self, pod: Object) -> bool:
        wanted = {key: value for key, value in self.labels.items() if not key.startswith(ADDED_LABELS)}
        return self.namespace in ("", pod["metadata"]["namespace"]) and includes(wanted, labels_of(pod))


@dataclass(frozen=True)
class Visibility:
    """Rules of a VirtualService as sidecars see them. namespace, hosts, export_to: of the VirtualService, as written.

    sources: one for each match that applies to sidecars, None if all do. services: those of the rules; None if they
    also lead to hosts that are no Service.
    """

    namespace: str
    hosts: tuple[str, ...]
    export_to: tuple[str, ...] = ()
    sources: tuple[SourceMatch, ...] | None = None
    services: frozenset[ServiceName] | None = None

    def reaches(self, pod: Object, services: Iterable[Object], sidecars: Sequence[Object]) -> bool:
        """Whether the sidecar of this pod may have the rule.

        services: the known ones of the rule; sidecars: all `Sidecar` resources of the mesh.
        """
        namespace = pod["metadata"]["namespace"]
        if not is_exported(self.export_to, self.namespace, namespace):
            return False
        if self.sources is not None and not any(source.admits(pod) for source in self.sources):
            return False
        hidden = {name_of(each) for each in services if not _is_service_exported(each, namespace)}
        if self.services and self.services <= hidden:
            return False
        sidecar = _sidecar_of(pod, sidecars)
        return sidecar is None or self._imported(sidecar, namespace)

    def _imported(self, sidecar: Object, namespace: str) -> bool:
        """Whether the `egress` of this resource has one of the hosts, for pods of the namespace."""
        egress = (sidecar.get("spec") or {}).get("egress") or []
        entries = [entry for listener in egress for entry in listener.get("hosts") or []]
        return not egress or any(self._named(entry, namespace) for entry in entries)

    def _named(self, entry: str, namespace: str) -> bool:
        where, _slash, host = entry.partition("/")
        where = namespace if where == "." else where
        # An entry that begins with ~ removes hosts: it is ignored, so that more sidecars are asked.
        if where not in ("*", self.namespace):
            return False
        return any(hosts_overlap(self._full(each, host), host) for each in self.hosts)

    def _full(self, host: str, like: str) -> str:
        """A host of the VirtualService as istiod completes it, in the domain of the other host."""
        if "." in host or host == "*":
            return host
        return f"{host}.{self.namespace}.svc.{like.partition('.svc.')[2] or 'cluster.local'}"


def visibility_of(virtual_service: Object, places: Iterable[RuleId]) -> Visibility:
    """The visibility of these rules: a sidecar that may have any of them may have all."""
    meta, spec = virtual_service["metadata"], virtual_service["spec"]
    rules = [spec[rule.protocol][rule.position] for rule in places]
    hosts = [entry["destination"]["host"] for rule in rules for entry in rule.get("route") or []]
    services = [service_of(host, meta["namespace"]) for host in hosts]
    matches = [match for rule in rules for match in rule.get("match") or []]
    sources = tuple(_source(match) for match in matches if MESH in (match.get("gateways") or [MESH]))
    return Visibility(
        meta["namespace"],
        tuple(spec.get("hosts") or ()),
        tuple(spec.get("exportTo") or ()),
        sources if all(rule.get("match") for rule in rules) else None,
        frozenset(each for each in services if each) if all(services) else None,
    )


def is_exported(export_to: Sequence[str], own: str, namespace: str) -> bool:
    """Whether an object of the namespace `own` may be exported to a namespace; by default it may."""
    if "*" in export_to:
        return True
    return not export_to or ("~" not in export_to and namespace in [own if each == "." else each for each in export_to])


def _source(match: Object) -> SourceMatch:
    if match.get("gateways"):  # istiod ignores the sources then
        return SourceMatch({})
    return SourceMatch(match.get("sourceLabels") or {}, match.get("sourceNamespace") or "")


def _is_service_exported(service: Object, namespace: str) -> bool:
    text = (service["metadata"].get("annotations") or {}).get(EXPORT_TO, "")
    export_to = [each.strip() for each in text.split(",") if each.strip()]
    return is_exported(export_to, name_of(service).namespace, namespace)


def _sidecar_of(pod: Object, sidecars: Sequence[Object]) -> Object | None:
    """The one that applies: the oldest with a selector, else the oldest without, else that of the mesh."""
    namespace = pod["metadata"]["namespace"]
    oldest = sorted(sidecars, key=lambda each: each["metadata"].get("creationTimestamp") or "")
    chosen = [each for each in oldest if each["metadata"]["namespace"] == namespace]
    labels = labels_of(pod)
    specific = [each for each in chosen if _selector(each) is not None and includes(_selector(each) or {}, labels)]
    general = [each for each in chosen if _selector(each) is None]
    root = [each for each in oldest if each["metadata"]["namespace"] == ROOT_NAMESPACE and _selector(each) is None]
    return next(iter([*specific, *general, *root]), None)


def _selector(sidecar: Object) -> Labels | None:
    selector = (sidecar.get("spec") or {}).get("workloadSelector")
    return None if selector is None else selector.get("labels") or {}
