# SPDX-License-Identifier: GPL-3.0-or-later
"""Since when an object is as it is, by its own timestamps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Timestamp:
    """A moment, and where it is from. later: it may be later, such as after a Gateway was deleted."""

    at: datetime
    source: str
    later: bool = False


def written(thing: Object, *path: str, later: bool = False) -> Timestamp | None:
    """When this field was written last, and by which manager; None if none owns it, as after its removal."""
    entries = [
        entry
        for entry in thing["metadata"].get("managedFields") or []
        if entry.get("time") and _owns(entry.get("fieldsV1") or {}, path)
    ]
    if not entries:
        return None
    last = max(entries, key=lambda entry: moment(entry["time"]))
    return Timestamp(moment(last["time"]), f"{last.get('manager') or 'unknown'} wrote {'.'.join(path)}", later)


def created(thing: Object, what: str) -> Timestamp | None:
    """When the object was created."""
    time = thing["metadata"].get("creationTimestamp")
    return Timestamp(moment(time), f"{what} was created") if time else None


def turned(thing: Object, kind: str, what: str) -> Timestamp | None:
    """When a condition changed last."""
    conditions = (thing.get("status") or {}).get("conditions") or []
    times = [each.get("lastTransitionTime") for each in conditions if each["type"] == kind]
    return Timestamp(moment(times[0]), f"condition {kind} of {what}") if times and times[0] else None


def latest(*moments: Timestamp | None) -> Timestamp | None:
    """The latest of several; None if one is unknown."""
    known = [each for each in moments if each]
    return max(known, key=lambda each: each.at) if known and len(known) == len(moments) else None


def earliest(*moments: Timestamp | None) -> Timestamp | None:
    """The earliest of those that are known."""
    return min((each for each in moments if each), key=lambda each: each.at, default=None)


def moment(text: str) -> datetime:
    """Parse a time of the API server."""
    return datetime.fromisoformat(text)


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for name in path:
        if f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True
