# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that a terminal may print, wherever it comes from."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import (
    printable,
    printable_lines,
    printable_values,
)
from hypothesis import given
from hypothesis import strategies as st

# Terminals act on control characters; bidirectional ones show text in another order; others are not seen at all.
HARMFUL = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200E, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
HARMFUL += [0x2028, 0x2029, 0x061C, 0xFEFF, 0xE0041, 0xD800, 0xE000]


@pytest.mark.parametrize("code", HARMFUL, ids=hex)
def test_what_a_terminal_acts_upon_is_escaped(code: int) -> None:
    shown = printable(f"a{chr(code)}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert shown.endswith("b")


@pytest.mark.parametrize("text", ["", "from 5 to 20 %", "größer, 更多, \N{NO-BREAK SPACE}%", r"a\nb", "→ ✓"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_once_is_enough(text: str) -> None:
    once = printable(text)
    assert printable(once) == once
    assert len(once.splitlines()) <= 1


def test_line_ends_of_ours_stay() -> None:
    assert printable_lines("a\x1b[2J\nb\rc") == "a\\x1b[2J\nb\\rc"


def test_a_result_is_printable_at_any_depth() -> None:
    result = {"msg": "a\nb", "report": "c\nd\x07", "list": [{"e\n": ("f\x9b", 1, None, True)}], "report2": ["g\n"]}
    assert printable_values(result, frozenset({"report"})) == {
        "msg": "a\\nb",
        "report": "c\nd\\x07",
        "list": [{"e\\n": ["f\\x9b", 1, None, True]}],
        "report2": ["g\\n"],
    }
