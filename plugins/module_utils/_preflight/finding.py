# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""A problem that a check has found: which object, what is wrong with it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._common.clock import stamp
from .timestamps import Timestamp

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One accused object. problem and remedy are half sentences; check is the name of the check that found it.

    command: what mends it, or shows more of it; a remedy may end with it. since: None where nothing tells it.
    about: what of the object it is about, in the words of _about; without, the object.
    """

    severity: str
    kind: str
    namespace: str
    name: str
    problem: str
    remedy: str
    check: str = ""
    command: str = ""
    since: Timestamp | None = None
    about: frozenset[str] = frozenset()

    def concerns(self, other: Finding) -> bool:
        """Whether both are about the same thing."""
        return not (self.about or {self.place}).isdisjoint(other.about or {other.place})

    @property
    def advice(self) -> str:
        """The remedy in words alone."""
        return self.remedy.removesuffix(self.command).rstrip(": ") if self.command else self.remedy

    @property
    def place(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def facts(self) -> dict[str, Any]:
        """As part of a module's result."""
        told = {name: getattr(self, name) for name in ("check", "severity", "kind", "namespace", "name")}
        told |= {"problem": self.problem, "remedy": self.remedy, "command": self.command}
        since = self.since
        return told | {"since": stamp(since.at) if since else None, "told_by": since.by if since else None}

    def __str__(self) -> str:
        return f"{self.place} {self.problem} -> {self.remedy}"


def error(
    kind: str,
    thing: Mapping[str, Any],
    problem: str,
    remedy: str,
    command: str = "",
    since: Timestamp | None = None,
    about: Iterable[str] = (),
) -> Finding:
    """A finding about requests that are lost or go to the wrong version, now or at the next step."""
    return _found(ERROR, kind, thing, problem, remedy, command, since, about)


def warning(
    kind: str,
    thing: Mapping[str, Any],
    problem: str,
    remedy: str,
    command: str = "",
    since: Timestamp | None = None,
    about: Iterable[str] = (),
) -> Finding:
    """A finding about something that works now, and is fragile or not what it seems."""
    return _found(WARNING, kind, thing, problem, remedy, command, since, about)


def _found(
    severity: str,
    kind: str,
    thing: Mapping[str, Any],
    problem: str,
    remedy: str,
    command: str,
    since: Timestamp | None,
    about: Iterable[str],
) -> Finding:
    metadata = thing["metadata"]
    place = (metadata.get("namespace", ""), metadata["name"])
    return Finding(severity, kind, *place, problem, remedy, command=command, since=since, about=frozenset(about))
