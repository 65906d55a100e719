# SPDX-License-Identifier: GPL-3.0-or-later
"""Timestamps. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds unless they are 0."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return f"{text.removesuffix('.000')}Z"


def to_milliseconds(moment: datetime) -> datetime:
    """The moment in UTC, cut to milliseconds as in the annotation."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
