# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for the pods that a decision needs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from .._common.shares import said
from .._k8s.auth import ClusterError
from .._k8s.changes import Changes
from .._k8s.client import POD
from .._release.model import Wait
from .context import Request, Session
from .decide import awaits_pods, decide_on
from .read import pods_of
from .snapshot import Object, Snapshot

TURN = 7.5  # seconds after which the number of pods that are wanted is read again
PAUSE = 0.5  # seconds before the pods are watched again when the API server ended the watch


def wait_for_pods(session: Session, request: Request, snapshot: Snapshot, why: str, deadline: float) -> str:
    """Return "" as soon as the pods may be enough; once the deadline (monotonic) is over, why they are not."""
    left = max(0.0, deadline - time.monotonic())
    if left:
        session.waiting(snapshot, f"waits for pods, at most {left:.0f} s: {why}")
    try:
        if _may_be_enough(session, request, snapshot, deadline):
            return ""
    except ClusterError as error:
        if error.status in (401, 403):
            raise
    time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))  # the watch has ended or broken off
    if time.monotonic() < deadline:
        return ""
    last = decide_on(session, request, pods_of(session.cluster, snapshot))
    why = last.why if isinstance(last, Wait) else why
    return f"{why}; waited {request.patience:g} s, the weights stay {said(snapshot.all_shares)}"


def _may_be_enough(session: Session, request: Request, snapshot: Snapshot, deadline: float) -> bool:
    """Follow the pods until the decision waits for them no longer: True; False when the watch or the time is over."""
    if snapshot.service is None:
        return False

    def enough(pods: Mapping[str, Object]) -> bool:
        return not awaits_pods(decide_on(session, request, replace(snapshot, pods=tuple(pods.values()))))

    changes = Changes(session.cluster, POD, snapshot.service.namespace, snapshot.selector)
    pods = {pod["metadata"]["uid"]: pod for pod in changes.list()}
    if enough(pods):
        return True
    for event, pod in changes.follow(min(TURN, max(0.0, deadline - time.monotonic()))):
        pods[pod["metadata"]["uid"]] = pod
        if event == "DELETED":
            del pods[pod["metadata"]["uid"]]
        if enough(pods):
            return True
        if time.monotonic() > deadline:
            break
    return False
