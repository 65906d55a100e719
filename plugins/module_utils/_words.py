# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Numbers in sentences."""

from __future__ import annotations


def plural(number: int, noun: str, many: str = "") -> str:
    """The number with its noun: 1 pod, 2 pods. many: the noun for several, where an s does not make it."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"
