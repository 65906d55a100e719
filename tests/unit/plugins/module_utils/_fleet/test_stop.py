# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many canaries may fail."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._fleet.stop import InvalidLimit, StopRule


@pytest.mark.parametrize(
    ("given", "total", "most"),
    [(None, 9, None), (0, 9, 0), ("3", 9, 3), (" 10 % ", 60, 6), ("10%", 9, 0), ("100%", 7, 7), ("0%", 5, 0)],
)
def test_a_limit(given: object, total: int, most: int | None) -> None:
    assert StopRule.of(given, total).most == most


@pytest.mark.parametrize("given", [-1, "-1", 1.5, "x", "", "%", True, "101%", "10%%", [], "1e3", "²"])
def test_what_is_no_limit(given: object) -> None:
    with pytest.raises(InvalidLimit, match="max_failures is"):
        StopRule.of(given, 10)


@pytest.mark.parametrize(
    ("most", "failures", "broken"), [(None, 99, False), (0, 0, False), (0, 1, True), (2, 2, False)]
)
def test_more_than_may(most: int | None, failures: int, broken: bool) -> None:
    assert StopRule(most).broken(failures) is broken
