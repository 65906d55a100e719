# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.envoy_config import (
    EnvoyRule,
    listeners_path,
    routes_path,
)
from ansible_collections.progressive.istio.plugins.module_utils._proxy.expectations import (
    AbsenceExpectation,
    ClustersExpectation,
    Observation,
    WeightsExpectation,
)
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import HostSubset, ServiceName

PONG = ServiceName("shop", "pong")
V1, V2 = HostSubset(PONG, "v1"), HostSubset(PONG, "v2")
RULE = EnvoyRule("shop/pong", "primary", frozenset({"primary"}), {V1: 80, V2: 20})
CONFIG = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/pong"


def routes(*splits: tuple[int, int], config: str = "http.80", names: Sequence[str] = ()) -> bytes:
    made = [
        {
            "name": called,
            "metadata": {"filter_metadata": {"istio": {"config": CONFIG}}},
            "route": {
                "weighted_clusters": {
                    "clusters": [
                        {"name": f"outbound|80|{name}|pong.shop.svc.cluster.local", "weight": weight}
                        for name, weight in zip(("v1", "v2"), split, strict=True)
                        if weight
                    ]
                }
            },
        }
        for split, called in zip(splits, names or ["primary"] * len(splits), strict=True)
    ]
    return json.dumps({"configs": [{"route_config": {"name": config, "virtual_hosts": [{"routes": made}]}}]}).encode()


@pytest.mark.parametrize(
    ("splits", "sidecar", "expected"),
    [
        ([(80, 20)], False, Observation(True, "runs v1 80 %, v2 20 %", {"v1": 80, "v2": 20})),
        ([(4, 1), (8, 2)], True, Observation(True, "runs v1 80 %, v2 20 %", {"v1": 80, "v2": 20})),
        ([(100, 0)], False, Observation(False, "runs v1 100 %, v2 0 %", {"v1": 100, "v2": 0})),
        ([(80, 20), (50, 50)], False, Observation(False, "runs v1 50 %, v2 50 %", {"v1": 50, "v2": 50})),
        ([], False, Observation(False, "has no such route")),
        ([], True, Observation(True, "has no such route", concerned=False)),
    ],
)
def test_weights(splits: list[tuple[int, int]], sidecar: bool, expected: Observation) -> None:
    assert WeightsExpectation([RULE])(lambda _: routes(*splits), sidecar) == expected


BETA = EnvoyRule("shop/pong", "beta", frozenset({"beta"}), {V1: 80, V2: 20})


@pytest.mark.parametrize(
    ("primary", "beta", "expected"),
    [
        ([(80, 20)], [(80, 20)], (True, "runs v1 80 %, v2 20 %")),
        ([(80, 20)], [], (True, "runs v1 80 %, v2 20 %")),  # bound to other gateways, or never reached
        ([(80, 20)], [(100, 0)], (False, "runs v1 100 %, v2 0 % in HTTP route beta")),
        ([(50, 50)], [(80, 20)], (False, "runs v1 50 %, v2 50 % in HTTP route primary")),
        ([], [], (False, "has no such route")),
    ],
)
def test_the_weights_of_several_rules(
    primary: list[tuple[int, int]], beta: list[tuple[int, int]], expected: tuple[bool, str]
) -> None:
    answer = routes(*primary, *beta, names=["primary"] * len(primary) + ["beta"] * len(beta))
    seen = WeightsExpectation([RULE, BETA])(lambda _: answer, False)
    assert (seen.agrees, seen.shows) == expected


@pytest.mark.parametrize(
    ("splits", "agrees"),
    [
        ([(80, 20), (100, 0)], True),
        ([(100, 0), (100, 0)], False),  # as before the move
        ([(100, 0)], False),
        ([(80, 20), (50, 50)], False),  # no rule has that
    ],
)
def test_a_rule_that_envoy_cannot_tell_from_another(splits: list[tuple[int, int]], agrees: bool) -> None:
    rule = EnvoyRule("shop/pong", "number 1", frozenset({""}), {V1: 80, V2: 20}, ({V1: 1},))
    assert WeightsExpectation([rule])(lambda _: routes(*splits, names=[""] * len(splits)), False).agrees is agrees


def test_a_redirect_of_the_same_name_is_expected_where_there_is_one() -> None:
    moved = json.loads(routes((80, 20)))
    found = moved["configs"][0]["route_config"]["virtual_hosts"][0]["routes"]
    found.append({**found[0], "route": {}, "redirect": {}})
    for siblings, agrees in ((({},), True), ((), False)):
        rule = EnvoyRule("shop/pong", "primary", frozenset({"primary"}), {V1: 80, V2: 20}, siblings)
        assert WeightsExpectation([rule])(lambda _: json.dumps(moved).encode(), False).agrees is agrees


def test_only_known_configurations_are_asked_for_again() -> None:
    asked: list[str] = []
    answers = {routes_path(): routes((50, 50)), routes_path(["http.80"]): routes((80, 20))}

    def get(path: str) -> bytes:
        asked.append(path)
        return answers[path]

    observe = WeightsExpectation([RULE])
    assert [observe(get, False).agrees for _time in range(3)] == [False, True, True]
    assert asked == [routes_path(), routes_path(["http.80"]), routes_path(["http.80"])]


def test_a_route_that_moved_to_another_configuration_is_found() -> None:
    answers = {routes_path(): routes((80, 20)), routes_path(["http.80"]): b"{}"}
    observe = WeightsExpectation([RULE])
    assert observe(answers.__getitem__, False).agrees
    answers[routes_path()] = routes((80, 20), config="http.8080")
    answers[routes_path(["http.8080"])] = routes((10, 90), config="http.8080")
    assert observe(answers.__getitem__, False).agrees
    assert observe(answers.__getitem__, False) == Observation(False, "runs v1 10 %, v2 90 %", {"v1": 10, "v2": 90})


def clusters(**healthy: list[bool]) -> bytes:
    return json.dumps(
        {
            "cluster_statuses": [
                {
                    "name": f"outbound|80|{name}|pong.shop.svc.cluster.local",
                    "host_statuses": [
                        {"health_status": {"eds_health_status": "HEALTHY" if each else "UNHEALTHY"}} for each in states
                    ],
                }
                for name, states in healthy.items()
            ]
        }
    ).encode()


@pytest.mark.parametrize(
    ("healthy", "sidecar", "expected"),
    [
        ({"v1": [True], "v2": [False, True]}, False, Observation(True, "has healthy hosts")),
        ({"v1": [True]}, False, Observation(False, "has no cluster for subset v2 of shop/pong")),
        ({"v1": [True]}, True, Observation(False, "has no cluster for subset v2 of shop/pong")),
        (
            {"v1": [False], "v2": []},
            False,
            Observation(
                False,
                "has 0 of 0 hosts of subset v2 of shop/pong healthy and 0 of 1 hosts of subset v1 of shop/pong healthy",
            ),
        ),
        (
            {"v3": [True]},
            False,
            Observation(False, "has no cluster for subset v1 of shop/pong and no cluster for subset v2 of shop/pong"),
        ),
        ({"v3": [True]}, True, Observation(True, "has no such cluster", concerned=False)),
    ],
)
def test_subsets(healthy: dict[str, list[bool]], sidecar: bool, expected: Observation) -> None:
    assert ClustersExpectation(frozenset({V1, V2}))(lambda _: clusters(**healthy), sidecar) == expected


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ((100, 0), Observation(True, "has no route to it")),
        ((99, 1), Observation(False, "has routes to subset v2 of shop/pong")),
    ],
)
def test_absence(split: tuple[int, int], expected: Observation) -> None:
    observe = AbsenceExpectation(frozenset({V2}))
    answers = {routes_path(): routes(split), listeners_path(): b"{}"}
    assert observe(answers.__getitem__, False) == expected


@pytest.mark.parametrize(
    ("healthy", "expected"),
    [
        ({"v1": [False], "v2": []}, Observation(True, "has a cluster for each")),
        ({"v1": [True]}, Observation(False, "has no cluster for subset v2 of shop/pong")),
    ],
)
def test_subsets_that_may_be_empty(healthy: dict[str, list[bool]], expected: Observation) -> None:
    assert ClustersExpectation(frozenset({V1, V2}), empty=True)(lambda _: clusters(**healthy), False) == expected
