# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a mapping of options key by key and collect all its mistakes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf, isfinite
from typing import Any, TypeVar

from .values import number, seconds, share, show, truth, whole

T = TypeVar("T")

_RATE = "a share between 0 and 1, such as 0.01, or percent, such as 1%"


class Options:
    """A mapping of options. A mistake is added to the list, and the default is returned instead."""

    def __init__(self, path: str, given: object, mistakes: list[str]) -> None:
        self._path = path
        self._mistakes = mistakes
        self._known: list[str] = []
        self._given: Mapping[Any, Any] = given if isinstance(given, Mapping) else {}
        if not isinstance(given, (Mapping, type(None))):
            self.wrong("", given, "a mapping")

    def wrong(self, key: str, value: object, wanted: str) -> None:
        self._mistakes.append(f"{self._place(key)} is {show(value)}: it must be {wanted}")

    def raw(self, key: str) -> Any:
        self._known.append(key)
        return self._given.get(key)

    def part(self, key: str, optional: bool = False) -> Options | None:
        """The options below a key; None if they are false, or optional and not given."""
        given = self.raw(key)
        if given is None and optional:
            return None
        on = truth(given)
        if on is False:
            return None
        if on is None and not isinstance(given, (Mapping, type(None))):
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
        wanted = _RATE if highest == 1 else f"{_RATE}, and below {highest:g}"
        return self._parsed(key, default, share, lambda found: 0 < found < highest, wanted)

    def number(self, key: str, low: float, default: float) -> float:
        return self._parsed(key, default, number, lambda found: low <= found < inf, f"a number of {low:g} or more")

    def bound(self, key: str, default: float) -> float:
        """A finite number."""
        return self._parsed(key, default, number, isfinite, "a number")

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        wanted = f"a whole number from {low} to {high}"
        return self._parsed(key, default, partial(whole, low=low, high=high), lambda found: True, wanted)

    def seconds(self, key: str, low: float, high: float, default: float) -> float:
        wanted = f"a number of seconds from {low:g} to {high:.10g}"
        return self._parsed(key, default, seconds, lambda found: low <= found <= high, wanted)

    def flag(self, key: str, default: bool) -> bool:
        return self._parsed(key, default, truth, lambda found: True, "true or false")

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        wanted = f"one of {', '.join(allowed)}"
        return self._parsed(key, default, lambda given: given if given in allowed else None, lambda found: True, wanted)

    def text(self, key: str, wanted: str, default: str | None = None) -> str:
        """Text, which is required without a default."""
        given = self.raw(key)
        if given is None and default is not None:
            return default
        if not isinstance(given, str) or not given.strip():
            self.wrong(key, given, wanted)
            return ""
        return given.strip()

    def note(self, key: str, what: str) -> None:
        """Add a mistake that is not about a value, or about one that must not be shown."""
        self._mistakes.append(f"{self._place(key)} {what}")

    def end(self) -> None:
        """Add unknown keys to the mistakes."""
        unknown = sorted(str(key) for key in self._given if key not in self._known)
        if unknown:
            self._mistakes.append(f"{self._path} has {', '.join(unknown)}: it has only {', '.join(self._known)}")

    def _parsed(
        self, key: str, default: T, parse: Callable[[Any], T | None], valid: Callable[[T], bool], wanted: str
    ) -> T:
        given = self.raw(key)
        found = default if given is None else parse(given)
        if found is None or (given is not None and not valid(found)):
            self.wrong(key, given, wanted)
            return default
        return found

    def _place(self, key: str) -> str:
        return f"{self._path}.{key}" if key else self._path
