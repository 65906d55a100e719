# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The note in the annotation that weights are set, but were not seen to be live. Pure.

A write says itself that it is in doubt, and a second one, of the annotation alone, that it is live and since when.
So a step soaks from then on, and whoever comes after a run that ended in between, or after an outage, asks the proxies.
"""

from __future__ import annotations

from dataclasses import replace

from .state import State

UNPROVEN = "unproven"


def unproven(state: object) -> bool:
    """Whether the weights of this state were set, but not seen to be live."""
    return isinstance(state, State) and bool(state.extra.get(UNPROVEN))


def proven(state: State) -> State:
    """The state without that note."""
    return replace(state, extra={name: value for name, value in state.extra.items() if name != UNPROVEN})


def doubted(state: State) -> State:
    """The state with it."""
    return replace(state, extra={**state.extra, UNPROVEN: True})
