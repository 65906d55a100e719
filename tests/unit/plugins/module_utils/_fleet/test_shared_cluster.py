# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many threads read what one reads, with fewer requests."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._fleet import shared_cluster
from ansible_collections.progressive.istio.plugins.module_utils._fleet.shared_cluster import SharedCluster
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError, load
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import (
    NAMESPACE,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Cluster,
)
from api_server import Answer, ApiServer, Request
from pong_mesh import virtual_service


@pytest.fixture
def shared(server: ApiServer) -> SharedCluster:
    return SharedCluster(lambda: load({"host": server.url, "api_key": "secret"}))


@pytest.mark.parametrize("labels", ["", "app=pong", "app=pong,version=v1", "version=v9"])
def test_pods_by_labels(shared: SharedCluster, cluster: Cluster, labels: str) -> None:
    assert shared.list(POD, "shop", labels) == cluster.list(POD, "shop", labels)
    assert shared.list(POD, None, labels) == cluster.list(POD, None, labels)


def test_objects_by_name(shared: SharedCluster, cluster: Cluster) -> None:
    for kind, name, namespace in ((SERVICE, "pong", "shop"), (SERVICE, "none", "shop"), (NAMESPACE, "shop", None)):
        assert shared.get(kind, name, namespace) == cluster.get(kind, name, namespace)


def test_many_at_once_are_at_most_a_few_requests(shared: SharedCluster, server: ApiServer) -> None:
    selectors = [f"version=v{number % 2 + 1}" for number in range(40)]
    with ThreadPoolExecutor(40) as threads:
        found = list(threads.map(lambda labels: shared.list(POD, "shop", labels), selectors))
    assert [[each["metadata"]["labels"]["version"] for each in pods] for pods in found] == [
        [labels.removeprefix("version=")] for labels in selectors
    ]
    assert len(server.requests) <= shared.requests < 10


def test_a_change_is_seen_soon(shared: SharedCluster, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_cluster, "AGE", 0.05)
    assert shared.get(SERVICE, "new", "shop") is None
    server.put("services", {"metadata": {"name": "new", "namespace": "shop"}})
    assert shared.get(SERVICE, "new", "shop") is None
    time.sleep(0.06)
    assert shared.get(SERVICE, "new", "shop")


@pytest.mark.parametrize("value", ["b", "refused"])
def test_after_a_write_the_kind_is_read_again(shared: SharedCluster, server: ApiServer, value: str) -> None:
    """Also after a refused one: another may have written."""
    assert shared.get(VIRTUAL_SERVICE, "pong", "shop")
    label = [{"op": "replace", "path": "/metadata/labels/team", "value": value}]
    test = [{"op": "test", "path": "/metadata/labels/team", "value": "other"}] if value == "refused" else []
    with nullcontext() if value == "b" else pytest.raises(ClusterError):
        shared.patch(VIRTUAL_SERVICE, "pong", "shop", [*test, *label])
    server.put("virtualservices", virtual_service(1, 99))
    found = shared.get(VIRTUAL_SERVICE, "pong", "shop")
    assert found
    assert found["spec"]["http"][1]["route"][1]["weight"] == 99
    before = shared.requests
    assert shared.get(VIRTUAL_SERVICE, "pong", "shop") == found
    assert shared.requests == before


def test_without_the_right_to_list_objects_are_read_one_by_one(shared: SharedCluster, server: ApiServer) -> None:
    def refuse(_number: int, request: Request) -> Answer | None:
        return Answer(403, "Forbidden", "no") if request.path.endswith("/services") else None

    server.before = refuse
    for _time in range(2):
        assert shared.get(SERVICE, "pong", "shop")
    assert [request.path.rsplit("/", 1)[-1] for request in server.requests] == ["services", "pong", "pong"]
    with pytest.raises(ClusterError):
        shared.list(SERVICE, "shop")
