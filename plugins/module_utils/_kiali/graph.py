# SPDX-License-Identifier: GPL-3.0-or-later
"""Kiali's graph as edges with numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any
from urllib.parse import urlencode

from .._common.text import aligned

HEADINGS = ("from", "to", "rate", "share", "errors", "p95")
UNITS = {"tcp": "B/s"}
REQUESTS = "req/s"
NUMBERS = range(2, len(HEADINGS))  # the columns


class GraphError(Exception):
    """Why an answer is not a graph."""


@dataclass(frozen=True)
class Node:
    """A sender or receiver of requests. kind: as in Kiali, such as app, service, workload and unknown."""

    namespace: str
    kind: str
    name: str
    version: str = ""

    def label(self, home: str) -> str:
        """Its name, with its namespace if that is not `home`."""
        place = "" if self.namespace == home or self.kind == "unknown" else f"{self.namespace}/"
        kind = "service " if self.kind == "service" else ""
        return f"{kind}{place}{self.name} {self.version}".rstrip()


@dataclass(frozen=True)
class Edge:
    """Requests from one node to another. A number that Kiali does not give is None; an idle edge has a rate of 0.

    share: percent of the source's requests. errors: percent, including 4xx. p95: milliseconds.
    """

    source: Node
    target: Node
    protocol: str
    rate: float = 0.0
    share: float | None = None
    errors: float | None = None
    p95: float | None = None

    @property
    def unit(self) -> str:
        return UNITS.get(self.protocol, REQUESTS)


def read(answer: object, namespace: str) -> list[Edge]:
    """The edges from or to a namespace, first those of sources that are not called. Raises GraphError."""
    try:
        elements = _mapping(_mapping(answer)["elements"])
        nodes = {str(node["id"]): _node(node) for node in _data(elements["nodes"])}
        edges = [_edge(edge, nodes) for edge in _data(elements["edges"])]
    except KeyError as error:
        raise GraphError(f"it lacks {error}") from error
    near = [edge for edge in edges if namespace in (edge.source.namespace, edge.target.namespace)]
    called = {edge.target for edge in near}
    return sorted(near, key=lambda edge: (edge.source in called, *_order(edge.source), *_order(edge.target)))


def table(edges: Iterable[Edge], namespace: str) -> list[str]:
    """The lines of a table of edges."""
    return aligned([HEADINGS, *(_row(edge, namespace) for edge in edges)], NUMBERS)


def as_result(edge: Edge, namespace: str) -> dict[str, Any]:
    """An edge for the result of a module."""
    return {
        "source": edge.source.label(namespace),
        "source_namespace": edge.source.namespace,
        "target": edge.target.label(namespace),
        "target_namespace": edge.target.namespace,
        "version": edge.target.version,
        "protocol": edge.protocol,
        "rate": edge.rate,
        "unit": edge.unit,
        "share": edge.share,
        "errors": edge.errors,
        "p95": edge.p95,
    }


def request_path(namespaces: Sequence[str], seconds: int) -> str:
    """The path of the graph of versioned apps and their services, below the root of Kiali's API."""
    query = _query(namespaces, duration=f"{seconds}s", appenders="responseTime", responseTime="95")
    return f"/api/namespaces/graph?{query}"


def page_path(namespaces: Sequence[str], seconds: int) -> str:
    """The path of the same graph in the browser."""
    query = _query(namespaces, duration=str(seconds), edges="trafficRate,trafficDistribution,responseTime,rt95")
    return f"/console/graph/namespaces?{query}"


def _query(namespaces: Sequence[str], **fields: str) -> str:
    shown = {"namespaces": ",".join(namespaces), "graphType": "versionedApp", "injectServiceNodes": "true"}
    return urlencode(shown | fields, safe=",")


def _node(data: Mapping[str, Any]) -> Node:
    kind = str(data["nodeType"])
    named = {"service": data.get("service"), "app": data.get("app")}.get(kind)
    name = named or data.get("workload") or data.get("app") or data.get("service") or data.get("aggregate") or kind
    version = data.get("version") or ""
    return Node(str(data.get("namespace") or ""), kind, str(name), "" if version == "unknown" else str(version))


def _edge(data: Mapping[str, Any], nodes: Mapping[str, Node]) -> Edge:
    source, target = (nodes.get(str(data[end])) for end in ("source", "target"))
    if source is None or target is None:
        raise GraphError(f"its edge {data.get('id')} is from or to a node that is not listed")
    traffic = _mapping(data.get("traffic") or {})
    protocol = str(traffic.get("protocol") or "")
    rates = _mapping(traffic.get("rates") or {})
    rate = _number(rates, protocol) or 0.0
    p95 = _number(data, "responseTime")
    if not rate or protocol in UNITS:
        return Edge(source, target, protocol, rate, p95=p95)
    # Kiali leaves out what is 0.
    errors = _number(rates, f"{protocol}PercentErr") or 0.0
    return Edge(source, target, protocol, rate, _number(rates, f"{protocol}PercentReq"), errors, p95)


def _number(values: Mapping[str, Any], name: str) -> float | None:
    """A number, which Kiali writes as text."""
    if name not in values:
        return None
    try:
        number = float(values[name])
    except (TypeError, ValueError) as error:
        raise GraphError(f"its {name} is {values[name]!r}, which is no number") from error
    return number if isfinite(number) else None


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GraphError(f"it has {value!r:.60} where an object is needed")
    return value


def _data(wrapped: object) -> list[Mapping[str, Any]]:
    if not isinstance(wrapped, list):
        raise GraphError(f"it has {wrapped!r:.60} where a list is needed")
    return [_mapping(_mapping(each)["data"]) for each in wrapped]


def _order(node: Node) -> tuple[str, str, str]:
    return node.namespace, node.name, node.version


def _row(edge: Edge, namespace: str) -> tuple[str, ...]:
    return (
        edge.source.label(namespace),
        edge.target.label(namespace),
        f"{edge.rate:.2f} {edge.unit}" if edge.rate else "idle",
        "-" if edge.share is None else f"{edge.share:.1f} %",
        "-" if edge.errors is None else f"{edge.errors:.1f} %",
        "-" if edge.p95 is None else f"{edge.p95:.0f} ms",
    )
