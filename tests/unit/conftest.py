# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the working tree importable as the collection it is, and give tests a small mesh to work on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLACE = Path("ansible_collections", "progressive", "istio")
# `ansible-test` runs in such a place; a checkout gets a link there.
COLLECTIONS = ROOT.parents[2] if ROOT.parts[-3:] == PLACE.parts else ROOT / "build" / "collections"
COLLECTION = COLLECTIONS / PLACE

if not COLLECTION.exists():
    COLLECTION.parent.mkdir(parents=True, exist_ok=True)
    COLLECTION.symlink_to(ROOT, target_is_directory=True)
sys.path[:0] = [str(COLLECTIONS), str(HERE)]

# By time alone an example fails only because the machine is busy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests talk to is on loopback, wherever a proxy of this machine would lead."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") and not name.startswith("K8S_AUTH_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Any]:
    """An API server with one service in two versions."""
    from api_server import ApiServer
    from pong_mesh import populate

    with ApiServer() as running:
        populate(running)
        yield running


@pytest.fixture
def cluster(server: Any) -> Any:
    """A connection to it."""
    from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import connect

    return connect({"host": server.url, "api_key": "secret"})
