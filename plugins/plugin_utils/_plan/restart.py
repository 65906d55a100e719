# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what must be restarted so that its pods come into the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils._k8s.conditions import is_live
from ...module_utils._k8s.owners import owner_of
from ...module_utils._k8s.pods import has_sidecar
from .objects import is_managed

Pod = Mapping[str, Any]

OPT_OUT = "sidecar.istio.io/inject"
MIRROR = "kubernetes.io/config.mirror"
RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")


def is_member(pod: Pod) -> bool:
    """Whether the pod stays and takes part in the mesh: Istio injects no other pod, and a Job's pod ends by itself."""
    metadata, spec = pod["metadata"], pod["spec"]
    marks = [metadata.get(place) or {} for place in ("labels", "annotations")]
    return not (
        not is_live(pod)
        or spec.get("hostNetwork")
        or MIRROR in marks[1]
        or any(mark.get(OPT_OUT) == "false" for mark in marks)
        or owner_of(pod)[0] == "Job"
    )


def without_sidecar(pods: list[Pod]) -> list[str]:
    """The names of the pods that should have a sidecar and have none."""
    return sorted(pod["metadata"]["name"] for pod in pods if is_member(pod) and not has_sidecar(pod))


def problems(pods: list[Pod], *, namespace: str) -> list[str]:
    """One sentence if pods have no sidecar."""
    names = without_sidecar(pods)
    return names and [
        f"these pods of namespace {namespace} have no sidecar: {', '.join(names)}. Bring the namespace into the mesh "
        "by the role progressive.istio.injection first"
    ]


def plan(
    pods: list[Pod],
    *,
    replica_sets: list[Mapping[str, Any]],
    deployments: list[Mapping[str, Any]],
    sidecar: bool,
    all_owners: bool,
) -> dict[str, list[Any]]:
    """The workloads whose pods lack the sidecar (or have one they should not), and pods that none can restart.

    Without `all_owners` only those Deployments are restarted that this collection made, and all else is left.
    """
    made = None if all_owners else {one["metadata"]["name"] for one in deployments if is_managed(one)}
    parents = {one["metadata"]["name"]: owner_of(one) for one in replica_sets}
    workloads: set[tuple[str, str]] = set()
    stuck: list[str] = []
    for pod in pods:
        if not is_member(pod) or has_sidecar(pod) == sidecar:
            continue
        kind, name = owner_of(pod)
        if kind == "ReplicaSet" and parents.get(name, ("", ""))[0]:
            kind, name = parents[name]
        if kind in RESTARTABLE:
            workloads.add((kind, name))
        else:
            owner = f"it belongs to {kind} {name}, which has no rolling restart" if kind else "it has no owner"
            stuck.append(f"{pod['metadata']['name']} ({owner})")
    ours = {(kind, name) for kind, name in workloads if made is None or (kind == "Deployment" and name in made)}
    left = [f"{kind} {name}" for kind, name in sorted(workloads - ours)]
    return {
        "workloads": [{"kind": kind, "name": name} for kind, name in sorted(ours)],
        "left": left if made is None else [*left, *(f"pod {one}" for one in sorted(stuck))],
        "stuck": sorted(stuck) if made is None else [],
    }
