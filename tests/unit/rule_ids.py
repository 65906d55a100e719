# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a VirtualService by their index."""

from __future__ import annotations

from ansible_collections.progressive.istio.plugins.module_utils._routing.virtual_service import RuleId


def http(*indexes: int) -> tuple[RuleId, ...]:
    return tuple(RuleId("http", index) for index in indexes)
