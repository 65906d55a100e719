# SPDX-License-Identifier: GPL-3.0-or-later
"""One guarded patch of a VirtualService, whose answer may be lost."""

from __future__ import annotations

from .._k8s.auth import ClusterError
from .._k8s.client import VIRTUAL_SERVICE, Cluster
from .._routing.virtual_service import Operations, note_of, patched
from .snapshot import Object

CONFLICTS = 6  # how many reads in a row others may overtake before that is given up
NOTE_REFUSED = frozenset({400, 403, 413, 422})  # how API servers and their webhooks refuse an annotation


class Unseen(ClusterError):
    """Something may be written or not: the answer to a patch was lost, and what is there now cannot be read."""


def send(
    cluster: Cluster, virtual_service: Object, operations: Operations, note: str | None, check: bool
) -> Object | None:
    """The VirtualService after the patch, or None if others have written since it was read.

    note: the annotation in the patch.
    """
    meta = virtual_service["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    try:
        return cluster.patch(VIRTUAL_SERVICE, name, namespace, operations, dry_run=check)
    except ClusterError as error:
        if not _may_be_written(error) or check:
            raise
        try:
            now = cluster.get(VIRTUAL_SERVICE, name, namespace)
        except ClusterError as blind:
            raise Unseen(str(error), error.status, error.reason) from blind
        if now and _is_written(now, virtual_service, operations, note):
            return now  # ours: only the answer was lost
        if now and now["metadata"]["resourceVersion"] == meta["resourceVersion"]:
            raise
        return None


def _is_written(now: Object, before: Object, operations: Operations, note: str | None) -> bool:
    """Whether this is what the patch makes of the VirtualService."""
    if note is not None:
        return note_of(now) == note
    return bool(now["spec"] == patched(before, operations)["spec"])


def _may_be_written(error: ClusterError) -> bool:
    """Whether a write that failed may be written nevertheless, or another one in its place."""
    conflict = error.status in (409, 422)  # those of a patch whose test failed, among others
    return conflict or error.status is None or error.status >= 500
