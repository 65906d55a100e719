# SPDX-License-Identifier: GPL-3.0-or-later
"""A problem that a check has found: which object, what is wrong with it, and how to fix it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._common.clock import stamp
from .timestamps import Timestamp

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One problem of one object. problem and remedy are half sentences; check is the name of the check.

    command: fixes it, or shows more of it. since: None if unknown. about: what part of the object it concerns, in the
    words of `subject`; without, all of it.
    """

    severity: str
    kind: str
    namespace: str
    name: str
    problem: str
    remedy: str
    command: str = ""
    check: str = ""
    since: Timestamp | None = None
    about: frozenset[str] = frozenset()

    def concerns(self, other: Finding) -> bool:
        """Whether both are about the same thing."""
        return not (self.about or {self.place}).isdisjoint(other.about or {other.place})

    @property
    def place(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def advice(self) -> str:
        """The remedy and its command on one line."""
        return f"{self.remedy}: {self.command}" if self.command else self.remedy

    def facts(self) -> dict[str, Any]:
        """As part of a module's result."""
        names = ("check", "severity", "kind", "namespace", "name", "problem", "remedy", "command")
        since = {"since": stamp(self.since.at), "since_source": self.since.source} if self.since else {}
        return {name: getattr(self, name) for name in names} | {"since": None, "since_source": None} | since

    def __str__(self) -> str:
        return f"{self.place} {self.problem} -> {self.advice}"


def _found(
    severity: str,
    kind: str,
    thing: Mapping[str, Any],
    problem: str,
    remedy: str,
    command: str = "",
    since: Timestamp | None = None,
    about: Iterable[str] = (),
    check: str = "",
) -> Finding:
    namespace, name = thing["metadata"].get("namespace", ""), thing["metadata"]["name"]
    return Finding(severity, kind, namespace, name, problem, remedy, command, check, since, frozenset(about))


error = partial(_found, ERROR)  # requests are lost or reach the wrong version, now or at the next step
warning = partial(_found, WARNING)  # it works now, but is fragile or not what it seems
