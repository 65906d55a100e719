# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.dry_run import DryRun, dry_run
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import Access
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import encode
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import LeaseHolder, Phase, State
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Target
from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import ANNOTATION
from api_server import Answer, ApiServer
from pong_mesh import NAMESPACE, populate, virtual_service

TARGET = Target("pong", NAMESPACE, "v1", "v2")


@pytest.fixture
def cluster(server: ApiServer) -> Cluster:
    populate(server, (80, 20))
    return Cluster(lambda: Access(server.url, "test"), patience=0)


def test_a_step_that_can_be_taken_writes_nothing(server: ApiServer, cluster: Cluster) -> None:
    assert dry_run(cluster, TARGET, ()) == DryRun()
    assert server.sent("PATCH") == []


def test_a_version_that_is_not_there(cluster: Cluster) -> None:
    (mistake,) = dry_run(cluster, replace(TARGET, canary="v9"), ()).mistakes
    assert "v9" in mistake


def test_equal_versions_are_a_mistake(cluster: Cluster) -> None:
    assert dry_run(cluster, replace(TARGET, canary="v1"), ()).mistakes


def test_a_broken_rule_is_found_unless_it_is_skipped(server: ApiServer, cluster: Cluster) -> None:
    routes = virtual_service(80, 20)
    routes["spec"]["http"].insert(0, {"name": "all", "route": [{"destination": {"host": "x"}}]})
    server.put("virtualservices", routes)
    assert [each.check for each in dry_run(cluster, TARGET, ()).found] == ["route_not_shadowed"]
    assert dry_run(cluster, TARGET, ("route_not_shadowed",)).found == ()


def test_another_run_is_not_disturbed(server: ApiServer, cluster: Cluster) -> None:
    now = datetime.now(UTC)
    holder = LeaseHolder("ada", "host", 1, now, now + timedelta(seconds=30))
    state = State("v1", "v3", Phase.PROGRESSING, 20, now, steps=(Step(20),), holder=holder)
    routes = virtual_service(80, 20)
    routes["metadata"]["annotations"] = {ANNOTATION: encode(state)}
    server.put("virtualservices", routes)
    assert dry_run(cluster, TARGET, ()).mistakes == ()


def test_what_fails_is_unseen(server: ApiServer, cluster: Cluster) -> None:
    server.before = lambda _number, request: Answer(403, "Forbidden") if "virtualservices" in request.path else None
    found = dry_run(cluster, TARGET, ())
    assert found.mistakes == ()
    assert found.unseen[0].startswith("whether a step can be taken: GET VirtualService")
