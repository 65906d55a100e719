# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from math import inf

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.values import (
    from_json,
    number,
    seconds,
    share,
    show,
    truth,
    understood,
    whole,
)

DEEP = "[" * 99_999


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (10, 10),
        (10.0, 10),
        ("10", 10),
        (" +7 ", 7),
        (0, 0),
        (101, None),
        (-1, None),
        (True, None),
        ("10%", None),
        (1.5, None),
    ],
)
def test_whole_numbers_in_a_range(value: object, found: int | None) -> None:
    assert whole(value, 0, 100) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [("1e3", 1000), (2, 2), ("inf", inf), ("nan", None), (True, None), (None, None), ("x", None), (10**999, None)],
)
def test_numbers(value: object, found: float | None) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    ("value", "found"), [(0.01, 0.01), ("0.01", 0.01), ("1 %", 0.01), ("1%", 0.01), ("%", None), (False, None)]
)
def test_shares_may_be_percent(value: object, found: float | None) -> None:
    assert share(value) == found


@pytest.mark.parametrize(("value", "found"), [("30", 30), (0, 0), (-1, None), (31_536_001, None), ("inf", None)])
def test_seconds_are_at_most_a_year(value: object, found: float | None) -> None:
    assert seconds(value) == found


@pytest.mark.parametrize(("value", "found"), [("Yes", True), ("false", False), (True, True), (1, None), ("on", None)])
def test_truth(value: object, found: bool | None) -> None:
    assert truth(value) is found


def test_json() -> None:
    assert from_json(b'{"a": [1]}') == {"a": [1]}
    for text in ("{", "", DEEP):
        with pytest.raises(ValueError, match=r"Expecting|nested too deeply"):
            from_json(text)


@pytest.mark.parametrize("error", [KeyError("a"), TypeError("a"), AttributeError("a"), IndexError("a")])
def test_data_of_another_form_is_a_value_error(error: Exception) -> None:
    with pytest.raises(ValueError, match=f"it is no dump as expected: {type(error).__name__}"), understood("dump"):
        raise error


def test_values_in_messages() -> None:
    nested: list[object] = []
    for _level in range(99_999):
        nested = [nested]
    assert [show(value) for value in (None, "a", 1, nested)] == [
        "missing",
        "'a'",
        "1",
        "a list that is too large to be shown",
    ]
    assert show("x" * 99) == f"'{'x' * 56}..."
