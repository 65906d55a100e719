# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign text that is safe for a terminal. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

# Control and format characters (escape sequences, line ends, bidirectional overrides, invisible letters), halves of
# surrogate pairs, private and unassigned code points, and the separators of lines and paragraphs.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""The text on one line with what cannot be seen escaped, such as \n and \x1b; idempotent.

    A user who may write an object could forge lines or colours of our output with such characters.
    """
    if text.isprintable():
        return text
    return "".join(
        each.encode("unicode_escape").decode("ascii") if unicodedata.category(each) in _UNPRINTABLE else each
        for each in text
    )


def printable_lines(text: str) -> str:
    """The same for a text with line ends of ours, such as a table."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable_values(value: Any, lines: frozenset[str] = frozenset(), _name: str = "") -> Any:
    """A value with all its text printable, at any depth. lines: names of fields with line ends of ours."""
    if isinstance(value, str):
        return printable_lines(value) if _name in lines else printable(value)
    if isinstance(value, Mapping):
        return {printable_values(key): printable_values(each, lines, str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable_values(each, lines) for each in value]
    return value
