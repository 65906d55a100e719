# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether proxies still have the rules that are judged. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .._proxy.attachment import Proxy
from .._proxy.envoy_config import EnvoyRule, routes_of

LOST = 2  # answers in a row without a rule until it counts as lost


class RulePresence:
    """Which proxies have lost a rule; one that never had it has not lost it."""

    def __init__(self, rules: Sequence[EnvoyRule]) -> None:
        self._rules = rules
        # Consecutive answers that lacked a rule, by its index, of proxies that had it.
        self._without: dict[tuple[Proxy, int], int] = {}

    def add(self, dumps: Mapping[Proxy, bytes]) -> None:
        """Add the routes that some proxies answered with."""
        for proxy, dump in dumps.items():
            for index, present in enumerate(_present(dump, self._rules)):
                if present:
                    self._without[proxy, index] = 0
                elif (proxy, index) in self._without:
                    self._without[proxy, index] += 1

    def lost(self, present: Collection[Proxy]) -> str:
        """Which of these proxies have lost a rule, as a clause; empty if none has."""
        for index, rule in enumerate(self._rules):
            lost = sorted(str(proxy) for proxy in present if self._without.get((proxy, index), 0) >= LOST)
            if lost:
                name = f"{rule.called} of " if len(self._rules) > 1 else ""
                return f"{name}{rule.virtual_service} has no route any more in {', '.join(lost)}"
        return ""


def _present(dump: bytes, rules: Sequence[EnvoyRule]) -> list[bool]:
    """Whether a proxy has each rule; an unreadable answer does not show that it was lost."""
    try:
        return [bool(weights) for weights in routes_of(dump, rules).weights]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [True] * len(rules)
