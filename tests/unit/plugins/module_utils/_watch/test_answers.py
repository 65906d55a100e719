# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of proxies are returned once, and reading starts and ends only once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._proxy.attachment import Proxy
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Unproven
from ansible_collections.progressive.istio.plugins.module_utils._proxy.reader import Readings
from ansible_collections.progressive.istio.plugins.module_utils._watch.answers import ProxyAnswers

ONE = Proxy("gateway", "shop", "one", "1")
TWO = Proxy("gateway", "shop", "two", "2")


class Scripted:
    """A prover and its reader: it gives these readings one after the other."""

    def __init__(self, *bodies: dict[Proxy, dict[str, bytes]], refused: str = "") -> None:
        self.readings = [Readings(each, {}, len(each), {}) for each in bodies]
        self.refused = refused
        self.opened = self.closed = 0

    def reader(self, *_: object) -> Scripted:
        self.opened += 1
        if self.refused:
            raise Unproven(self.refused)
        return self

    def newest(self, _seconds: float) -> Readings:
        return self.readings.pop(0)

    def close(self) -> None:
        self.closed += 1


def answers(prover: Any) -> ProxyAnswers:
    return ProxyAnswers(prover, None, "/a", 0.1)  # type: ignore[arg-type]


def test_an_answer_is_new_once() -> None:
    first, second = bytes([1]), bytes([2])
    found = answers(Scripted({ONE: {"/a": first}}, {ONE: {"/a": first}, TWO: {"/b": second}}, {ONE: {"/a": second}}))
    assert found.new("/a") == {}
    seen = [found.read() and found.new("/a") for _time in range(3)]
    assert seen == [{ONE: first}, {}, {ONE: second}]


def test_the_reader_is_opened_once_and_closed() -> None:
    prover = Scripted({})
    found = answers(prover)
    found.begin()
    found.read()
    found.close()
    assert (prover.opened, prover.closed) == (1, 1)
    with pytest.raises(Unproven, match="the watch is over"):
        found.read()


def test_what_prevents_reading_is_raised_by_a_read() -> None:
    found = answers(Scripted(refused="no ready proxy"))
    found.begin()
    with pytest.raises(Unproven, match="no ready proxy"):
        found.read()
    found.close()
