# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._estate.connections import (
    Connection,
    InvalidOptions,
    options_of,
)

HERE = Path("/estate")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [Connection()]),
        ({"context": "eu", "namespaces": ["shop"]}, [Connection(context="eu", namespaces=("shop",))]),
        ({"kubeconfig": "keys/eu"}, [Connection(kubeconfig="/estate/keys/eu")]),
        ({"kubeconfig": "/keys/eu"}, [Connection(kubeconfig="/keys/eu")]),
        ({"kubeconfig": "~/eu"}, [Connection(kubeconfig=str(Path("~/eu").expanduser()))]),
        ({"namespaces": "shop,pay"}, [Connection(namespaces=("shop", "pay"))]),
        (
            {
                "namespaces": ["shop"],
                "label_selectors": ["team=a"],
                "connections": [{"name": "eu", "context": "1"}, {"context": "2", "namespaces": ["pay"]}],
            },
            [
                Connection("eu", context="1", namespaces=("shop",), label_selectors=("team=a",)),
                Connection(context="2", namespaces=("pay",), label_selectors=("team=a",)),
            ],
        ),
    ],
)
def test_connections(given: dict[str, Any], expected: list[Connection]) -> None:
    asked = options_of(given, HERE)
    assert asked.connections == tuple(expected)
    assert (asked.candidates, asked.skip_unreachable) == (True, False)


def test_flags() -> None:
    asked = options_of({"candidates": "no", "skip_unreachable": "yes"}, HERE)
    assert (asked.candidates, asked.skip_unreachable) == (False, True)


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"connections": []}, "connections` is empty"),
        ({"connections": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "have the name a: give each its own"),
        ({"connections": [{"contxt": "a"}]}, "contxt"),
        ({"connections": "eu"}, "connections"),
        ({"candidates": "perhaps"}, "candidates"),
        ({"namespaces": {"shop": 1}}, "namespaces"),
    ],
)
def test_mistakes(given: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidOptions, match=mistake):
        options_of(given, HERE)


def test_all_else_is_left_to_the_environment() -> None:
    assert Connection().access == {}
    assert Connection("eu", "/k", "c").access == {"kubeconfig": "/k", "context": "c"}
