# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route that proxies have lost is told, with their names, and one that they never had is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils import _rule_reader
from ansible_collections.progressive.istio.plugins.module_utils._binding import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._reader import Reading, Readings
from ansible_collections.progressive.istio.plugins.module_utils._route import locate
from ansible_collections.progressive.istio.plugins.module_utils._rule_reader import LOST, RuleReader
from loopback_mesh import Envoy
from pong_mesh import virtual_service

ONE, TWO = (Proxy("gateway", "gateways", name, name) for name in ("one", "two"))
WITH = Envoy("one", 80, 20).routes("")
WITHOUT = json.dumps({"configs": []}).encode()


class Source:
    """Gives these answers of proxies, one look after the other."""

    def __init__(self, *looks: dict[Proxy, bytes | None]) -> None:
        self.cluster = None
        self.closed = False
        self._looks = iter(looks)
        self._path = ""
        self._before: dict[Proxy, Reading] = {}

    def reader(self, _snapshot: object, paths: Sequence[str], _pace: float) -> Source:
        (self._path,) = paths
        return self

    def newest(self, _patience: float) -> Readings:
        """A proxy without an answer shows its last one again."""
        look = next(self._looks)
        self._before |= {proxy: Reading({self._path: body}) for proxy, body in look.items() if body is not None}
        return Readings(dict(self._before), {}, len(look), {}, frozenset(look))

    def close(self) -> None:
        self.closed = True


def lost(monkeypatch: pytest.MonkeyPatch, *looks: dict[Proxy, bytes | None]) -> str:
    monkeypatch.setattr(_rule_reader, "PACE", 0)
    service = virtual_service(80, 20)
    snapshot: Any = SimpleNamespace(virtual_service=service, route=locate(service, ("v1", "v2")))
    source: Any = Source(*looks)
    watched = RuleReader(source, snapshot)
    found = [watched.lost() for _look in looks]
    watched.close()
    assert source.closed
    assert watched.lost() == found[-1]  # nobody is asked any more
    return found[-1]


@pytest.mark.parametrize(
    ("looks", "names"),
    [
        ([{ONE: WITH, TWO: WITH}] * 4, ""),
        ([{ONE: WITH, TWO: WITH}, *[{ONE: WITHOUT, TWO: WITH}] * LOST], "gateway gateways/one"),
        (
            [{ONE: WITH, TWO: WITH}, *[{ONE: WITHOUT, TWO: WITHOUT}] * LOST],
            "gateway gateways/one, gateway gateways/two",
        ),
        ([{ONE: WITH}, *[{ONE: WITHOUT}] * (LOST - 1)], ""),  # for a moment
        ([{ONE: WITH}, {ONE: WITHOUT}, *[{ONE: None}] * 4], ""),  # one answer is not two
        ([{ONE: WITH}, {ONE: WITHOUT}, {ONE: WITH}, {ONE: WITHOUT}], ""),
        ([{ONE: WITHOUT}] * 4, ""),  # a sidecar that never had it
        ([{ONE: WITH}, *[{ONE: WITHOUT}] * LOST, {TWO: WITH}], ""),  # it went
        ([{ONE: WITH}, *[{ONE: b"no JSON"}] * 4], ""),
    ],
)
def test_which_proxies_have_lost_the_rule(
    monkeypatch: pytest.MonkeyPatch, looks: list[dict[Proxy, bytes | None]], names: str
) -> None:
    assert lost(monkeypatch, *looks) == (f"shop/pong has no route any more in {names}" if names else "")
