# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Whether proxies that ran a rule still do, while it is judged. The answers are large, so they are asked seldom."""

from __future__ import annotations

import time
from contextlib import suppress

from ._binding import Proxy
from ._cluster import ClusterError
from ._envoy import Rule, routes_path, rule_of, weights_by_config
from ._path_reader import PathReader
from ._proof import Prover
from ._proxies import Unproven
from ._snapshot import Snapshot

PACE = 5.0  # seconds between two questions to a proxy
LOST = 2  # answers in a row without the rule until it counts as lost


class RuleReader:
    """Asks from the second question on: a weight that is judged was proven to be live just before."""

    def __init__(self, prover: Prover, snapshot: Snapshot) -> None:
        self._rule = rule_of(snapshot.virtual_service, snapshot.route.rule)
        self._reader = PathReader(prover, snapshot, routes_path(), PACE)
        self._begin = time.monotonic() + PACE
        self._without: dict[Proxy, int] = {}  # answers in a row that lacked the rule, of proxies that had it

    def lost(self) -> str:
        """Which proxies have lost the rule, as a half sentence; nothing if none has, or it cannot be known."""
        if time.monotonic() >= self._begin:
            with suppress(Unproven, ClusterError):
                self._look()
        lost = sorted(str(proxy) for proxy, answers in self._without.items() if answers >= LOST)
        return f"{self._rule.virtual_service} has no route any more in {', '.join(lost)}" if lost else ""

    def close(self) -> None:
        """Ask nobody any more."""
        self._reader.close()

    def _look(self) -> None:
        readings, new = self._reader.look(0)
        for proxy in self._without.keys() - readings.present:
            del self._without[proxy]
        for proxy, dump in new.items():
            if _has(dump, self._rule):
                self._without[proxy] = 0
            elif proxy in self._without:
                self._without[proxy] += 1


def _has(dump: bytes, rule: Rule) -> bool:
    """Whether a proxy runs the rule. Whatever is no answer to that tells nothing."""
    try:
        return bool(weights_by_config(dump, rule))
    except (ValueError, KeyError, TypeError, AttributeError):
        return True
