# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Which pods the mesh should have a sidecar in, and which have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._k8s.owners import owner_of

Pod = Mapping[str, Any]

SIDECAR = "istio-proxy"
OPT_OUT = "sidecar.istio.io/inject"
MIRROR = "kubernetes.io/config.mirror"


def is_member(pod: Pod) -> bool:
    """Whether the pod stays and takes part in the mesh: Istio injects no other pod, and a Job's pod ends by itself."""
    metadata, spec = pod["metadata"], pod["spec"]
    marks = [metadata.get(place) or {} for place in ("labels", "annotations")]
    return not (
        metadata.get("deletionTimestamp")
        or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        or spec.get("hostNetwork")
        or MIRROR in marks[1]
        or any(mark.get(OPT_OUT) == "false" for mark in marks)
        or owner_of(pod)[0] == "Job"
    )


def has_sidecar(pod: Pod) -> bool:
    """Whether the proxy is in the pod: beside the containers or, as a native sidecar, among the init containers."""
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
    return any(container["name"] == SIDECAR for container in containers)
