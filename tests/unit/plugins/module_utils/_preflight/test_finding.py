# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._preflight.finding import Finding, error, warning
from ansible_collections.progressive.istio.plugins.module_utils._preflight.timestamps import Timestamp

SERVICE = {"metadata": {"namespace": "shop", "name": "pong"}}


def test_a_finding_about_an_object() -> None:
    found = error("Service", SERVICE, "has no port", "add one", "kubectl get service", check="port")
    assert str(found) == "Service shop/pong has no port -> add one: kubectl get service"
    assert (found.severity, warning("Service", SERVICE, "a", "b").severity) == ("error", "warning")


def test_an_object_without_namespace_and_a_remedy_without_command() -> None:
    found = warning("Namespace", {"metadata": {"name": "shop"}}, "has two labels", "keep one")
    assert str(found) == "Namespace shop has two labels -> keep one"


def test_what_a_module_returns() -> None:
    since = Timestamp(datetime(2026, 1, 31, 12, tzinfo=UTC), "kubectl wrote spec.ports")
    facts = error("Service", SERVICE, "a", "b", "c", since, check="port").facts()
    assert facts == {
        "check": "port",
        "severity": "error",
        "kind": "Service",
        "namespace": "shop",
        "name": "pong",
        "problem": "a",
        "remedy": "b",
        "command": "c",
        "since": "2026-01-31T12:00:00Z",
        "since_source": "kubectl wrote spec.ports",
    }
    unknown = error("Service", SERVICE, "a", "b").facts()
    assert (unknown["since"], unknown["since_source"]) == (None, None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({"name": "other"}, {}, False),
        ({"about": frozenset({"x", "y"})}, {"about": frozenset({"y"})}, True),
        ({"about": frozenset({"x"})}, {}, False),
        ({"about": frozenset({"Service shop/pong"})}, {}, True),
    ],
)
def test_two_findings_concern_the_same_thing(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    plain = {"severity": "error", "kind": "Service", "namespace": "shop", "name": "pong", "problem": "", "remedy": ""}
    assert Finding(**{**plain, **one}).concerns(Finding(**{**plain, **other})) is same
