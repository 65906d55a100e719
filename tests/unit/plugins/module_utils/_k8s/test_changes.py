# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from time import monotonic

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import Access
from ansible_collections.progressive.istio.plugins.module_utils._k8s.changes import Changes
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import POD, Cluster
from api_server import ApiServer
from pong_mesh import NAMESPACE, populate


@pytest.fixture
def changes(server: ApiServer) -> Changes:
    populate(server)
    return Changes(Cluster(lambda: Access(server.url, "test")), POD, NAMESPACE, "version=v2")


def test_what_changes_after_the_list_is_followed(server: ApiServer, changes: Changes) -> None:
    (pod,) = changes.list()
    server.put("pods", pod)
    server.delete("pods", pod["metadata"]["name"], NAMESPACE)
    follow = changes.follow(5)
    assert [next(follow)[0], next(follow)[0]] == ["MODIFIED", "DELETED"]
    changes.close()
    assert list(follow) == []


def test_a_follow_after_the_close_ends_at_once(changes: Changes) -> None:
    changes.list()
    changes.close()
    began = monotonic()
    assert list(changes.follow(60)) == []
    assert monotonic() - began < 30
