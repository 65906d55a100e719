# SPDX-License-Identifier: GPL-3.0-or-later
"""Says why pods are not ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._k8s.conditions import is_live
from ansible_collections.progressive.istio.plugins.module_utils._k8s.pods import create_failure, why_not_ready

Object = Mapping[str, Any]


def pod_troubles(pods: Iterable[Object], deployments: Iterable[Object] = ()) -> list[str]:
    """One sentence for each pod that is not ready, and for each Deployment that cannot make its pods."""
    found = [("Deployment", one, f"cannot make pods: {why}") for one in deployments if (why := create_failure(one))]
    found += [("pod", one, why) for one in pods if is_live(one) and (why := why_not_ready(one))]
    return [printable(f"{kind} {one['metadata']['name']} {why}") for kind, one, why in found]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"pod_troubles": pod_troubles}
