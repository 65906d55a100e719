# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request to the canary of the test mesh, and a session with its API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._release.model import Command, Run, Want
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Plan, Step
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Target

RUN = Run("mine", "jane", "laptop", 1)


@pytest.fixture
def session(cluster: Cluster) -> Session:
    """Without proxies."""
    return Session(cluster)


@pytest.fixture
def asked() -> Callable[..., Request]:
    """What is asked: a weight of 20 % unless a command is given."""

    def make(want: Want = Want.WEIGHTED, **fields: Any) -> Request:
        command = Command(want, RUN, weight=20 if want is Want.WEIGHTED else None)
        plan = Plan("v1", "v2", (Step(10), Step(50), Step(100)))
        return Request(Target("pong", "shop", "v1", "v2"), plan, command, **fields)

    return make
