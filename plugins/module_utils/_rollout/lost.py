# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary that has lost its last ready pod: its requests fail, so the rollback waits for nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from .._k8s.auth import ClusterError
from .._k8s.client import Cluster
from .._release.state import Verdict
from .read import pods_of
from .snapshot import Snapshot


class Lost(Exception):
    """It was lost while something else was waited for. snapshot: with the pods as they are now."""

    def __init__(self, snapshot: Snapshot, verdict: Verdict) -> None:
        super().__init__(verdict.why)
        self.snapshot = snapshot
        self.verdict = verdict


def loss(cluster: Cluster, snapshot: Snapshot) -> tuple[Snapshot, Verdict | None]:
    """The pods as they are now, and the failure of a canary that has no ready one."""
    snapshot = pods_of(cluster, snapshot, at_once=True)
    canary = snapshot.versions[snapshot.target.canary]
    if snapshot.pods is None or canary.ready:
        return snapshot, None
    return snapshot, Verdict("fail", f"{canary.name} has no ready pod left: {canary.lack}", cluster.now())


def raising(cluster: Cluster, snapshot: Snapshot) -> Callable[[], None]:
    """Return a check that raises Lost then. What cannot be read is no loss."""

    def check() -> None:
        with suppress(ClusterError):
            found, verdict = loss(cluster, snapshot)
            if verdict:
                raise Lost(found, verdict)

    return check
