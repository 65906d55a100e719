# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what cannot be meant among the settings of a canary."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._plan import InvalidPlan, validate

PLAN = ("stable", "canary", "steps", "interval", "on_failure")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_NAMES = ("app", "namespace", "stable", "canary", "service")
VERSION_KEYS = frozenset({"deployment", "image", "env", "replicas"})


def canary_mistakes(settings: Mapping[str, Any]) -> list[str]:
    """All mistakes, one sentence each; settings are named without their prefix canary_."""
    mistakes: list[str] = []
    try:
        validate(weight=settings.get("weight"), **{name: settings[name] for name in PLAN})
    except InvalidPlan as invalid:
        mistakes += [text if text.startswith("weight ") else f"canary_{text}" for text in invalid.mistakes]
    mistakes += [
        f"canary_{name} is {settings[name]!r}: it must be a name of small letters, digits and dashes, at most 63"
        for name in LABEL_NAMES
        if not LABEL.fullmatch(str(settings[name]))
    ]
    for version, fields in settings["versions"].items():
        unknown = sorted(set(fields) - VERSION_KEYS)
        if unknown:
            mistakes.append(
                f"canary_versions.{version} has {', '.join(unknown)}: "
                f"a version has only {', '.join(sorted(VERSION_KEYS))}"
            )
    return mistakes


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name it."""
        return {"canary_mistakes": canary_mistakes}
