# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest events of pods that are not ready. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .._common.text import excerpt
from .._preflight.timestamps import Timestamp, moment

NEWEST = 3
SCALED = "ScalingReplicaSet"
LONGEST = 160  # characters of a message


@dataclass(frozen=True)
class PodEvent:
    """An event. at: when it happened last; times: how often."""

    at: datetime
    reason: str
    message: str
    times: int
    about: str


def newest(events: Iterable[Mapping[str, Any]], names: Collection[str]) -> tuple[PodEvent, ...]:
    """The newest warnings about objects with these names, newest first, each reason once."""
    mine = [_event(each) for each in events if _warns(each) and each["involvedObject"].get("name") in names]
    last: dict[str, PodEvent] = {}
    for event in sorted(mine, key=lambda each: each.at, reverse=True):
        last.setdefault(event.reason, event)
    return tuple(last.values())[:NEWEST]


def scaled(events: Iterable[Mapping[str, Any]], names: Collection[str]) -> Timestamp | None:
    """When one of these Deployments was scaled last: `kubectl scale` writes no time into the object."""
    times = [
        moment(_time(each))
        for each in events
        if each.get("reason") == SCALED and each["involvedObject"].get("name") in names and _time(each)
    ]
    return Timestamp(max(times), f"event {SCALED}") if times else None


def _warns(event: Mapping[str, Any]) -> bool:
    return event.get("type") == "Warning" and bool(_time(event))


def _event(event: Mapping[str, Any]) -> PodEvent:
    message = excerpt(str(event.get("message") or ""), LONGEST)
    times = (event.get("series") or {}).get("count") or event.get("count") or 1
    about = f"{event['involvedObject'].get('kind', '')} {event['involvedObject']['name']}"
    return PodEvent(moment(_time(event)), str(event.get("reason") or "no reason"), message, times, about)


def _time(event: Mapping[str, Any]) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), event.get("firstTimestamp") or ""))
