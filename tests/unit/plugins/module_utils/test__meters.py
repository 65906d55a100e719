# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils import _meters
from ansible_collections.progressive.istio.plugins.module_utils._counts import Sample
from ansible_collections.progressive.istio.plugins.module_utils._criteria import ProbeOptions
from ansible_collections.progressive.istio.plugins.module_utils._meters import ProbeMeter
from ansible_collections.progressive.istio.plugins.module_utils._probe import Outcome
from ansible_collections.progressive.istio.plugins.module_utils._snapshot import Target, parse
from pong_mesh import NAMESPACE, virtual_service


@pytest.mark.parametrize(("elsewhere", "unattributed"), [(True, 1), (False, 3)])
def test_good_answers_of_further_destinations_are_nobodys_failures(
    monkeypatch: pytest.MonkeyPatch, elsewhere: bool, unattributed: int
) -> None:
    """A failure without a version may be the canary's all the same."""
    outcomes = [Outcome(0.01, status, body) for status, body in ((200, "v1"), (200, "v2"), (200, "ad"), (404, "none"))]
    outcomes.append(Outcome(0.01, 503, "no healthy upstream"))
    monkeypatch.setattr(_meters, "probe", lambda *_args, **_options: outcomes)
    service: dict[str, Any] = virtual_service(64, 16)
    if elsewhere:
        service["spec"]["http"][1]["route"].append({"destination": {"host": "ads"}, "weight": 20})
    snapshot = parse(Target("pong", NAMESPACE, "v1", "v2"), service)
    counts = ProbeMeter(ProbeOptions(url="http://127.0.0.1/"), snapshot).look()
    assert counts.unattributed == unattributed
    assert counts.share == pytest.approx(0.2)
    assert counts.canary.answers == Sample(1, 0)
