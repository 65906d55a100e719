# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.options import Options

Read = Callable[[Options], object]


def read(given: object, how: Read) -> tuple[object, list[str]]:
    mistakes: list[str] = []
    options = Options("analysis", given, mistakes)
    found = how(options)
    options.end()
    return found, mistakes


@pytest.mark.parametrize(
    ("given", "how", "expected"),
    [
        ("1 %", lambda o: o.rate("a", 0.5), 0.01),
        ("2", lambda o: o.number("a", 0, 1.0), 2.0),
        (-3, lambda o: o.bound("a", inf), -3.0),
        ("7", lambda o: o.whole("a", 1, 9, 5), 7),
        (0.5, lambda o: o.seconds("a", 0.1, 60, 5.0), 0.5),
        ("no", lambda o: o.flag("a", True), False),
        ("hold", lambda o: o.choice("a", ("hold", "fail"), "fail"), "hold"),
        (" x ", lambda o: o.text("a", "a name"), "x"),
    ],
)
def test_values_are_read(given: object, how: Read, expected: object) -> None:
    assert read({"a": given}, how) == (expected, [])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (lambda o: o.rate("a", 0.5), 0.5),
        (lambda o: o.number("a", 0, 1.0), 1.0),
        (lambda o: o.bound("a", -inf), -inf),
        (lambda o: o.whole("a", 1, 9, 5), 5),
        (lambda o: o.seconds("a", 0.1, 60, 5.0), 5.0),
        (lambda o: o.flag("a", True), True),
        (lambda o: o.choice("a", ("hold", "fail"), "fail"), "fail"),
        (lambda o: o.text("a", "a name", ""), ""),
        (lambda o: o.items("a"), []),
        (lambda o: o.part("a", optional=True), None),
    ],
)
@pytest.mark.parametrize("given", [None, {}, {"a": None}])
def test_what_is_not_given_has_its_default(given: object, how: Read, expected: object) -> None:
    assert read(given, how) == (expected, [])


@pytest.mark.parametrize(
    ("given", "how", "default", "mistake"),
    [
        (
            1,
            lambda o: o.rate("a", 0.5),
            0.5,
            "is 1: it must be a share between 0 and 1, such as 0.01, or percent, such as 1%",
        ),
        (0.6, lambda o: o.rate("a", 0.1, 0.5), 0.1, "such as 1%, and below 0.5"),
        (-1, lambda o: o.number("a", 0, 1.0), 1.0, "is -1: it must be a number of 0 or more"),
        ("inf", lambda o: o.number("a", 0, 1.0), 1.0, "it must be a number of 0 or more"),
        ("inf", lambda o: o.bound("a", inf), inf, "is 'inf': it must be a number"),
        (10, lambda o: o.whole("a", 1, 9, 5), 5, "is 10: it must be a whole number from 1 to 9"),
        (61, lambda o: o.seconds("a", 0.1, 60, 5.0), 5.0, "is 61: it must be a number of seconds from 0.1 to 60"),
        ("maybe", lambda o: o.flag("a", True), True, "is 'maybe': it must be true or false"),
        (
            ["hold"],
            lambda o: o.choice("a", ("hold", "fail"), "fail"),
            "fail",
            "is ['hold']: it must be one of hold, fail",
        ),
        (" ", lambda o: o.text("a", "a name", "x"), "", "is ' ': it must be a name"),
        ({}, lambda o: o.items("a"), [], "is {}: it must be a list"),
    ],
)
def test_mistakes_have_their_place_and_the_default(given: object, how: Read, default: object, mistake: str) -> None:
    found, mistakes = read({"a": given}, how)
    assert found == default
    assert len(mistakes) == 1
    assert mistakes[0].startswith("analysis.a is ")
    assert mistakes[0].endswith(mistake)


def test_required_text() -> None:
    assert read({}, lambda o: o.text("a", "a name")) == ("", ["analysis.a is missing: it must be a name"])


@pytest.mark.parametrize(("given", "on"), [(None, True), (True, True), ("false", False), ({"b": 1}, True)])
def test_parts_can_be_switched_off(given: object, on: bool) -> None:
    found, mistakes = read({"a": given}, lambda o: o.part("a"))
    assert (found is not None, mistakes) == (on, [])


def test_a_part_that_is_no_mapping_is_a_mistake() -> None:
    assert read({"a": 3}, lambda o: o.part("a"))[1] == ["analysis.a is 3: it must be a mapping, or false"]
    assert read(3, lambda o: None)[1] == ["analysis is 3: it must be a mapping"]


def test_parts_and_items_know_their_place() -> None:
    def how(options: Options) -> Any:
        part = options.part("part")
        assert part
        part.flag("on", True)
        part.end()
        for item in options.items("list"):
            item.text("name", "a name")
        options.note("x", "is odd")

    assert read({"part": {"on": 1, "up": 2}, "list": [{}], "off": 1}, how)[1] == [
        "analysis.part.on is 1: it must be true or false",
        "analysis.part has up: it has only on",
        "analysis.list[0].name is missing: it must be a name",
        "analysis.x is odd",
        "analysis has off: it has only part, list",
    ]
