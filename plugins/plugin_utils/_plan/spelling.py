# SPDX-License-Identifier: GPL-3.0-or-later
"""Which known name a misspelt one was meant to be."""

from __future__ import annotations

from collections.abc import Iterable

SHORT = 5  # letters up to which one slip makes another word already


def meant(name: str, known: Iterable[str]) -> str | None:
    """The nearest known name, if it is a slip or two away; of equally near ones the first by the alphabet."""
    allowed = 1 if len(name) <= SHORT else 2
    distances = sorted((slips(name, one), one) for one in known if abs(len(one) - len(name)) <= allowed)
    return distances[0][1] if distances and distances[0][0] <= allowed else None


def slips(one: str, other: str) -> int:
    """How many letters are added, left out, mistaken, or swapped with the next one."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, above = above, line
    return above[-1]
