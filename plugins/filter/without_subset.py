# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how to take a version out of a DestinationRule."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.progressive.istio.plugins.plugin_utils._objects import Object, changed, is_managed


def without_subset(rules: list[Object], version: str) -> Object | None:
    """What to write so that the version's subset is gone; None if it is, means more, or others made the rule."""
    for rule in filter(is_managed, rules):
        subsets = rule["spec"].get("subsets") or []
        return changed("DestinationRule", rule, {"subsets": [one for one in subsets if not _only_names(one, version)]})
    return None


def _only_names(subset: Object, version: str) -> bool:
    return subset == {"name": version, "labels": {"version": version}}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Object | None]]:
        """Name it."""
        return {"without_subset": without_subset}
