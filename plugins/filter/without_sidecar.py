# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the pods that lack their sidecar."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.progressive.istio.plugins.plugin_utils._pods import Pod, has_sidecar, is_member


def without_sidecar(pods: list[Pod]) -> list[str]:
    """The names of the pods that should have a sidecar and have none."""
    return sorted(pod["metadata"]["name"] for pod in pods if is_member(pod) and not has_sidecar(pod))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"without_sidecar": without_sidecar}
