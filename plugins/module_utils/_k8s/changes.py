# SPDX-License-Identifier: GPL-3.0-or-later
"""List the objects of a kind, and watch from that resourceVersion, so that no change is missed.

A watch alone begins with the objects that exist when it opens, so it misses earlier deletions.
"""

from __future__ import annotations

from collections.abc import Iterator

from .client import Cluster, Kind, Object, Objects, Watch

LONGEST = 60.0  # seconds until a watch ends and all is listed again, in case its connection was lost unnoticed


class Changes:
    """The changes of one kind in one namespace that match the label selector. For one thread, except `close`.

    since: the resourceVersion of a list that was made before.
    """

    def __init__(self, cluster: Cluster, kind: Kind, namespace: str, labels: str = "", since: str = "") -> None:
        self._cluster = cluster
        self._kind = kind
        self._namespace = namespace
        self._labels = labels
        self._version = since
        self._watch: Watch | None = None
        self._closed = False

    def list(self) -> Objects:
        """All objects now."""
        found, self._version = self._cluster.list_versioned(self._kind, self._namespace, self._labels)
        return found

    def follow(self, seconds: float) -> Iterator[tuple[str, Object]]:
        """Each change since the last list, as (type, object). When it ends or raises ClusterError, list again."""
        seconds = min(seconds, LONGEST)
        self._watch = self._cluster.watch(
            self._kind, self._namespace, seconds, labels=self._labels, since=self._version
        )
        if self._closed:  # meanwhile
            self._watch.close()
        return iter(self._watch)

    def close(self) -> None:
        """End `follow` for good; from any thread."""
        self._closed = True
        if self._watch:
            self._watch.close()
