# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, long texts and tables. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

GAP = " ... "  # replaces what is left out
LONGEST = 300  # characters of a foreign text in a message


def plural(number: int, noun: str, many: str = "") -> str:
    """The number with its noun: 1 pod, 2 pods. many: the plural, where it is not formed by an s."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def listing(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first names, and how many more there are."""
    more = f"{separator.rstrip(', ')} and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def joined(names: Sequence[str]) -> str:
    """All names: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def shortened(text: str, longest: int) -> str:
    """The text in one line of at most `longest` characters (at least 20), with its middle left out.

    A message begins with its subject and ends with the reason, so more of the end is kept.
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    head = longest // 3
    first, last = line[:head], line[len(line) - (longest - head - len(GAP)) :]
    return f"{first.rpartition(' ')[0] or first}{GAP}{last.partition(' ')[2] or last}"


def excerpt(text: str, longest: int = LONGEST, secrets: Iterable[str] = ()) -> str:
    """A foreign text in one line, with its end cut off where it is longer, and with secrets masked."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The lines of a table. right: indexes of the columns that are aligned to the right; rows may be short."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]
