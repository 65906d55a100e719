# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.examine import ExaminationRequest, diagnose
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import Access
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._rollout.read import Target
from api_server import Answer, ApiServer
from pong_mesh import NAMESPACE, populate

ORDER = ExaminationRequest(Target("pong", NAMESPACE, "v1", "v2", None, None, None), scope="none")


@pytest.fixture
def cluster(server: ApiServer) -> Cluster:
    populate(server, (80, 20))
    return Cluster(lambda: Access(server.url, "test"), patience=0)


def found(cluster: Cluster, order: ExaminationRequest = ORDER) -> list[str]:
    return [each.finding.check for each in diagnose(cluster, order).diagnosis.problems]


def test_the_status_has_the_weights(cluster: Cluster) -> None:
    assert diagnose(cluster, ORDER).diagnosis.status.startswith("v1 80 %, v2 20 %; 29 checks")


def test_skipped_checks_do_not_run(cluster: Cluster) -> None:
    usual = found(cluster)
    assert usual
    assert found(cluster, replace(ORDER, skip=usual)) == []


def test_a_virtual_service_that_does_not_exist_is_the_only_error(cluster: Cluster) -> None:
    order = replace(ORDER, target=replace(ORDER.target, name="other"))
    (problem,) = diagnose(cluster, order).diagnosis.errors
    assert problem.finding.check == "virtual_service_exists"


def test_versions_that_no_route_has(cluster: Cluster) -> None:
    assert "release_found" in found(cluster, replace(ORDER, target=replace(ORDER.target, canary="v9", stable="v8")))


def test_without_rights_elsewhere_its_own_namespace_is_read(server: ApiServer, cluster: Cluster) -> None:
    server.before = lambda _number, request: (
        Answer(403, "Forbidden") if request.path.endswith("/v1/virtualservices") else None
    )
    diagnosis = diagnose(cluster, ORDER).diagnosis
    assert diagnosis.status.startswith("v1 80 %, v2 20 %")
    assert any("was refused" in each for each in diagnosis.unseen)
