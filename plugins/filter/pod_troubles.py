# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says why pods are not ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._k8s.conditions import is_ready
from ansible_collections.progressive.istio.plugins.module_utils._k8s.pods import examine

Object = Mapping[str, Any]


def pod_troubles(pods: Iterable[Object], deployments: Iterable[Object] = ()) -> list[str]:
    """One sentence for each pod that is not ready, and for each Deployment that cannot make its pods."""
    unready = [pod for pod in pods if not is_ready(pod)]
    return [printable(each) for each in examine("", {}, unready, deployments).troubles]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"pod_troubles": pod_troubles}
