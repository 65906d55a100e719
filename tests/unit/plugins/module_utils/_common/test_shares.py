# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.shares import (
    Percent,
    exact,
    number,
    numbers,
    rest_of,
    said,
    share_of,
)
from hypothesis import given
from hypothesis.strategies import integers


@pytest.mark.parametrize(
    ("weight", "whole", "text"),
    [
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (1, 2, "50"),
        (1, 1, "100"),
        (0, 7, "0"),
        (1, 8, "12.5"),
        (1, 30_000, "0.003"),  # what is not 0 does not read as 0
        (29_999, 30_000, "99.997"),
    ],
)
def test_how_a_share_reads(weight: int, whole: int, text: str) -> None:
    share = share_of(weight, whole)
    assert f"{share}" == str(share) == text
    assert f"{share!s:>7}" == text.rjust(7)
    assert json.dumps(number(share)) == text


def test_whole_percentages_are_plain_numbers() -> None:
    assert [type(share_of(weight, 200)) for weight in (0, 2, 200, 3)] == [int, int, int, Percent]


def test_several() -> None:
    shares = {"v1": share_of(2, 3), "v2": share_of(1, 3)}
    assert said(shares) == "v1 66.67 %, v2 33.33 %"
    assert numbers(shares) == {"v1": 66.67, "v2": 33.33}


@given(integers(0, 10_000), integers(1, 10_000))
def test_shares_are_exact(one: int, other: int) -> None:
    share = share_of(one, one + other)
    assert share + share_of(other, one + other) == 100
    assert rest_of(share) == share_of(other, one + other)
    assert exact(float(share)) == share  # as the annotation has it
