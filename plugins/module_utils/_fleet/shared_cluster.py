# SPDX-License-Identifier: GPL-3.0-or-later
"""One API server for many canaries at once: what they read at the same time is read once for all of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._common.flights import Flights
from .._k8s.auth import Access, ClusterError
from .._k8s.client import DEPLOYMENT, DESTINATION_RULE, GATEWAY, POD, SERVICE, VIRTUAL_SERVICE, Cluster, Kind, Object
from .._k8s.selectors import includes, labels_of

Question: TypeAlias = "tuple[Kind, str | None, str]"  # the kind, its namespace, and a selector of labels

AGE = 0.5  # seconds that an answer serves others who ask for the same
# What each canary reads by name or by labels is listed for all of them.
LISTED = frozenset({DEPLOYMENT, DESTINATION_RULE, GATEWAY, POD, SERVICE, VIRTUAL_SERVICE})


@dataclass(frozen=True)
class _Listed:
    """Objects, the resourceVersion from which a watch of them continues, when they were read, and after which write."""

    items: list[Object]
    version: str
    began: float
    writes: int


class SharedCluster(Cluster):
    """A Cluster for many threads. No answer is older than AGE, nor than the last write of the same kind.

    Where an account may read an object but not list its kind, the object is read by itself.
    """

    CONNECTIONS = 64

    def __init__(self, authenticate: Callable[[], Access]) -> None:
        super().__init__(authenticate)
        self._flights: Flights[_Listed] = Flights()
        self._newest: dict[Question, _Listed] = {}
        self._writes: Counter[Kind] = Counter()
        self._unlisted: set[tuple[Kind, str]] = set()  # kinds and namespaces that may not be listed
        self._counting = threading.Lock()

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        if kind not in LISTED or not namespace or (kind, namespace) in self._unlisted:
            return super().get(kind, name, namespace)
        try:
            found = self.list(kind, namespace)
        except ClusterError as error:
            if error.status != 403:
                raise
            self._unlisted.add((kind, namespace))
            return super().get(kind, name, namespace)
        return next((each for each in found if each["metadata"]["name"] == name), None)

    def list_versioned(self, kind: Kind, namespace: str | None = None, labels: str = "") -> tuple[list[Object], str]:
        wanted = _pairs(labels)
        if kind not in LISTED or not namespace or wanted is None:
            found = self._shared((kind, namespace, labels))
            return found.items, found.version
        found = self._shared((kind, namespace, ""))
        return [each for each in found.items if includes(wanted, labels_of(each))], found.version

    def patch(
        self, kind: Kind, name: str, namespace: str | None, operations: list[Object], dry_run: bool = False
    ) -> Object:
        try:
            return super().patch(kind, name, namespace, operations, dry_run)
        finally:
            with self._counting:
                self._writes[kind] += 1

    def _shared(self, question: Question) -> _Listed:
        known = self._newest.get(question)
        if known and time.monotonic() < known.began + AGE and known.writes == self._writes[question[0]]:
            return known
        return self._flights.share(question, lambda: self._listed(question))

    def _listed(self, question: Question) -> _Listed:
        began, writes = time.monotonic(), self._writes[question[0]]
        listed = self._newest[question] = _Listed(*super().list_versioned(*question), began, writes)
        return listed

    def _count(self) -> None:
        with self._counting:
            super()._count()


def _pairs(labels: str) -> dict[str, Any] | None:
    """The labels of a selector of pairs; None for another one."""
    pairs = [each.split("=", 1) for each in labels.split(",") if each]
    return dict(pairs) if all(len(pair) == 2 and not pair[0].endswith("!") for pair in pairs) else None
