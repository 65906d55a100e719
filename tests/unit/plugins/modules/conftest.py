# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service of the test mesh behind a gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy import fleet
from ansible_collections.progressive.istio.plugins.modules import canary
from api_server import ApiServer
from istio_mesh import Istio
from loopback_mesh import istiod, running
from pong_mesh import virtual_service


@pytest.fixture
def mesh(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Istio]:
    monkeypatch.setattr(fleet, "FIRST_QUESTION", 0.1)
    server.put("virtualservices", virtual_service(100, 0, gateways=["gateway"]))
    with running(Istio(server)) as mesh:
        istiod(mesh)
        yield mesh


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warns of; with the controller's code in the same process, results do not have it."""
    warnings: list[str] = []
    monkeypatch.setattr(canary.Module, "warn", lambda module, warning: warnings.append(warning))
    return warnings
