# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays out where many canaries stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

HEADINGS = ("service", "requests", "phase", "step", "ready pods", "next")


def status_table(services: list[Mapping[str, Any]]) -> list[str]:
    """One line a service, and below it what is wrong. Each has a name and, if it could be read, the result as info."""
    lines = _aligned([HEADINGS, *(_row(service) for service in services)])
    table = lines[:1]
    for line, service in zip(lines[1:], services, strict=True):
        problems = (service.get("info") or {}).get("problems") or []
        table += [line, *(f"  ! {problem}" for problem in problems)]
    return table


def _row(service: Mapping[str, Any]) -> tuple[str, ...]:
    info = service.get("info")
    if not info or not info.get("exists"):
        return (service["name"], "there is no canary" if info else "could not be read")
    step = f"{info['step']} of {len(info['steps'])}" if info.get("steps") else "-"
    ready = ", ".join(f"{name} {one['ready']}/{one['total']}" for name, one in info["versions"].items())
    shares = ", ".join(f"{name} {weight} %" for name, weight in info["weights"].items())
    return (service["name"], shares, info["phase"], step, ready, info.get("next") or "-")


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"status_table": status_table}
