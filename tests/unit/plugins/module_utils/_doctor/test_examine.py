# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._doctor.diagnosis import Diagnosis
from ansible_collections.progressive.istio.plugins.module_utils._doctor.examine import diagnose
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import Access
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Target
from api_server import Answer, ApiServer
from pong_mesh import NAMESPACE, populate

TARGET = Target("pong", NAMESPACE, "v1", "v2")


@pytest.fixture
def cluster(server: ApiServer) -> Cluster:
    populate(server, (80, 20))
    return Cluster(lambda: Access(server.url, "test"), patience=0)


def examined(cluster: Cluster, target: Target = TARGET, skip: Collection[str] = ()) -> Diagnosis:
    return diagnose(cluster, target, skip, "none")[0]


def found(cluster: Cluster, target: Target = TARGET, skip: Collection[str] = ()) -> list[str]:
    return [each.finding.check for each in examined(cluster, target, skip).problems]


def test_the_status_has_the_weights(cluster: Cluster) -> None:
    assert examined(cluster).status.startswith("v1 80 %, v2 20 %; 29 checks")


def test_skipped_checks_do_not_run(cluster: Cluster) -> None:
    usual = found(cluster)
    assert usual
    assert found(cluster, skip=usual) == []


def test_a_virtual_service_that_does_not_exist_is_the_only_error(cluster: Cluster) -> None:
    (problem,) = examined(cluster, replace(TARGET, name="other")).errors
    assert problem.finding.check == "virtual_service_exists"


def test_versions_that_no_route_has(cluster: Cluster) -> None:
    assert "release_found" in found(cluster, replace(TARGET, canary="v9", stable="v8"))


def test_without_rights_elsewhere_its_own_namespace_is_read(server: ApiServer, cluster: Cluster) -> None:
    server.before = lambda _number, request: (
        Answer(403, "Forbidden") if request.path.endswith("/v1/virtualservices") else None
    )
    diagnosis = examined(cluster)
    assert diagnosis.status.startswith("v1 80 %, v2 20 %")
    assert any("was refused" in each for each in diagnosis.unseen)
