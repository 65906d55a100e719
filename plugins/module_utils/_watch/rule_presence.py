# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether proxies still have the rule that is judged. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .._proxy.attachment import Proxy
from .._proxy.envoy_config import EnvoyRule, weights_by_config

LOST = 2  # answers in a row without the rule until it counts as lost


class RulePresence:
    """Which proxies have lost a rule; one that never had it has not lost it."""

    def __init__(self, rule: EnvoyRule) -> None:
        self._rule = rule
        self._without: dict[Proxy, int] = {}  # consecutive answers that lacked the rule, of proxies that had it

    def add(self, dumps: Mapping[Proxy, bytes]) -> None:
        """Add the routes that some proxies answered with."""
        for proxy, dump in dumps.items():
            if _has(dump, self._rule):
                self._without[proxy] = 0
            elif proxy in self._without:
                self._without[proxy] += 1

    def lost(self, present: Collection[Proxy]) -> str:
        """Which of these proxies have lost the rule, as a clause; empty if none has."""
        lost = sorted(str(proxy) for proxy in present if self._without.get(proxy, 0) >= LOST)
        return f"{self._rule.virtual_service} has no route any more in {', '.join(lost)}" if lost else ""


def _has(dump: bytes, rule: EnvoyRule) -> bool:
    """Whether a proxy has the rule; an unreadable answer does not show that it was lost."""
    try:
        return bool(weights_by_config(dump, rule))
    except (ValueError, KeyError, TypeError, AttributeError):
        return True
