# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a proxy or istiod answers, it is understood or refused as a value that is wrong, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics import istio_metrics
from ansible_collections.progressive.istio.plugins.module_utils._proxy.callers import received, senders
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import (
    EnvoyRule,
    chain_destinations,
    chains_of,
    destination_of,
    destinations,
    hosts,
    percentages,
    routes_of,
)
from ansible_collections.progressive.istio.plugins.module_utils._proxy.sync_status import parse_status
from fuzz import ANYTHING, examples, mutated
from hypothesis import given
from hypothesis import strategies as st

HOST = "pong.shop.svc.cluster.local"
CLUSTER = f"outbound|80|v1|{HOST}"
ORIGIN = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/pong"
ROUTE = {
    "name": "primary",
    "metadata": {"filter_metadata": {"istio": {"config": ORIGIN}}},
    "route": {"weighted_clusters": {"clusters": [{"name": CLUSTER, "weight": 80}, {"name": "other", "weight": 20}]}},
}
DUMP = {"configs": [{"route_config": {"name": "http.80", "virtual_hosts": [{"routes": [ROUTE]}]}}]}
STATUS = {
    "address": {},
    "health_status": {"eds_health_status": "HEALTHY"},
    "stats": [{"name": "rq_total", "value": "7"}],
}
CLUSTERS = {"cluster_statuses": [{"name": CLUSTER, "host_statuses": [STATUS]}, {"name": "inbound|80||"}]}
ACCEPTED = {"type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"lastError": "no"}}
SYNC = [{"proxy": "gateway-1.istio-system", "route_sent": "1", "route_acked": "1", "resources": ACCEPTED}]
LINE = 'istio_requests_total{reporter="source",destination_service="pong",response_code="200"} 7\n'
RULE = EnvoyRule("shop/pong", "primary", frozenset({"primary"}), {})
TLS = EnvoyRule("shop/pong", "tls:1", frozenset({"a.test"}), {destination_of(CLUSTER): 1}, protocol="tls")
PROXY = {"typed_config": {"@type": "a.TcpProxy", "stat_prefix": "pong.shop", **ROUTE["route"]}}
CHAIN = {"filter_chain_match": {"server_names": ["a.test"]}, "filters": [PROXY], "metadata": ROUTE["metadata"]}
LISTENERS = {"configs": [{"name": "any", "active_state": {"listener": {"filter_chains": [CHAIN]}}}]}

READERS: list[tuple[Callable[[bytes], Any], Any]] = [
    (lambda body: [percentages(each) for some in routes_of(body, [RULE]).weights for each in some], DUMP),
    (destinations, DUMP),
    (lambda body: [percentages(each) for some in chains_of(body, [TLS]).weights for each in some], LISTENERS),
    (lambda body: chain_destinations(body, True), LISTENERS),
    (hosts, CLUSTERS),
    (received, CLUSTERS),
    (lambda body: parse_status([body]), SYNC),
]
RAW = st.sampled_from([b"", b"\xff", b"null", b"[]", b"[" * 20_000, b"<html>"])


@pytest.mark.parametrize(("read", "sound"), READERS)
def test_json(read: Callable[[bytes], Any], sound: Any) -> None:
    read(json.dumps(sound).encode())

    @examples(60)
    @given(st.one_of(mutated(sound, 2).map(json.dumps).map(str.encode), ANYTHING.map(json.dumps).map(str.encode), RAW))
    def run(body: bytes) -> None:
        with suppress(ValueError):
            read(body)

    run()


@examples(60)
@given(st.one_of(st.binary(max_size=40), st.text().map(lambda text: LINE.replace("pong", text).encode()), RAW))
def test_counters(body: bytes) -> None:
    senders(body)
    with suppress(ValueError):
        istio_metrics.parse(body, HOST)
