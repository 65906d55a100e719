# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts are consistent, and gaps in them are named."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._metrics.counts import Coverage, Sample


@pytest.mark.parametrize(("requests", "bad"), [(0, 1), (3, 4), (3, -1)])
def test_more_bad_requests_than_requests_are_refused(requests: int, bad: int) -> None:
    with pytest.raises(ValueError, match=f"{bad} of {requests} requests cannot be bad"):
        Sample(requests, bad)


def test_the_share_of_bad_requests() -> None:
    assert (Sample().share, Sample(8, 2).share, Sample(8, 8).share) == (0, 0.25, 1)


def test_only_gaps_are_reported() -> None:
    assert str(Coverage(2, 2)) == ""
    assert str(Coverage(1, 2, "gateway a cannot be read")) == "counted in 1 of 2 proxies: gateway a cannot be read"
