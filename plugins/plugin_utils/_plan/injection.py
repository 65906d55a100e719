# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels that have the pods of a namespace injected, and whether they may be set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils._istio.injection import injectors
from .objects import NotOurs

REVISION = "istio.io/rev"
AMBIENT = "istio.io/dataplane-mode"
INJECTION = "istio-injection"
Webhooks = list[Mapping[str, Any]]


def plan(
    labels: Mapping[str, str], *, namespace: str, mode: str, revision: str, webhooks: Webhooks
) -> dict[str, dict[str, str | None]]:
    """The labels to write, None for one to remove.

    labels: of the namespace. mode: sidecar, ambient or none, which removes all of them.
    webhooks: the webhook configurations of the cluster, for the mode sidecar.
    """
    if text := problem(labels, namespace=namespace, mode=mode, revision=revision):
        raise NotOurs(text)
    sidecar = {REVISION: revision} if revision else {INJECTION: "enabled"}
    wanted = {"sidecar": sidecar, "ambient": {AMBIENT: "ambient"}, "none": {}}[mode]
    if mode == "sidecar" and not injectors(webhooks, wanted):
        label = ", ".join(f"{key}={value}" for key, value in wanted.items())
        names = ", ".join(one["metadata"]["name"] for one in webhooks)
        raise NotOurs(
            f"No injector of Istio selects a namespace with the label {label} (webhook configurations: {names}): "
            "give the revision or tag of the Istio that runs as injection_revision or canary_revision"
        )
    surplus = {label: None for label in (INJECTION, REVISION, AMBIENT) if label in labels and label not in wanted}
    return {"labels": {**wanted, **surplus}}


def problem(labels: Mapping[str, str], *, namespace: str, mode: str, revision: str) -> str:
    """Which label would have to be removed, and which setting keeps it; empty if there is none."""
    label, remedy = _against(labels, mode, revision)
    if not label:
        return ""
    return (
        f"namespace {namespace} has the label {label}={labels[label]}, and its pods would leave that part of the mesh: "
        f"give {remedy}, or remove the label"
    )


def _against(labels: Mapping[str, str], mode: str, revision: str) -> tuple[str, str]:
    if mode == "sidecar":
        if labels.get(AMBIENT) == "ambient":
            return AMBIENT, "canary_injection=ambient"
        if REVISION in labels and not revision:
            return REVISION, f"canary_revision={labels[REVISION]}"
    if mode == "ambient":
        if REVISION in labels:
            return REVISION, f"canary_injection=sidecar and canary_revision={labels[REVISION]}"
        if labels.get(INJECTION) == "enabled":
            return INJECTION, "canary_injection=sidecar"
    return "", ""
