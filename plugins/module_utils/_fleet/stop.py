# SPDX-License-Identifier: GPL-3.0-or-later
"""How many canaries of a call may fail before no other begins. Pure."""

from __future__ import annotations

from dataclasses import dataclass


class InvalidLimit(ValueError):
    """Why a limit is none, in one sentence."""


@dataclass(frozen=True)
class StopRule:
    """most: how many may fail; None for all."""

    most: int | None

    @classmethod
    def of(cls, given: object, total: int) -> StopRule:
        """The rule of an option: a number, or a percentage of `total` as text, rounded down. Raises InvalidLimit."""
        if given is None:
            return cls(None)
        text = str(given).strip()
        number = text.removesuffix("%").rstrip()
        if isinstance(given, bool) or not (number.isascii() and number.isdecimal()):
            raise InvalidLimit(f"max_failures is {given!r}: it must be a whole number of 0 or more, or such as '10%'")
        if not text.endswith("%"):
            return cls(int(number))
        if int(number) > 100:
            raise InvalidLimit(f"max_failures is {given!r}: it must be at most '100%'")
        return cls(int(number) * total // 100)

    def broken(self, failures: int) -> bool:
        """Whether more have failed than may."""
        return self.most is not None and failures > self.most
