# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out whether a namespace is in the mesh in another way than is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

REVISION = "istio.io/rev"
AMBIENT = "istio.io/dataplane-mode"
INJECTION = "istio-injection"


def injection_problem(labels: Mapping[str, str], *, namespace: str, mode: str, revision: str) -> str:
    """Which label would have to go, and which setting keeps it; empty where none has to.

    labels: of the namespace. mode: sidecar, ambient or none, which takes the namespace out as it is asked to.
    """
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


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name it."""
        return {"injection_problem": injection_problem}
