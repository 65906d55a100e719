# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each request to an endpoint counts once, when it has ended, however endpoints and proxies come and go."""

from __future__ import annotations

import json
from functools import reduce
from itertools import combinations_with_replacement, permutations
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Sample
from ansible_collections.progressive.istio.plugins.module_utils._proxy.endpoints import (
    CUT_OFF,
    Clusters,
    Endpoint,
    HostCounters,
    HostIncrease,
    ProxyHosts,
    add,
    cut_off,
    parse,
    sample,
)
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName

SERVICE = ServiceName("shop", "checkout")
CLUSTERS = Clusters({HostSubset(SERVICE, "blue"): "blue", HostSubset(SERVICE, "green"): "green"})
ONE, TWO = (Endpoint("green", "outbound|80|green|checkout", address) for address in ("10.0.0.1", "10.0.0.2"))


def host(address: str, health: str = "HEALTHY", **stats: int) -> dict[str, Any]:
    """An endpoint as Envoy 1.40 shows it: without the values that are zero."""
    names = ("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total")
    counters = [{"name": name, **({"value": str(stats[name])} if stats.get(name) else {})} for name in names]
    gauges = [
        {"type": "GAUGE", "name": "rq_active", **({"value": str(stats["rq_active"])} if "rq_active" in stats else {})}
    ]
    return {
        "address": {"socket_address": {"address": address, "port_value": 8080}},
        "stats": [*counters, *gauges],
        "health_status": {"eds_health_status": health},
    }


def body(**clusters: list[dict[str, Any]]) -> bytes:
    """By subset."""
    fqdn = "checkout.shop.svc.cluster.local"
    statuses = [{"name": f"outbound|8088|{name}|{fqdn}", "host_statuses": hosts} for name, hosts in clusters.items()]
    strangers = [
        {"name": name, "host_statuses": [host("10.9.9.9", rq_error=99)]}
        for name in (
            f"outbound|8088||{fqdn}",
            "outbound|8088|green|checkout.other.svc.cluster.local",
            "inbound|8080||",
            "xds-grpc",
        )
    ]
    return json.dumps({"cluster_statuses": [*statuses, *strangers, {"name": f"outbound|9090|red|{fqdn}"}]}).encode()


def test_what_a_proxy_shows() -> None:
    blue = [host("10.0.0.1", rq_total=9, rq_success=7, rq_active=2)]
    green = [host("10.0.0.2", rq_total=5, rq_error=7), host("10.0.0.3", health="UNHEALTHY")]
    found = parse(body(blue=blue, green=green), CLUSTERS)
    shown = {
        (each.version, json.loads(each.address)["socket_address"]["address"]): answer
        for each, answer in found.counters.items()
    }
    assert shown == {
        ("blue", "10.0.0.1"): HostCounters(started=9, active=2, succeeded=7),
        ("green", "10.0.0.2"): HostCounters(started=5, failed=7),
        ("green", "10.0.0.3"): HostCounters(),
    }
    assert found.healthy == {"blue": 1, "green": 1}
    assert parse(body(blue=[]), CLUSTERS) == ProxyHosts({}, {"blue": 0})


@pytest.mark.parametrize(("other", "seen"), [(8088, False), (9000, True)])
def test_a_port_for_connections_does_not_count(other: int, seen: bool) -> None:
    found = parse(body(green=[host("10.0.0.1")]), Clusters(CLUSTERS.versions, {}, frozenset({other})))
    assert bool(found.counters) is seen


@pytest.mark.parametrize(("port", "seen"), [(8088, True), (8089, False), (None, True)])
def test_only_the_port_that_the_route_names_counts(port: int | None, seen: bool) -> None:
    found = parse(body(green=[host("10.0.0.1")]), Clusters(CLUSTERS.versions, {"green": port} if port else {}))
    assert bool(found.counters) is seen


def answers(*each: HostCounters | None, endpoint: Endpoint = ONE) -> list[dict[str, ProxyHosts]]:
    """At one proxy; None where it does not know the endpoint."""
    return [{"gateway": ProxyHosts({endpoint: now} if now else {}, {})} for now in each]


def counted(*each: HostCounters | None) -> Sample:
    return sample(reduce(add, answers(*each), HostIncrease()), "green")


OLD = HostCounters(1000, 3, 900, 90)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((OLD,), Sample()),
        ((OLD, HostCounters(1010, 3, 908, 92)), Sample(10, 2)),
        ((OLD, HostCounters(1010, 13, 900, 90)), Sample()),  # in progress
        ((OLD, HostCounters(1000, 3, 900, 94)), Sample(4, 4)),  # no connection was made, so that none was begun
        ((None, HostCounters(7, 1, 5, 1)), Sample(6, 1)),  # it came while we looked
        ((OLD, None, HostCounters(1001, 3, 901, 90)), Sample(1)),  # out of sight for a moment
        ((OLD, HostCounters(1010, 3, 910, 90), HostCounters(4, 0, 3, 1)), Sample(14, 1)),  # it began anew
        ((OLD, HostCounters(1010, 3, 910, 90), HostCounters(4, 0, 4), HostCounters(9, 0, 8, 1)), Sample(19, 1)),
    ],
)
def test_what_was_counted(seen: tuple[HostCounters | None, ...], expected: Sample) -> None:
    assert counted(*seen) == expected


def test_proxies_and_endpoints_are_summed() -> None:
    first = {"a": ProxyHosts({ONE: HostCounters(5, 0, 5)}, {})}
    second = {
        "a": ProxyHosts({ONE: HostCounters(7, 0, 7), TWO: HostCounters(3, 0, 2, 1)}, {}),
        "b": ProxyHosts({ONE: HostCounters(80, 0, 80)}, {}),  # what this one had counted may be older than the weight
    }
    third = {"b": ProxyHosts({ONE: HostCounters(81, 0, 80, 1)}, {})}
    assert sample(reduce(add, [first, second, third], HostIncrease()), "green") == Sample(6, 2)
    assert sample(HostIncrease(), "green") == Sample()


def test_requests_that_clients_gave_up() -> None:
    """A canary that never answers: nothing succeeds, and to Envoy nothing fails."""
    hanging = [HostCounters(10 * number, 10, 0, 0) for number in range(6)]
    assert counted(HostCounters(), *hanging[1:]) == Sample(10, 10)


NUMBERS = ("started", "active", "ended")
ANSWERS = 6


def shown(begin: int, end: int, how: str, order: tuple[str, ...], answer: int) -> HostCounters:
    """What an answer shows of a request that begins and ends at these moments, with the numbers read in this order."""
    moments = {name: answer * len(NUMBERS) + order.index(name) for name in NUMBERS}
    ended = end <= moments["ended"]
    return HostCounters(
        started=int(begin <= moments["started"]),
        active=int(begin <= moments["active"] < end),
        succeeded=int(ended and how == "succeeds"),
        failed=int(ended and how == "fails"),
    )


@pytest.mark.parametrize("order", list(permutations(NUMBERS)), ids=" ".join)
@pytest.mark.parametrize("how", ["succeeds", "fails", "is given up"])
def test_a_request_counts_once_and_is_never_taken_for_given_up(how: str, order: tuple[str, ...]) -> None:
    """Whenever it begins and ends, also between two numbers of one answer. They add up, so it holds for many too."""
    last = ANSWERS * len(NUMBERS)
    for begin, end in combinations_with_replacement(range(last + 1), 2):
        increase = HostIncrease()
        for answer in range(ANSWERS):
            increase = add(increase, answers(shown(begin, end, how, order, answer))[0])
            found = sample(increase, "green")
            assert found.requests <= 1
            assert found.bad <= (how != "succeeds" and end <= (answer + 1) * len(NUMBERS)), (begin, end)
        if how != "is given up" and end <= last - len(NUMBERS):
            assert found.requests == (end > order.index("ended")), (begin, end)


def test_all_that_was_given_up_is_counted_once_nothing_else_happens() -> None:
    each_look = [HostCounters(number) for number in (0, 0, *range(1, 51), 50, 50)]
    assert counted(*each_look) == Sample(50, 50)


def healthy(**numbers: int) -> ProxyHosts:
    return ProxyHosts({}, numbers)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([healthy(green=1)] + [healthy(green=0)] * CUT_OFF, True),
        ([healthy(green=1)] + [healthy()] * CUT_OFF, True),  # the cluster itself is gone
        ([healthy(green=1)] + [healthy()] * (CUT_OFF - 1), False),
        ([healthy(green=1)] + [healthy()] * (CUT_OFF - 1) + [healthy(green=1), healthy()], False),
        ([healthy()] * 9, False),  # it never had one, as a sidecar that is not concerned
        ([healthy(green=0)] * 9, False),
    ],
)
def test_a_proxy_that_is_cut_off(seen: list[ProxyHosts], expected: bool) -> None:
    increase = reduce(add, ({"gateway": each, "other": healthy(green=1)} for each in seen), HostIncrease())
    assert cut_off(increase, "green", ["gateway", "other"]) == (["gateway"] if expected else [])
    assert cut_off(increase, "green", ["other"]) == []
    assert cut_off(increase, "blue", ["gateway", "other"]) == []
