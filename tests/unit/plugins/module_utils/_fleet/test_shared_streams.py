# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream to each pod, which ends with all of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._fleet.shared_streams import SharedStreams
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect
from ansible_collections.progressive.istio.plugins.module_utils._k8s.portforward import Stream
from loopback_mesh import Envoy, Mesh, running

PORT = 15000


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running(Mesh()) as mesh:
        mesh.add(Envoy("one", 90, 10))
        mesh.add(Envoy("two", 50, 50))
        yield mesh


@pytest.fixture
def streams() -> Iterator[SharedStreams]:
    found = SharedStreams()
    yield found
    found.close()


def test_many_canaries_have_one_stream_to_a_pod(mesh: Mesh, streams: SharedStreams) -> None:
    cluster = connect({"host": mesh.url, "api_key": "secret"})

    def ask(_number: int) -> bytes:
        stream = streams.dial(cluster, "gateways", "one", PORT)
        stream.open()
        found = stream.get("/config_dump?resource=dynamic_route_configs")
        stream.abort()
        stream.close()  # the others still use it
        return found

    with ThreadPoolExecutor(30) as threads:
        answers = set(threads.map(ask, range(60)))
    other = streams.dial(cluster, "gateways", "two", PORT).get("/config_dump?resource=dynamic_route_configs")
    assert len(answers) == 1
    assert other not in answers
    asked = [path.rsplit("/", 2)[1] for path, _headers in mesh.requests]
    assert sorted(asked) == ["one", "two"], "a stream for each of the two"


def test_all_end_with_the_call(mesh: Mesh) -> None:
    streams, cluster = SharedStreams(), connect({"host": mesh.url, "api_key": "secret"})
    stream: Stream = streams.dial(cluster, "gateways", "one", PORT)
    assert stream.get_all(["/config_dump?resource=dynamic_route_configs"])
    streams.close()
    with pytest.raises(ClusterError, match="the run that asked is over"):
        stream.get("/config_dump?resource=dynamic_route_configs")
