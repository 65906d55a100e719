# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proxies count for the endpoints of two versions."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.endpoints import CUT_OFF
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Unproven
from ansible_collections.progressive.istio.plugins.module_utils._proxy.reader import Readings
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot, Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import locate
from ansible_collections.progressive.istio.plugins.module_utils._watch.endpoints import (
    EndpointReader,
    Uncounted,
    clusters_of,
)
from pong_mesh import virtual_service

ONE = Proxy("gateway", "shop", "one", "1")
ROUTED = virtual_service(80, 20)
SNAPSHOT = Snapshot(Target("pong", "shop", "v1", "v2"), ROUTED, None, locate(ROUTED, ("v1", "v2")))


def clusters(**requests: int) -> bytes:
    """Clusters with one endpoint each; below 0 it is none."""
    return json.dumps(
        {
            "cluster_statuses": [
                {
                    "name": f"outbound|80|{version}|pong.shop.svc.cluster.local",
                    "host_statuses": [
                        {
                            "address": version,
                            "stats": [{"name": name, "value": number} for name in ("rq_total", "rq_success")],
                        }
                    ]
                    * (number >= 0),
                }
                for version, number in requests.items()
            ]
        }
    ).encode()


def reader(*bodies: bytes | Exception) -> EndpointReader:
    left = iter(bodies)
    (path,) = [EndpointReader(None, SNAPSHOT, 0.1)._path]  # type: ignore[arg-type]

    def newest(_seconds: float) -> Readings:
        body = next(left)
        if isinstance(body, Exception):
            raise body
        return Readings({ONE: {path: body}}, {}, 1, {}, frozenset({ONE}))

    prover: Any = SimpleNamespace(reader=lambda *_: SimpleNamespace(newest=newest))
    return EndpointReader(prover, SNAPSHOT, 0.1)


@pytest.mark.parametrize(("protocol", "others"), [("http", set()), ("tcp", {9000}), ("tls", {9000})])
def test_the_ports_of_connections_do_not_count(protocol: str, others: set[int]) -> None:
    entries = [
        {"destination": {"host": "pong", "subset": name, "port": {"number": 9000}}, "weight": 50}
        for name in ("v1", "v2")
    ]
    portless = [{"destination": {"host": "pong", "subset": name}, "weight": 50} for name in ("v1", "v2")]
    spec = {"http": [{"route": portless}]}
    spec[protocol] = [*spec.get(protocol, []), {"route": entries}]
    mixed = {**ROUTED, "spec": spec}
    snapshot = Snapshot(Target("pong", "shop", "v1", "v2"), mixed, None, locate(mixed, ("v1", "v2")))
    assert clusters_of(snapshot).others == others


def test_the_clusters_of_both_versions() -> None:
    place = ServiceName("shop", "pong")
    assert clusters_of(SNAPSHOT).versions == {HostSubset(place, "v1"): "v1", HostSubset(place, "v2"): "v2"}


def test_requests_since_the_first_read_are_counted() -> None:
    found = reader(clusters(v1=100, v2=10), clusters(v1=140, v2=17))
    for _time in range(2):
        found.read()
    assert (found.sample("v1").requests, found.sample("v2").requests) == (40, 7)


def test_a_proxy_without_endpoints_is_cut_off() -> None:
    found = reader(clusters(v1=1, v2=1), *(clusters(v1=number, v2=-1) for number in range(CUT_OFF)))
    for _time in range(CUT_OFF):
        found.read()
    assert found.cut_off(["v1", "v2"]) == {}
    found.read()
    assert found.cut_off(["v1", "v2"]) == {"v2": f"no healthy endpoint of v2 is left in {ONE}"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Unproven("no ready proxy"), "the proxies cannot be read: no ready proxy"),
        (b"<html>", "the clusters that gateway shop/one lists cannot be read: "),
    ],
)
def test_why_nothing_is_counted(answer: bytes | Exception, why: str) -> None:
    with pytest.raises(Uncounted) as caught:
        reader(answer).read()
    assert str(caught.value).startswith(why)
