# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.progressive.istio.plugins.module_utils._preflight import subject
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import error
from ansible_collections.progressive.istio.plugins.module_utils._routing.hosts import ServiceName

NAME = ServiceName("shop", "pong")
ROUTES = {"metadata": {"namespace": "shop", "name": "pong"}}


def test_an_object_is_its_place() -> None:
    for thing in (ROUTES, {"metadata": {"name": "pong"}}):
        assert subject.thing("Service", thing) == error("Service", thing, "", "").place


def test_parts_are_told_apart() -> None:
    assert subject.version(NAME, "") == subject.service(NAME) == "Service shop/pong"
    parts = [subject.version(NAME, "v1"), subject.version(NAME, "v2"), subject.new_pods("shop")]
    parts += [subject.rule(ROUTES, protocol, index) for protocol in ("http", "tcp") for index in (0, 1)]
    assert len({*parts, subject.service(NAME)}) == len(parts) + 1
