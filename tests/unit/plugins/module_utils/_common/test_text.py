# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.text import (
    aligned,
    excerpt,
    listing,
    plural,
    shortened,
)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("all of it", "all of it"),
        ("  over\n two\tlines ", "over two lines"),
        ("x" * 60, "x" * 60),
        ("x" * 61, f"{'x' * 20} ... {'x' * 35}"),
        (
            "Error adding route http.80: virtual host a, b, c, d, e, f, g: duplicate domain a",
            "Error adding route ... c, d, e, f, g: duplicate domain a",
        ),
    ],
)
def test_what_is_long_loses_its_middle(text: str, short: str) -> None:
    assert shortened(text, 60) == short
    assert len(short) <= 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" one\n two\t", "one two"),
        ("x" * 20, "x" * 20),
        ("x" * 21, f"{'x' * 17}..."),
        ("key hush", "key ***"),
        (f"{'x' * 15} hush!", f"{'x' * 15} ***!"),
    ],
)
def test_an_excerpt_is_one_line_without_secrets(text: str, said: str) -> None:
    assert excerpt(text, 20, ("", "hush")) == said


def test_columns_are_aligned() -> None:
    rows = [["name", "count", "note"], ["v1", "1000", ""], ["version-2", "7", "few"], ["v3"]]
    assert aligned(rows, right={1}) == [
        "name       count  note",
        "v1          1000",
        "version-2      7  few",
        "v3",
    ]
    assert aligned([]) == []


def test_a_number_has_its_noun() -> None:
    assert [plural(1, "pod"), plural(0, "pod"), plural(2, "entry", "entries")] == ["1 pod", "0 pods", "2 entries"]


@pytest.mark.parametrize(
    ("names", "separator", "text"),
    [
        ([], ", ", ""),
        (["a", "b", "c"], ", ", "a, b, c"),
        (list("abcde"), ", ", "a, b, c and 2 more"),
        (list("abcd"), "; ", "a; b; c; and 1 more"),
    ],
)
def test_a_long_list_ends_with_the_number_of_the_others(names: list[str], separator: str, text: str) -> None:
    assert listing(names, separator=separator) == text
