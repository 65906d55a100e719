# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kiali's graph, in the shape in which its API describes it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._kiali.graph import (
    Edge,
    GraphError,
    Node,
    as_result,
    page_path,
    read,
    request_path,
    table,
)
from kiali_server import CANARY, GATEWAY, SERVICE, V1, V2, edge, graph, node

PONG = Node("shop", "service", "pong")
FIRST = Node("shop", "app", "pong", "v1")
SECOND = Node("shop", "app", "pong", "v2")
INGRESS = Node("istio-system", "app", "istio-ingressgateway", "latest")


def only(**fields: Any) -> Edge:
    """How one edge from the service to v1 is read."""
    (found,) = read(graph([SERVICE, V1], [edge("s", "1", **fields)]), "shop")
    return found


def test_a_canary_is_read_from_the_gateway_on() -> None:
    assert read(CANARY, "shop") == [
        Edge(INGRESS, PONG, "http", 10.0, 100.0, 1.1, None),
        Edge(PONG, FIRST, "http", 7.88, 78.8, 0.0, 4.0),
        Edge(PONG, SECOND, "http", 2.12, 21.2, 5.2, 95.0),
    ]


def test_a_table_has_a_line_for_each_edge() -> None:
    assert table(read(CANARY, "shop"), "shop") == [
        "from                                      to                   rate    share  errors    p95",
        "istio-system/istio-ingressgateway latest  service pong  10.00 req/s  100.0 %   1.1 %      -",
        "service pong                              pong v1        7.88 req/s   78.8 %   0.0 %   4 ms",
        "service pong                              pong v2        2.12 req/s   21.2 %   5.2 %  95 ms",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"http": "1.50", "httpPercentReq": "100.0"}, Edge(PONG, FIRST, "http", 1.5, 100.0, 0.0)),
        ({"http": "1.50"}, Edge(PONG, FIRST, "http", 1.5, None, 0.0)),
        (
            {"http": "2.00", "http4xx": "1.00", "httpPercentErr": "50.0", "responseTime": "12"},
            Edge(PONG, FIRST, "http", 2.0, None, 50.0, 12.0),
        ),
        (
            {"http": "2.00", "httpNoResponse": "2.00", "httpPercentErr": "100.0"},
            Edge(PONG, FIRST, "http", 2.0, None, 100.0),
        ),
        (
            {"protocol": "grpc", "grpc": "3.00", "grpcErr": "1.50", "grpcPercentErr": "50.0", "grpcPercentReq": "10.0"},
            Edge(PONG, FIRST, "grpc", 3.0, 10.0, 50.0),
        ),
        ({"protocol": "tcp", "tcp": "581.00"}, Edge(PONG, FIRST, "tcp", 581.0)),
        # Idle: nothing was sent, so nothing is said of it.
        ({"traffic": {}}, Edge(PONG, FIRST, "")),
        ({"traffic": {"protocol": "http"}}, Edge(PONG, FIRST, "http")),
        ({"traffic": {"protocol": "http", "rates": None}}, Edge(PONG, FIRST, "http")),
        ({"http": "0.00"}, Edge(PONG, FIRST, "http")),
        ({"http": "NaN"}, Edge(PONG, FIRST, "http")),
        ({"http": "1.00", "responseTime": "NaN"}, Edge(PONG, FIRST, "http", 1.0, None, 0.0)),
    ],
)
def test_edges(fields: dict[str, Any], expected: Edge) -> None:
    assert only(**fields) == expected


@pytest.mark.parametrize(
    ("found", "label"),
    [
        (GATEWAY, "istio-system/istio-ingressgateway latest"),
        (SERVICE, "service pong"),
        (V2, "pong v2"),
        (node("n", "service", "bank", service="ledger"), "service bank/ledger"),
        (node("n", "app", app="web", version="unknown"), "web"),
        (node("n", "app", app="web"), "web"),
        (node("n", "workload", workload="caller"), "caller"),
        (node("n", "workload", workload="caller", app="shell", version="v3"), "caller v3"),
        (node("n", "aggregate", aggregate="request_operation=Top", app="web"), "web"),
        (node("n", "unknown", "unknown", workload="unknown", app="unknown", version="unknown"), "unknown"),
        (node("n", "unknown", "unknown"), "unknown"),
        (node("n", "service", "unknown", service="unknown"), "service unknown/unknown"),
    ],
)
def test_nodes(found: dict[str, Any], label: str) -> None:
    end = found["data"]["id"]
    others = [each for each in (V1, found) if each["data"]["id"] != end] + [found]
    (first,) = read(graph(others, [edge(end, "1", http="1.00")]), "shop")
    assert first.source.label("shop") == label


def test_only_edges_from_or_to_the_namespace_count() -> None:
    bank = node("b", "service", "bank", service="ledger")
    edges = [edge("g", "b", http="5.00"), edge("g", "s", http="1.00"), edge("1", "b", http="2.00")]
    found = read(graph([GATEWAY, SERVICE, V1, bank], edges), "shop")
    assert [(each.source.name, each.target.name) for each in found] == [
        ("istio-ingressgateway", "pong"),
        ("pong", "ledger"),
    ]


def test_callers_whom_nobody_calls_come_first() -> None:
    caller = node("z", "workload", workload="zoe")
    edges = [edge("1", "1", http="1.00"), edge("s", "1", http="1.00"), edge("z", "s", http="1.00")]
    found = read(graph([SERVICE, V1, caller], edges), "shop")
    assert [each.source.name for each in found] == ["zoe", "pong", "pong"]


def test_an_empty_graph_has_no_edges() -> None:
    assert read(graph([], []), "shop") == []
    assert table([], "shop") == ["from  to  rate  share  errors  p95"]


def test_an_idle_edge_says_so_and_tcp_counts_bytes() -> None:
    edges = [edge("s", "1", traffic={}), edge("s", "2", "tcp", tcp="581.00")]
    assert [line.split()[4:] for line in table(read(graph([SERVICE, V1, V2], edges), "shop"), "shop")[1:]] == [
        ["idle", "-", "-", "-"],
        ["581.00", "B/s", "-", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "None where an object is needed"),
        ([], "[] where an object is needed"),
        ({}, "lacks 'elements'"),
        ({"elements": {"nodes": []}}, "lacks 'edges'"),
        ({"elements": {"nodes": None, "edges": []}}, "None where a list is needed"),
        (graph([{"data": {"nodeType": "app"}}], []), "lacks 'id'"),
        (graph([{}], []), "lacks 'data'"),
        (graph([SERVICE], [edge("s", "1", http="1.00")]), "its edge s1 is from or to a node that is not listed"),
        (graph([SERVICE, V1], [edge("s", "1", http="many")]), "its http is 'many', which is no number"),
        (graph([SERVICE, V1], [edge("s", "1", http=None)]), "its http is None, which is no number"),
    ],
)
def test_what_is_no_graph_is_said(answer: object, words: str) -> None:
    with pytest.raises(GraphError, match=r".+") as failure:
        read(answer, "shop")
    assert words in str(failure.value)


def test_a_result_names_what_tasks_need() -> None:
    assert as_result(read(CANARY, "shop")[2], "shop") == {
        "source": "service pong",
        "source_namespace": "shop",
        "target": "pong v2",
        "target_namespace": "shop",
        "version": "v2",
        "protocol": "http",
        "rate": 2.12,
        "unit": "req/s",
        "share": 21.2,
        "errors": 5.2,
        "p95": 95.0,
    }


@pytest.mark.parametrize(
    ("path", "place", "duration"),
    [
        (request_path(["shop", "istio-system"], 300), "/api/namespaces/graph", "300s"),
        (page_path(["shop", "istio-system"], 300), "/console/graph/namespaces", "300"),
    ],
)
def test_both_the_api_and_the_page_show_versions_behind_their_service(path: str, place: str, duration: str) -> None:
    parts = urlsplit(path)
    wanted = {name: values[0] for name, values in parse_qs(parts.query).items()}
    common = {"namespaces": "shop,istio-system", "graphType": "versionedApp", "injectServiceNodes": "true"}
    assert parts.path == place
    assert wanted.items() >= {**common, "duration": duration}.items()
