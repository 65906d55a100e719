# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What Kubernetes says of the state of a pod or a node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_ready(thing: Mapping[str, Any]) -> bool:
    """Whether its condition Ready is true."""
    conditions: list[Mapping[str, str]] = thing["status"].get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether the pod is there to stay: neither being deleted nor at its end."""
    return not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed")
