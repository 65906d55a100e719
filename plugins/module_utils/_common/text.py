# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Numbers and long texts in sentences. Pure."""

from __future__ import annotations

GAP = " ... "  # stands for what is left out


def plural(number: int, noun: str, many: str = "") -> str:
    """The number with its noun: 1 pod, 2 pods. many: the noun for several, where an s does not make it."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def shortened(text: str, longest: int) -> str:
    """The text in one line, of at most so many characters (at least 20); what is left out is in the middle.

    A message begins with what it is about and ends with the reason, so more of the end is kept.
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    head = longest // 3
    first, last = line[:head], line[len(line) - (longest - head - len(GAP)) :]
    return f"{first.rpartition(' ')[0] or first}{GAP}{last.partition(' ')[2] or last}"
