# SPDX-License-Identifier: GPL-3.0-or-later
"""The version that an answer names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# A version where none is given to look for.
_ANY_VERSION = r"v\d+(?:\.\d+)*"


def version_pattern(versions: Iterable[str]) -> re.Pattern[str]:
    """Matches the versions as whole words, in text and JSON; v1 is found neither in v1.2 nor in app-v1."""
    words = "|".join(map(re.escape, versions)) or _ANY_VERSION
    return re.compile(rf"(?<![\w-])(?<!\w\.)(?:{words})(?![\w-])(?!\.\w)")


def versions_in(pattern: re.Pattern[str], text: str) -> set[str]:
    """The versions that a text names."""
    return {_named(match) for match in pattern.finditer(text)} - {""}


def _named(match: re.Match[str]) -> str:
    """The version a match names: its group `version`, else its first group, else all of it."""
    group: int | str = "version" if "version" in match.re.groupindex else min(1, match.re.groups)
    return match.group(group) or ""
