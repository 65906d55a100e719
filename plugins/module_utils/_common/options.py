# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Reading a mapping of options key by key, so that all that is wrong with it is told at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from .values import number, seconds, share, show, truth, whole

_RATE = "a share between 0 and 1, such as 0.01, or percent, such as 1%"


class Options:
    """One mapping of options, read key by key. What is wrong is noted, and the default is taken in its place."""

    def __init__(self, path: str, given: object, mistakes: list[str]) -> None:
        self._path = path
        self._mistakes = mistakes
        self._known: list[str] = []
        self._given: Mapping[Any, Any] = {}
        if isinstance(given, Mapping):
            self._given = given
        elif given is not None:
            self.wrong("", given, "a mapping")

    def wrong(self, key: str, value: object, wish: str) -> None:
        self._mistakes.append(f"{self._place(key)} is {show(value)}: it must be {wish}")

    def raw(self, key: str) -> Any:
        self._known.append(key)
        return self._given.get(key)

    def part(self, key: str, optional: bool = False) -> Options | None:
        """The options below a key; None if they are switched off, or if optional ones are not given."""
        given = self.raw(key)
        if given is None and optional:
            return None
        on = None if given is None or isinstance(given, Mapping) else truth(given)
        if on is False:
            return None
        if on is None and given is not None and not isinstance(given, Mapping):
            self.wrong(key, given, "a mapping, or false")
        return Options(self._place(key), given if isinstance(given, Mapping) else {}, self._mistakes)

    def items(self, key: str) -> list[Options]:
        given = self.raw(key)
        if given is None:
            return []
        if not isinstance(given, (list, tuple)):
            self.wrong(key, given, "a list")
            return []
        return [Options(f"{self._place(key)}[{index}]", item, self._mistakes) for index, item in enumerate(given)]

    def rate(self, key: str, default: float, highest: float = 1.0) -> float:
        """A share above 0 and below the highest."""
        given = self.raw(key)
        found = default if given is None else share(given)
        if found is None or not 0 < found < highest:
            self.wrong(key, given, _RATE if highest == 1 else f"{_RATE}, and below {highest:g}")
            return default
        return found

    def number(self, key: str, low: float, default: float) -> float:
        given = self.raw(key)
        found = default if given is None else number(given)
        if found is None or not low <= found < inf:
            self.wrong(key, given, f"a number of {low:g} or more")
            return default
        return found

    def bound(self, key: str, default: float) -> float:
        """A finite number that may be left out."""
        given = self.raw(key)
        found = default if given is None else number(given)
        if found is None or (given is not None and abs(found) == inf):
            self.wrong(key, given, "a number")
            return default
        return found

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        given = self.raw(key)
        found = default if given is None else whole(given, low, high)
        if found is None:
            self.wrong(key, given, f"a whole number from {low} to {high}")
            return default
        return found

    def seconds(self, key: str, low: float, high: float, default: float) -> float:
        given = self.raw(key)
        found = default if given is None else seconds(given)
        if found is None or not low <= found <= high:
            self.wrong(key, given, f"a number of seconds from {low:g} to {high:.10g}")
            return default
        return found

    def flag(self, key: str, default: bool) -> bool:
        given = self.raw(key)
        found = default if given is None else truth(given)
        if found is None:
            self.wrong(key, given, "true or false")
            return default
        return found

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        given = self.raw(key)
        if given is None:
            return default
        if given not in allowed:
            self.wrong(key, given, f"one of {', '.join(allowed)}")
            return default
        return str(given)

    def text(self, key: str, wish: str, default: str | None = None) -> str:
        """Text, which must be there unless there is a default."""
        given = self.raw(key)
        if given is None and default is not None:
            return default
        if not isinstance(given, str) or not given.strip():
            self.wrong(key, given, wish)
            return ""
        return given.strip()

    def note(self, key: str, what: str) -> None:
        """Something is wrong that is no wrong value, or that must not be shown."""
        self._mistakes.append(f"{self._place(key)} {what}")

    def end(self) -> None:
        """Note the keys that nobody has asked for."""
        unknown = sorted(str(key) for key in self._given if key not in self._known)
        if unknown:
            self._mistakes.append(f"{self._path} has {', '.join(unknown)}: it has only {', '.join(self._known)}")

    def _place(self, key: str) -> str:
        return f"{self._path}.{key}" if key else self._path
