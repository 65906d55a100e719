# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Foreign text as a terminal may print it. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

# Control and format characters (escape sequences, line ends, bidirectional overrides, invisible letters), halves of
# surrogate pairs, private and unassigned code points, and the separators of lines and paragraphs.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""The text on one line that no terminal acts upon: what cannot be seen is escaped, such as \n and \x1b.

    Anybody who may write an object can put such characters into it, and forge lines or colours of our output with them.
    A text that has been through this once does not change again.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(one) if unicodedata.category(one) in _UNPRINTABLE else one for one in text)


def printable_lines(text: str) -> str:
    """The same for a text whose line ends are ours, such as a table."""
    return "\n".join(printable(line) for line in text.split("\n"))


def for_people(value: Any, lines: frozenset[str] = frozenset(), _name: str = "") -> Any:
    """A value with all its text printable, at any depth. lines: names of fields whose line ends are ours."""
    if isinstance(value, str):
        return printable_lines(value) if _name in lines else printable(value)
    if isinstance(value, Mapping):
        return {for_people(key): for_people(each, lines, str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_people(each, lines) for each in value]
    return value


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
